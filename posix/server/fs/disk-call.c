/* SPDX-License-Identifier: MIT */
/* Calls of hooks to the file server; see disk-internal.h. */
#include <abi/linux/errno.h>
#include <helix/memory.h>
#include <posix/server/fs/disk-internal.h>

static int64_t disk_call_start(
	struct disk_call *call, struct disk_super *disk, void *buffer, size_t n_bytes)
{
	call->disk = disk;
	bragi_exchange_init(&call->exchange, buffer, n_bytes);
	super_ref(&disk->super);
	request_pause(&call->pause);
	call->task = call->pause.task;
	return 0;
}

int64_t disk_call_begin(struct disk_call *call, struct disk_super *disk)
{
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	call->block = NULL;
	return disk_call_start(call, disk, call->bytes, sizeof(call->bytes));
}

int64_t disk_call_begin_long(struct disk_call *call, struct disk_super *disk, size_t n_bytes)
{
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	call->block = helix_malloc(n_bytes);
	return call->block == NULL ? -LINUX_ENOMEM
				   : disk_call_start(call, disk, call->block, n_bytes);
}

void disk_call_again(struct disk_call *call)
{
	bragi_exchange_init(&call->exchange, call->exchange.buffer, call->exchange.buffer_size);
}

int64_t disk_call_end(struct disk_call *call, int error)
{
	request_resume(&call->pause);
	super_unref(&call->disk->super);
	helix_free(call->block);
	return fs_errno(error);
}
