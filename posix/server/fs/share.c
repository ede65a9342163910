/* SPDX-License-Identifier: MIT */
/* Shares by their tags: see share.h. */
#include <abi/linux/errno.h>
#include <base/string.h>
#include <helix/helix.h>
#include <posix/server/fs/disk-internal.h>
#include <posix/server/fs/disk-options.h>
#include <posix/server/fs/share.h>

static struct list shares = LIST_INIT(shares); /* struct volume.node; each has a reference */

static void share_release(struct volume *volume)
{
	hel_close(HEL_THIS, volume->client.lane);
	helix_free(volume);
}

bool share_add(const char *tag, uint64_t object, hel_handle lane)
{
	struct volume *volume = helix_calloc(1, sizeof(*volume));

	if (volume == NULL) {
		return false;
	}
	volume->references = 1;
	volume->object = object;
	volume->release = share_release;
	str_copy(volume->name, sizeof(volume->name), tag);
	transport_client_init(&volume->client, lane, 1);
	list_push_back(&shares, &volume->node);
	return true;
}

void share_vanished(uint64_t object)
{
	LIST_FOR_EACH_SAFE(volume, &shares, struct volume, node) {
		if (volume->object == object) {
			volume->object = 0;
			list_remove(&volume->node);
			volume_unref(volume);
		}
	}
}

static struct volume *share_find(const char *tag)
{
	LIST_FOR_EACH(volume, &shares, struct volume, node) {
		if (str_equal(volume->name, tag)) {
			return volume;
		}
	}
	return NULL;
}

int64_t share_mount_create(const char *source, const char *options, struct super **out_super)
{
	struct disk_options parsed = { 0 };
	int64_t error = disk_options_parse("9p", options, &parsed);

	if (error < 0) {
		return error;
	}
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	struct volume *volume = share_find(source);

	return volume == NULL ? -LINUX_ENOENT : disk_mount_volume("9p", volume, &parsed, out_super);
}
