/* SPDX-License-Identifier: MIT */
/*
 * Volumes on mbus: see block-finder.h.
 *
 * Each volume has a job, from when it is heard of until it is gone: it asks what the volume is,
 * looks at what is on it, has it shown, and then waits for its size to change.
 */
#include <abi/linux/errno.h>
#include <base/errors.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/helix.h>
#include <posix/server/fs/block-finder.h>
#include <posix/server/fs/block-look.h>
#include <posix/server/fs/block.h>
#include <posix/server/fs/share.h>
#include <posix/server/task.h>
#include <posix/server/tty/channel-loop.h>
#include <protocols/mbus/mbus-client.h>

constexpr size_t INFO_BYTES = 4096; /* a request and its reply */
constexpr size_t LOOKS_MAX = 8; /* at the same time: each takes memory here and in its server */
constexpr size_t WATCHES_MAX = 192; /* each is a task of posix's loop, which others need, too */
constexpr uint64_t LOOK_NS = 10'000'000'000; /* a disk that does not answer is shown without */

/* Volumes that were heard of and are not shown yet; who waits for that. */
static uint32_t n_found;
static struct list waiting = LIST_INIT(waiting); /* of struct found_volume: not looked at yet */
static size_t n_looks, n_watches;
static struct wait_queue found_changed = { .entries = LIST_INIT(found_changed.entries) };

struct found_volume {
	struct job job;
	struct list_node node;
	uint64_t object;
	char name[VOLUME_NAME_SIZE], disk[VOLUME_NAME_SIZE];
};

/* ---- one volume ------------------------------------------------------------------------------ */

static void copy_text(char out_text[VOLUME_TEXT_SIZE], const struct bragi_string *from)
{
	size_t length = min_size(from->length, VOLUME_TEXT_SIZE - 1);

	memcpy(out_text, from->text, length);
	out_text[length] = '\0';
}

static void copy_info(struct volume_info *out_info, const struct fs_info_reply *reply)
{
	*out_info = (struct volume_info){
		.flags = reply->flags,
		.start_bytes = reply->start_bytes,
		.size_bytes = reply->size_bytes,
		.logical_block_bytes = reply->logical_block_bytes,
		.physical_block_bytes = reply->physical_block_bytes,
		.optimal_bytes = reply->optimal_bytes,
		.partition = reply->partition,
		.scheme = reply->scheme,
		.discard_alignment = reply->discard_alignment,
		.discard_bytes_max = reply->discard_bytes_max,
		.zeroes_bytes_max = reply->zeroes_bytes_max,
		.mbr_type = reply->mbr_type,
	};
	memcpy(out_info->table_uuid, reply->table_uuid, sizeof(out_info->table_uuid));
	memcpy(out_info->uuid, reply->uuid, sizeof(out_info->uuid));
	memcpy(out_info->type_uuid, reply->type_uuid, sizeof(out_info->type_uuid));
	copy_text(out_info->label, &reply->label);
	copy_text(out_info->model, &reply->model);
	copy_text(out_info->serial, &reply->serial);
}

static int ask_info(struct task *task, hel_handle lane, struct volume_info *out_info)
{
	struct transport_client client;
	struct bragi_exchange exchange;
	struct fs_info_request request;
	struct fs_info_reply reply;
	uint8_t *buffer = helix_malloc(INFO_BYTES);

	if (buffer == NULL) {
		return -ERR_NO_MEMORY;
	}
	transport_client_init(&client, lane, 0);
	bragi_exchange_init(&exchange, buffer, INFO_BYTES);
	fs_info_request_init(&request);
	int error = fs_volume_info(task, &client.client, &exchange, &request, &reply);

	if (error == 0) {
		copy_info(out_info, &reply);
	}
	helix_free(buffer);
	return error;
}

static int found_add(struct task *task, const struct found_volume *found, struct block **out_block)
{
	struct volume_info info;
	hel_handle lane;
	int error = mbus_bind(task, helix_start_handle("mbus"), found->object, &lane);

	if (error != 0) {
		return error;
	}
	error = ask_info(task, lane, &info);
	if (error == 0) {
		const struct block_found description = {
			.name = found->name,
			.disk = found->disk,
			.object = found->object,
			.lane = lane,
			.info = &info,
		};
		int64_t add_error = block_add(&description, out_block);

		error = add_error == 0               ? 0
			: add_error == -LINUX_ENOMEM ? -ERR_NO_MEMORY
						     : -ERR_ILLEGAL_ARGS;
	}
	if (error != 0) {
		hel_close(HEL_THIS, lane);
	}
	return error;
}

