/* SPDX-License-Identifier: MIT */
/* What is asked of a volume's server beside its bytes. */
#include <abi/linux/errno.h>
#include <base/errors.h>
#include <helix/helix.h>
#include <posix/server/fs/block-finder.h>
#include <posix/server/fs/block-look.h>
#include <posix/server/fs/block-session.h>
#include <posix/server/fs/disk-internal.h>
#include <posix/server/task.h>
#include <posix/server/turn.h>

constexpr size_t CALL_BYTES = 512;

/* Jobs that look at what is on a volume; who waits for the last of them. */
static uint32_t n_looks;
static struct wait_queue looks_ended = { .entries = LIST_INIT(looks_ended.entries) };

/* One call of a hook on a volume's lane; everybody else runs between begin and end. */
struct volume_call {
	struct volume *volume;
	struct task *task;
	struct request_pause pause;
	struct bragi_exchange exchange;
	uint8_t bytes[CALL_BYTES];
};

static int64_t volume_call_begin(struct volume_call *call, struct volume *volume)
{
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	if (volume->object == 0) {
		return -LINUX_ENXIO;
	}
	call->volume = volume;
	bragi_exchange_init(&call->exchange, call->bytes, sizeof(call->bytes));
	volume_ref(volume);
	request_pause(&call->pause);
	call->task = call->pause.task;
	return 0;
}

static int64_t volume_call_end(struct volume_call *call, int error)
{
	request_resume(&call->pause);
	volume_unref(call->volume);
	return fs_errno(error);
}

int64_t block_clear(struct block *block, uint64_t offset, uint64_t length, bool is_discard)
{
	struct fs_clear_request request;
	struct fs_clear_reply reply;
	struct volume_call call;
	int64_t error = volume_call_begin(&call, &block->volume);

	if (error < 0) {
		return error;
	}
	fs_clear_request_init(&request);
	request.offset = offset;
	request.length = length;
	request.is_discard = is_discard;
	return volume_call_end(&call,
		fs_volume_clear(
			call.task, &block->volume.client.client, &call.exchange, &request, &reply));
}

static bool has_used_partition(const struct block *disk)
{
	for (struct block *block = block_next(NULL); block != NULL; block = block_next(block)) {
		if (block->disk == disk && (block->n_opens > 0 || block->volume.super != NULL)) {
			return true;
		}
	}
	return false;
}

/* In a task: waits until nothing of ours that programs do not see uses partitions of the disk. */
static void settle_partitions(const struct block *disk)
{
	block_finder_settle();
	while (n_looks > 0) {
		task_wait_on(&looks_ended);
	}
	for (struct block *block = block_next(NULL); block != NULL;) {
		bool has_waited = block->disk == disk && disk_volume_settle(&block->volume);

		block = block_next(has_waited ? NULL : block); /* the list may be another one */
	}
}

int64_t block_rescan(struct block *block)
{
	struct fs_rescan_request request;
	struct fs_rescan_reply reply;
	struct volume_call call;

	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	settle_partitions(block);
	if (has_used_partition(block)) {
		return -LINUX_EBUSY;
	}
	int64_t error = volume_call_begin(&call, &block->volume);

	if (error < 0) {
		return error;
	}
	fs_rescan_request_init(&request);
	error = volume_call_end(&call,
		fs_volume_rescan(
			call.task, &block->volume.client.client, &call.exchange, &request, &reply));
	if (error == 0) {
		block_finder_settle();
	}
	return error;
}

/* ---- looking again --------------------------------------------------------------------------- */

struct look {
	struct job job;
	struct block *block; /* referenced */
};

static int look_run(struct task *task, void *argument)
{
	struct look *look = argument;
	struct block *block = look->block;
	struct block_probe probe;

	task->job = NULL; /* the job goes before its task ends */
	helix_free(look);
	if (block->volume.object != 0 && block_look(task, &block->volume, &probe) == 0) {
		block_set_probe(block, &probe);
	}
	volume_unref(&block->volume);
	n_looks--;
	wait_queue_wake(&looks_ended);
	return 0;
}

void block_look_later(struct block *block)
{
	struct look *look = block->is_shown ? helix_malloc(sizeof(*look)) : NULL;

	if (look == NULL) {
		return; /* links stay as they are */
	}
	*look = (struct look){ .block = block };
	volume_ref(&block->volume);
	n_looks++;
	job_init(&look->job, "block look", look_run, look);
	job_submit(posix_loop(), &look->job);
}
