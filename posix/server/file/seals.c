/* SPDX-License-Identifier: MIT */
/*
 * Seals of memory files: F_ADD_SEALS and F_GET_SEALS.
 *
 * A file that somebody can write to through a mapping cannot be sealed against writing. Mappings of
 * a process that has ended are taken apart by the kernel a moment later than its parent is told. So
 * what is busy is looked at again when all is gone that has ended before; signals do not end that
 * wait, which is short.
 */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <async/loop.h>
#include <helix/await.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/file/handlers.h>
#include <posix/server/file/seals.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/request-internal.h>
#include <posix/server/vfs/inode.h>

/* Of a parked request, in state[1]; the last of request and operation frees it. */
struct seal_wait {
	struct helix_ends_op ends;
	struct wait_queue over;
	bool is_over, is_left;
};

static void seal_wait_leave(struct request *request)
{
	struct seal_wait *wait = (struct seal_wait *)request->state[1];

	request->state[1] = 0;
	wait_queue_deinit(&wait->over);
	wait->is_left = true;
	if (wait->is_over) {
		helix_free(wait);
	}
}

static void seal_wait_done(struct op *op)
{
	struct seal_wait *wait = op->owner;

	wait->is_over = true;
	if (wait->is_left) {
		helix_free(wait);
	} else {
		wait_queue_wake(&wait->over);
	}
}

/* REQUEST_PARK, or what is to be answered. */
static int64_t await_ends(struct request *request)
{
	struct seal_wait *wait = helix_malloc(sizeof(*wait));

	if (wait == NULL) {
		return -LINUX_EBUSY;
	}
	*wait = (struct seal_wait){};
	wait_queue_init(&wait->over);
	request->state[1] = (uintptr_t)wait;
	request->release = seal_wait_leave;
	int64_t error = request_wait_on(request, &wait->over);

	if (error < 0) {
		wait->is_over = true; /* nothing was begun: it goes with the request */
		return error;
	}
	helix_ends_op_init(&wait->ends);
	if (op_start(&wait->ends.operation.op, posix_loop(), seal_wait_done, wait) == OP_DONE) {
		wait->is_over = true;
		return -LINUX_EBUSY;
	}
	request_park_as_killable(request);
	return REQUEST_PARK;
}

int64_t seals_add(struct request *request, struct file *file, uint32_t seals)
{
	uint32_t *now = tmpfs_seals(file->inode);
	uint32_t known = LINUX_F_SEAL_SEAL | LINUX_F_SEAL_SHRINK | LINUX_F_SEAL_GROW |
		LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE;

	if (now == NULL) {
		return -LINUX_EINVAL;
	}
	if (!file_is_writable(file)) {
		return -LINUX_EPERM;
	}
	if (seals & ~known) {
		return -LINUX_EINVAL;
	}
	if (*now & LINUX_F_SEAL_SEAL) {
		return -LINUX_EPERM;
	}
	if ((seals & ~*now & LINUX_F_SEAL_WRITE) != 0 && tmpfs_is_mapped_writable(file->inode)) {
		return request->state[1] == 0 ? await_ends(request) : -LINUX_EBUSY;
	}
	*now |= seals;
	return 0;
}

int64_t seals_get(struct file *file)
{
	const uint32_t *now = tmpfs_seals(file->inode);

	return now != NULL ? *now : -LINUX_EINVAL;
}
