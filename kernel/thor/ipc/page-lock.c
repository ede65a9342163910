/* SPDX-License-Identifier: MIT */
/*
 * Locking pages for devices: an operation that goes through a range page by page, waits for those
 * that are absent, and completes when all are present and locked. See memory/managed-lock.c.
 *
 *	RUNNING -- absent page --> WAITING -- the page is there --> work --> RUNNING
 *	   |                          |
 *	   +--> complete              +-- cancel --> complete
 *
 * Its lock guards all of it: a cancel that ends the wait completes the operation, one that finds it
 * running, or its work on the way, leaves that to the work.
 */
#include <thor/ipc/page-lock.h>

#include <thor/ipc/queue.h>
#include <thor/memory/managed.h>
#include <thor/object/universe.h>
#include <thor/sched/sched.h>

struct page_lock {
	struct operation operation;
	struct memory *memory; /* referenced; NULL if it was refused */
	uint64_t first, end; /* immutable, as is for_write */
	bool for_write;

	struct spinlock lock; /* guards all below */
	uint64_t index; /* the next page; those before are locked */
	bool is_cancelled;
	struct page_wait wait;
	struct work work;
};

static struct page_lock *page_lock_of(const struct operation *operation)
{
	return container_of(operation, struct page_lock, operation);
}

/* Nobody else has it any more. On an error nothing stays locked. */
static void page_lock_finish(struct page_lock *lock, int error)
{
	if (error != 0) {
		memory__lock(lock->memory);
		memory__unlock_pages(lock->memory, lock->first, lock->index);
		memory__unlock(lock->memory);
	}
	operation_complete(&lock->operation, error);
}

/* 0: locked, or to be tried again; SPACE_PENDING: the wait is armed. */
static int page_lock_one(struct page_lock *lock)
{
	struct memory *memory = lock->memory;

	memory__lock(memory);
	int error = memory__lock_page(memory, lock->index, lock->for_write);

	if (error == 0) {
		lock->index++;
	} else if (error == SPACE_PENDING) {
		error = memory__await_page(memory, lock->index, lock->for_write, &lock->wait);
	}
	memory__unlock(memory);
	return error;
}

/* Go on; SPACE_PENDING: later, by the work. The lock is held. */
static int page_lock_advance(struct page_lock *lock)
{
	uint64_t start_ns = arch_clock_ns();

	if (lock->is_cancelled) {
		return operation_cancel_error(&lock->operation);
	}
	while (lock->index < lock->end) {
		int error = page_lock_one(lock);

		if (error != 0) {
			return error;
		}
		if (sched_should_pause(start_ns)) {
			work_post(&lock->work);
			return SPACE_PENDING;
		}
	}
	return 0;
}

static void page_lock_run(struct work *work)
{
	struct page_lock *lock = container_of(work, struct page_lock, work);

	spinlock_acquire(&lock->lock);
	(void)page_wait_end(&lock->wait);
	int result = page_lock_advance(lock);

	spinlock_release(&lock->lock);
	if (result != SPACE_PENDING) {
		page_lock_finish(lock, result);
	}
}

/* The object of the page is locked. */
static void page_lock_page_done(struct page_wait *wait, UNUSED int error)
{
	work_post(&container_of(wait, struct page_lock, wait)->work);
}

static void page_lock_cancel(struct operation *operation)
{
	struct page_lock *lock = page_lock_of(operation);

	if (lock->memory == NULL) {
		return;
	}
	spinlock_acquire(&lock->lock);
	lock->is_cancelled = true;
	bool is_ours = page_wait_end(&lock->wait);

	spinlock_release(&lock->lock);
	if (is_ours) {
		page_lock_finish(lock, operation_cancel_error(operation));
	}
}

static void page_lock_destroy(struct operation *operation)
{
	struct page_lock *lock = page_lock_of(operation);

	object_unref(lock->memory != NULL ? &lock->memory->object : NULL);
	operation_free(operation);
}

static const struct operation_class page_lock_class = {
	.name = "lock-memory",
	.cancel = page_lock_cancel,
	.result_size = operation_no_result,
	.write_result = operation_write_nothing,
	.destroy = page_lock_destroy,
};

static int page_lock_decode(
	struct page_lock *lock, struct thread *submitter, const struct hel_lock_record *request)
{
	uint32_t rights = HEL_RIGHT_PIN |
		(request->flags == HEL_LOCK_WRITE ? HEL_RIGHT_WRITE : HEL_RIGHT_READ);
	struct object *object;
	int error = operation_lookup(&lock->operation, submitter->universe, request->memory,
		HEL_TYPE_MEMORY, rights, &object);

	if (error != 0) {
		return error;
	}
	struct memory *memory = (struct memory *)object;

	if (!memory_is_lockable(memory, request->offset, request->length) ||
		(request->flags & ~(uint64_t)HEL_LOCK_WRITE) != 0) {
		object_unref(object);
		return -ERR_ILLEGAL_ARGS;
	}
	lock->memory = memory;
	lock->first = request->offset / HEL_PAGE_SIZE;
	lock->end = lock->first + request->length / HEL_PAGE_SIZE;
	lock->index = lock->first;
	lock->for_write = request->flags == HEL_LOCK_WRITE;
	return 0;
}

int page_lock_submit(struct queue *queue, struct thread *submitter, const struct hel_record *record)
{
	struct page_lock *lock = operation_allocate(sizeof(*lock));

	if (lock == NULL) {
		return -ERR_NO_MEMORY;
	}
	spinlock_init(&lock->lock, LOCK_RANK_PAGE_LOCK);
	page_wait_init(&lock->wait, page_lock_page_done);
	work_init(&lock->work, page_lock_run);
	operation_init(&lock->operation, &page_lock_class, queue, record);
	int error = page_lock_decode(lock, submitter, (const struct hel_lock_record *)record);

	if (error != 0) {
		operation_complete(&lock->operation, error);
		return 0;
	}
	spinlock_acquire(&lock->lock);
	int result = page_lock_advance(lock);

	spinlock_release(&lock->lock);
	if (result != SPACE_PENDING) {
		page_lock_finish(lock, result);
	}
	return 0;
}
