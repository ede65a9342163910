/* SPDX-License-Identifier: MIT */
/*
 * Robust locks of threads that others have ended: by a signal, exit_group() or exec.
 *
 * A C library keeps the locks that a thread has in a list in the thread's memory, which
 * set_robust_list() names. A thread that exits by itself walks it in the shim. For the others posix
 * does, when the thread runs no more and before its process is told to be over: each lock that has
 * the thread's number gets FUTEX_OWNER_DIED instead, and somebody who waits for it is woken. Locks
 * that processes share are why: nobody else would ever find out.
 *
 * The list may be garbage or endless. It ends after ENTRIES_MAX entries, as on Linux, and no more
 * than SLICE_ENTRIES are looked at in one turn of the loop; who is not through stands in a line.
 *
 * Until then the kernel no longer knows whom the number in a PI lock means. Who wants such a lock
 * asks here, and tries again as long as a thread of the number is not gone (POSIX_HAS_THREAD).
 *
 * A word is read and written in two steps. Meanwhile somebody else can only add FUTEX_WAITERS to
 * it; that may be lost, so one waiter is woken in any case, and takes the lock as one that has
 * more.
 */
#include <async/loop.h>
#include <base/list.h>
#include <helix/memory.h>
#include <posix/server/file/handlers.h>
#include <posix/server/process/robust.h>

constexpr uint32_t ENTRIES_MAX = 2048;
constexpr uint32_t SLICE_ENTRIES = 32;
constexpr uint32_t FUTEX_OWNER_DIED = 1u << 30;

struct robust_list_head {
	uint64_t next;
	int64_t offset; /* from an entry to the lock's word */
	uint64_t pending; /* an entry that is just being put in or taken out, or 0 */
};

struct walk {
	struct list_node node;
	struct thread *thread;
	struct robust_list_head head;
	uint64_t head_address;
	uint64_t entry; /* bit 0: of a PI lock */
	uint32_t n_left;
};

static struct list walks = LIST_INIT(walks);
static struct timer turn;

static bool get(const struct walk *walk, uint64_t address, void *to, size_t size)
{
	return hel_space_read(walk->thread->internal->mm->space, address, to, size, NULL) == 0;
}

/* false: the list is nonsense. */
static bool leave_lock(const struct walk *walk, uint64_t entry, bool is_pending)
{
	hel_handle space = walk->thread->internal->mm->space;
	uint64_t address = (entry & ~UINT64_C(1)) + (uint64_t)walk->head.offset;
	bool is_pi = (entry & 1) != 0;
	uint32_t value;

	if ((address & 3) != 0 || !get(walk, address, &value, sizeof(value))) {
		return false;
	}
	if (is_pending && !is_pi && value == 0) {
		(void)!hel_futex_wake_in(space, address, 1, ~0u, NULL); /* it had no time for it */
		return true;
	}
	if ((value & HEL_LOCK_OWNER) != walk->thread->tid) {
		return true;
	}
	value = (value & HEL_LOCK_WAITERS) | FUTEX_OWNER_DIED;
	if (hel_space_write(space, address, &value, sizeof(value), NULL) != 0) {
		return false;
	}
	/* Who waits for a PI lock got it from the kernel when the thread ended. */
	if (!is_pi) {
		(void)!hel_futex_wake_in(space, address, 1, ~0u, NULL);
	}
	return true;
}

/* Looks at some entries: true if there are more. */
static bool go_on(struct walk *walk)
{
	for (uint32_t i = 0; i < SLICE_ENTRIES; i++) {
		uint64_t entry = walk->entry;

		if (walk->n_left == 0 || (entry & ~UINT64_C(1)) == walk->head_address) {
			return false;
		}
		walk->n_left--;
		/* Read before the lock is left: then it may be somebody else's. */
		if (!get(walk, entry & ~UINT64_C(1), &walk->entry, sizeof(walk->entry)) ||
			(entry != walk->head.pending && !leave_lock(walk, entry, false))) {
			return false;
		}
	}
	return true;
}

static void finish(const struct walk *walk)
{
	if (walk->head.pending != 0) {
		(void)leave_lock(walk, walk->head.pending, true);
	}
}

/* One slice of the first in the line. */
static void take_turn(struct timer *timer)
{
	struct walk *walk = LIST_FIRST(&walks, struct walk, node);
	struct thread *thread = walk->thread;

	list_remove(&walk->node);
	if (go_on(walk)) {
		list_push_back(&walks, &walk->node);
	} else {
		finish(walk);
		helix_free(walk);
		thread->internal->leaves_locks = false;
		thread_check_gone(thread);
	}
	if (!list_is_empty(&walks)) {
		timer_arm(posix_loop(), timer, clock_monotonic_ns());
	}
}

static void stand_in_line(const struct walk *walk, struct walk *copy)
{
	bool is_first = list_is_empty(&walks);

	*copy = *walk;
	list_node_init(&copy->node);
	list_push_back(&walks, &copy->node);
	if (is_first) {
		timer_init(&turn, take_turn);
		timer_arm(posix_loop(), &turn, clock_monotonic_ns());
	}
}

int64_t posix_has_thread(struct request *request)
{
	return pid_has_thread((uint32_t)request->args[0]) ? 1 : 0;
}

bool robust_leave(struct thread *thread)
{
	const struct posix_thread_page *page = thread->internal->page;
	struct walk walk = {
		.thread = thread,
		.head_address = page != NULL ? page->robust_list : 0,
		.n_left = ENTRIES_MAX,
	};

	if (thread->internal->leaves_locks) {
		return false;
	}
	if (thread->internal->has_left_locks || walk.head_address == 0) {
		return true;
	}
	thread->internal->has_left_locks = true;
	if (!get(&walk, walk.head_address, &walk.head, sizeof(walk.head))) {
		return true;
	}
	walk.entry = walk.head.next;
	if (go_on(&walk)) {
		struct walk *copy = helix_malloc(sizeof(*copy));

		if (copy != NULL) {
			thread->internal->leaves_locks = true;
			stand_in_line(&walk, copy);
			return false;
		}
	}
	finish(&walk);
	return true;
}