/* A server that counts nothing is none to complain of. */
static void found_ask_counters(struct task *task, struct block *block)
{
	struct fs_counters_request request;
	struct fs_counters_reply reply;
	struct bragi_exchange exchange;
	uint8_t bytes[256];

	bragi_exchange_init(&exchange, bytes, sizeof(bytes));
	fs_counters_request_init(&request);
	if (fs_volume_counters(task, &block->volume.client.client, &exchange, &request, &reply) ==
		0) {
		block_set_counters(block, bragi_handles_take(&exchange.received, 0));
	}
	transport_close_handles(&exchange.received);
}

static void found_look(struct task *task, struct block *block)
{
	struct block_probe probe;
	struct scope scope;

	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + LOOK_NS);
	int error = block_look(task, &block->volume, &probe);

	(void)!scope_join(&scope);
	if (error == 0) {
		block_set_probe(block, &probe);
	} else {
		helix_log(HEL_LOG_WARNING, "%s: what is on it is not known: %s", block->volume.name,
			error_text(error));
	}
}

/*
 * Hears of changes of its size, until it is gone. A server that tells no more, as one with very
 * many volumes, does not take it away; nor does it go when there are too many to watch all.
 */
static void found_watch(struct task *task, struct block *block, uint64_t object)
{
	struct fs_watch_request request;
	struct fs_watch_reply reply;
	struct bragi_exchange exchange;
	uint8_t bytes[256];
	int error = 0;

	if (n_watches == WATCHES_MAX) {
		return;
	}
	n_watches++;
	while (error == 0 && block->volume.object == object) {
		bragi_exchange_init(&exchange, bytes, sizeof(bytes));
		fs_watch_request_init(&request);
		request.size_bytes = block->volume.info.size_bytes;
		error = fs_volume_watch(
			task, &block->volume.client.client, &exchange, &request, &reply);
		if (error == 0) {
			block_size_changed(block, reply.size_bytes);
		}
	}
	n_watches--;
	if (error == -ERR_END_OF_LANE) {
		block_vanished(object);
	}
}

static int found_run(struct task *task, void *argument);

static void found_start_next(void)
{
	while (n_looks < LOOKS_MAX && !list_is_empty(&waiting)) {
		struct found_volume *found = LIST_POP_FRONT(&waiting, struct found_volume, node);

		n_looks++;
		job_init(&found->job, "volume", found_run, found);
		job_submit(posix_loop(), &found->job);
	}
}

static int found_run(struct task *task, void *argument)
{
	struct found_volume *found = argument;
	uint64_t object = found->object;
	struct block *block;
	int error = found_add(task, found, &block);

	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "volume %s is left out: %s", found->name,
			error_text(error));
	}
	task->job = NULL; /* the job goes before its task ends */
	helix_free(found);
	if (error == 0) {
		found_ask_counters(task, block);
		found_look(task, block);
		block_show(block);
	}
	n_found--;
	n_looks--;
	wait_queue_wake(&found_changed);
	found_start_next();
	if (error != 0) {
		return 0;
	}
	found_watch(task, block, object);
	volume_unref(&block->volume);
	return 0;
}

/* ---- mbus ------------------------------------------------------------------------------------ */

static void volume_appeared(const struct mbus_object *object)
{
	const char *name = mbus_object_property(object, "name");
	const char *disk = mbus_object_property(object, "disk");

	if (object->is_known || name == NULL || disk == NULL || strlen(name) >= VOLUME_NAME_SIZE ||
		strlen(disk) >= VOLUME_NAME_SIZE) {
		return;
	}
	struct found_volume *found = helix_calloc(1, sizeof(*found));

	if (found == NULL) {
		helix_log(HEL_LOG_WARNING, "volume %s is left out: no memory", name);
		return;
	}
	block_expect(disk);
	found->object = object->id;
	str_copy(found->name, sizeof(found->name), name);
	str_copy(found->disk, sizeof(found->disk), disk);
	n_found++;
	list_push_back(&waiting, &found->node);
	found_start_next();
}

