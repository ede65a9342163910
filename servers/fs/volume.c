/* SPDX-License-Identifier: MIT */
/* Volumes: references, their place on mbus, and who has one open as it is. See disk.h. */
#include "disk.h"
#include "session.h"

#include <base/assert.h>
#include <base/errors.h>
#include <base/format.h>
#include <protocols/mbus/mbus-client.h>

/* ---- references ------------------------------------------------------------------------------ */

struct volume *volume_get(struct volume *volume)
{
	volume->n_references++;
	return volume;
}

void volume_put(struct volume *volume)
{
	if (volume == NULL || --volume->n_references > 0) {
		return;
	}
	ASSERT(!volume->has_raw && !volume->is_mounted);
	volume->device->owner = NULL;
	counters_deinit(&volume->counters);
	volume->disk->n_volumes--;
	wait_queue_wake(&volume->disk->changed);
	helix_free(volume);
}

/* ---- mbus ------------------------------------------------------------------------------------ */

static void volume_connected(
	struct connect_listener *listener, const char *client UNUSED, hel_handle lane)
{
	volume_serve(container_of(listener, struct volume, listener), lane);
}

static void volume_control_ended(struct connect_listener *listener)
{
	struct volume *volume = container_of(listener, struct volume, listener);

	hel_close(HEL_THIS, volume->control);
	volume_put(volume);
}

static const struct connect_listener_ops listener_ops = {
	.connected = volume_connected,
	.ended = volume_control_ended,
};

int volume_publish(struct task *task, struct volume *volume)
{
	char number[12];
	const struct mbus_pair properties[] = {
		{ "class", "volume" },
		{ "name", volume->name },
		{ "disk", volume->disk->name },
		{ "partition", number },
	};

	format_to(number, sizeof(number), "%u", volume->partition.number);
	int error = mbus_publish_object(task, volume->disk->mbus, properties,
		ARRAY_SIZE(properties), &volume->object, &volume->control);

	if (error == 0) {
		volume->is_published = true;
		connect_listen(&volume_get(volume)->listener, &listener_ops, volume->disk->loop,
			volume->control);
	}
	return error;
}

void volume_withdraw(struct task *task, struct volume *volume)
{
	if (volume->is_published) {
		volume->is_published = false;
		/* without mbus nobody finds it anyway */
		(void)!mbus_withdraw(task, volume->disk->mbus, volume->object);
	}
}

/* ---- open as it is --------------------------------------------------------------------------- */

int volume_open(struct task *task, struct volume *volume, bool is_writable)
{
	if (is_writable && volume->is_mounted) {
		return -ERR_BUSY;
	}
	if (is_writable && volume->device->is_read_only) {
		return BLOCKFS_E_READ_ONLY;
	}
	int error = mutex_lock(task, &volume->raw_lock);

	if (error != 0) {
		return error;
	}
	if (is_writable && volume->is_mounted) { /* by now */
		error = -ERR_BUSY;
	}
	if (error == 0 && !volume->has_raw) {
		error = contents_init(
			&volume->raw, &raw_contents_ops, volume->disk->loop, &volume->disk->io);
		volume->has_raw = error == 0;
	}
	if (error == 0) {
		volume->n_openers++;
		volume->n_writers += is_writable;
	}
	mutex_unlock(&volume->raw_lock);
	return error;
}

int volume_close(struct task *task, struct volume *volume, bool is_writable)
{
	int error = mutex_lock(task, &volume->raw_lock);

	if (error != 0) {
		return error;
	}
	if (is_writable) { /* who mounts it next finds everything */
		error = contents_sync(task, &volume->raw, 0, 0);
		volume->n_writers--;
	}
	volume->n_openers--;
	if (volume->n_openers == 0) {
		contents_close(task, &volume->raw);
		volume->has_raw = false;
	}
	mutex_unlock(&volume->raw_lock);
	return error;
}
