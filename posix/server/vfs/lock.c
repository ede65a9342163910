/* SPDX-License-Identifier: MIT */
/*
 * Locks of directories; see lock.h. There are at most a few for each task, so a list will do, and
 * one queue for all who wait.
 */
#include <posix/server/task.h>
#include <posix/server/vfs/lock.h>

static struct list held = LIST_INIT(held); /* struct vfs_lock.node */
static struct wait_queue released = { .entries = LIST_INIT(released.entries) };

static bool is_held(const void *what)
{
	LIST_FOR_EACH(lock, &held, struct vfs_lock, node) {
		if (lock->what == what) {
			return true;
		}
	}
	return false;
}

static int64_t lock_take(struct vfs_lock *lock, const struct super *super, const void *what)
{
	lock->what = NULL;
	if (likely((super->flags & SUPER_WAITS) == 0)) {
		return 0;
	}
	while (is_held(what)) {
		if (request_task() == NULL) {
			return REQUEST_TASK;
		}
		task_wait_on(&released);
	}
	lock->what = what;
	list_push_back(&held, &lock->node);
	return 0;
}

int64_t vfs_lock_directory(struct vfs_lock *lock, const struct inode *directory)
{
	return lock_take(lock, directory->super, directory);
}

int64_t vfs_lock_renames(struct vfs_lock *lock, const struct super *super)
{
	return lock_take(lock, super, super);
}

void vfs_unlock(struct vfs_lock *lock)
{
	if (lock->what != NULL) {
		lock->what = NULL;
		list_remove(&lock->node);
		wait_queue_wake(&released);
	}
}