static int share_run(struct task *task, void *argument)
{
	struct found_volume *found = argument;
	hel_handle lane;
	int error = mbus_bind(task, helix_start_handle("mbus"), found->object, &lane);

	if (error == 0 && !share_add(found->name, found->object, lane)) {
		hel_close(HEL_THIS, lane);
		error = -ERR_NO_MEMORY;
	}
	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "share %s is left out: %s", found->name,
			error_text(error));
	}
	task->job = NULL;
	helix_free(found);
	n_found--;
	wait_queue_wake(&found_changed);
	return 0;
}

static void share_appeared(const struct mbus_object *object)
{
	const char *tag = mbus_object_property(object, "tag");

	if (object->is_known || tag == NULL || strlen(tag) >= VOLUME_NAME_SIZE) {
		return;
	}
	struct found_volume *found = helix_calloc(1, sizeof(*found));

	if (found == NULL) {
		helix_log(HEL_LOG_WARNING, "share %s is left out: no memory", tag);
		return;
	}
	found->object = object->id;
	str_copy(found->name, sizeof(found->name), tag);
	n_found++;
	job_init(&found->job, "share", share_run, found);
	job_submit(posix_loop(), &found->job);
}

/* Block devices are there before their volumes. */
static void device_appeared(const struct mbus_object *object)
{
	const char *name = mbus_object_property(object, "name");

	if (name != NULL) {
		block_expect(name);
	}
}

/* Controllers are there before anybody drives them: those that each make a number of their own. */
static void controller_appeared(const struct mbus_object *object)
{
	static const struct {
		struct mbus_pair first, second;
		const char *driver;
	} kinds[] = {
		{ { "pci-vendor", "1af4" }, { "pci-device", "1001" }, "virtio" },
		{ { "pci-vendor", "1af4" }, { "pci-device", "1042" }, "virtio" },
		{ { "pci-class", "01" }, { "pci-subclass", "08" }, "nvme" },
	};
	const char *address = mbus_object_property(object, "pci-address");
	char name[VOLUME_NAME_SIZE];

	for (size_t i = 0; address != NULL && i < ARRAY_SIZE(kinds); i++) {
		const char *first = mbus_object_property(object, kinds[i].first.name);
		const char *second = mbus_object_property(object, kinds[i].second.name);

		if (first != NULL && second != NULL && str_equal(first, kinds[i].first.value) &&
			str_equal(second, kinds[i].second.value)) {
			format_to(name, sizeof(name), "%s-%s", kinds[i].driver, address);
			block_expect(name);
		}
	}
}

static int finder_appeared(
	struct task *task UNUSED, void *context UNUSED, const struct mbus_object *object)
{
	static const struct {
		const char *class;
		void (*appeared)(const struct mbus_object *object);
	} classes[] = {
		{ "pci", controller_appeared },
		{ "block", device_appeared },
		{ "volume", volume_appeared },
		{ "share", share_appeared },
	};
	const char *class = mbus_object_property(object, "class");

	for (size_t i = 0; class != NULL && i < ARRAY_SIZE(classes); i++) {
		if (str_equal(class, classes[i].class)) {
			classes[i].appeared(object);
		}
	}
	return 0;
}

static int finder_vanished(struct task *task UNUSED, void *context UNUSED, uint64_t id)
{
	block_vanished(id);
	share_vanished(id);
	return 0;
}

/* All classes in one watch, since mbus answers but a few calls of a client at a time. */
static int finder_run(struct task *task, void *argument UNUSED)
{
	static const struct mbus_watch_ops ops = {
		.appeared = finder_appeared,
		.vanished = finder_vanished,
	};
	int error = mbus_watch(task, helix_start_handle("mbus"), NULL, 0, &ops, NULL);

	helix_log(HEL_LOG_ERROR, "nothing more is heard of disks: %s", error_text(error));
	return 0;
}

void block_finder_settle(void)
{
	constexpr uint64_t NOTHING = 0; /* no object has that number */
	struct request_pause pause;
	hel_handle lane;

	request_pause(&pause);
	(void)!mbus_bind(pause.task, helix_start_handle("mbus"), NOTHING, &lane);
	request_resume(&pause);
	while (n_found > 0) {
		task_wait_on(&found_changed);
	}
}

void block_finder_start(void)
{
	static struct job job;

	job_init(&job, "block devices", finder_run, NULL);
	job_submit(posix_loop(), &job);
}
