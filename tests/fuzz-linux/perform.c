/* SPDX-License-Identifier: MIT */
/*
 * One call: drawn, written down, made.
 *
 * Calls that make processes need a hand: the child gets a stack of its own, and its own stream of
 * draws. How many there may be is limited by the depth and by the places in the journal.
 */
#include "fuzz.h"

#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define DEPTH_MAX   2
#define STUB_CALLS  16 /* of a child of vfork */
#define HEL_NUMBERS 112

/* ---- the journal --------------------------------------------------------------------------- */

static struct entry *call_begin(struct worker *worker, int64_t number, const uint64_t *arguments)
{
	struct lane *lane = worker->lane;
	uint64_t n = atomic_load_explicit(&lane->n_begun, memory_order_relaxed);
	struct entry *entry = &lane->ring[n % JOURNAL_ENTRIES];

	entry->number = number;
	memcpy(entry->arguments, arguments, sizeof(entry->arguments));
	entry->is_done = 0;
	atomic_store_explicit(&lane->n_begun, n + 1, memory_order_release);
	return entry;
}

static void call_end(struct worker *worker, struct entry *entry, int64_t result)
{
	entry->result = result;
	entry->is_done = 1;
	atomic_fetch_add_explicit(&worker->slot->n_calls, 1, memory_order_relaxed);
}

static void make_call(struct worker *worker, int64_t number, const uint64_t *arguments)
{
	struct entry *entry = call_begin(worker, number, arguments);

	call_end(worker, entry,
		raw_call(number, arguments[0], arguments[1], arguments[2], arguments[3],
			arguments[4], arguments[5]));
}

/* ---- children ------------------------------------------------------------------------------ */

__attribute__((noreturn)) static void end_thread(void)
{
	for (;;) {
		RAW(SYS_exit, 0, 0, 0);
	}
}

__attribute__((noreturn, used)) static void child_main(struct worker *worker)
{
	atomic_store(&worker->lane->pid, (int32_t)RAW(SYS_getpid, 0, 0, 0));
	atomic_store(&worker->lane->tid, (int32_t)RAW(SYS_gettid, 0, 0, 0));
	worker_lane(worker);
	atomic_store(&worker->lane->tid, 0);
	end_thread();
}

/*
 * clone with a stack for the child, which begins in child_main(). The child must not return: the
 * stack holds nothing.
 */
static int64_t clone_onto(uint64_t flags, uint64_t stack, uint64_t parent_tid, uint64_t child_tid,
	struct worker *child)
{
	register uint64_t r10 __asm__("r10") = child_tid;
	register uint64_t r8 __asm__("r8") = 0;
	register struct worker *r12 __asm__("r12") = child;
	int64_t result;

	__asm__ volatile("syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "andq $-16, %%rsp\n\t"
			 "movq %%r12, %%rdi\n\t"
			 "call child_main\n"
			 "1:"
		: "=a"(result)
		: "a"(SYS_clone), "D"(flags), "S"(stack), "d"(parent_tid), "r"(r10), "r"(r8),
		"r"(r12)
		: "rcx", "r11", "memory");
	return result;
}

static uint64_t draw_clone_flags(struct worker *worker)
{
	static const uint64_t usual[] = {
		SIGCHLD,
		SIGCHLD,
		CLONE_VM | CLONE_VFORK | SIGCHLD,
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
		CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
		CLONE_VM | CLONE_FILES | SIGCHLD,
		CLONE_FILES | CLONE_FS | SIGCHLD,
		CLONE_PARENT | SIGCHLD,
		CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
	};
	static const uint64_t more[] = { CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID,
		CLONE_CHILD_SETTID, CLONE_PIDFD, CLONE_IO, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER,
		CLONE_UNTRACED, CLONE_SIGHAND, CLONE_VM, CLONE_THREAD, CLONE_VFORK };
	uint64_t flags = usual[draw_below(&worker->draw, N_ELEMENTS(usual))];

	if (draw_once_in(&worker->draw, 4)) {
		flags ^= more[draw_below(&worker->draw, N_ELEMENTS(more))];
	}
	return draw_once_in(&worker->draw, 32) ? draw_next(&worker->draw) : flags;
}

/*
 * The stack of a child that shares our memory is never given back: nobody knows when it is done.
 * It goes with the process.
 */
static void make_child(struct worker *worker)
{
	uint64_t flags = draw_clone_flags(worker), seed = draw_next(&worker->draw);
	uint64_t parent_tid = value_address(worker), child_tid = value_address(worker);

	/* what the drawing needs is done */
	struct lane *lane = worker->depth < DEPTH_MAX && (flags & CLONE_SETTLS) == 0
		? worker_lane_begin(worker->slot)
		: NULL;

	if (lane == NULL) {
		return;
	}
	uint64_t stack = (uint64_t)raw_call(SYS_mmap, 0, STACK_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, ~0ul, 0);

	if (stack > ~0ul - 4096) {
		return;
	}
	struct worker *child = (struct worker *)(stack + STACK_BYTES) - 1;

	*child = *worker;
	child->draw.state = seed;
	child->lane = lane;
	child->depth++;
	child->where = lane->index;
	child->is_thread = (flags & CLONE_THREAD) != 0;
	child->n_calls = worker->n_calls / 4;
	if ((flags & CLONE_VFORK) != 0) {
		child->n_calls = STUB_CALLS;
	}
	uint64_t top = ((uint64_t)child - 64) & ~63ul;
	struct entry *entry = call_begin(worker, SYS_clone,
		(const uint64_t[ARGUMENTS]){ flags, top, parent_tid, child_tid });
	int64_t tid = clone_onto(flags, top, parent_tid, child_tid, child);

	call_end(worker, entry, tid);
	if (tid < 0 || (flags & CLONE_VM) == 0) {
		RAW(SYS_munmap, stack, STACK_BYTES, 0);
	}
}

/* ---- other calls that need a hand ---------------------------------------------------------- */

/* A frame of a signal that there never was: the processor's state from garbage. */
static void return_from_nowhere(struct worker *worker)
{
	uint64_t *frame = (uint64_t *)((uint64_t)value_place(worker, 1024) & ~15ul);

	for (size_t i = 0; i < 120; i++) {
		frame[i] = draw_once_in(&worker->draw, 2) ? value_any(worker) : 0;
	}
	frame[20] = 0x33; /* cs */
	call_begin(worker, SYS_rt_sigreturn, frame);
	__asm__ volatile("movq %0, %%rsp\n\tmovl $15, %%eax\n\tsyscall\n\tud2" : : "r"(frame));
}

static void perform_row(struct worker *worker)
{
	const struct call *call = table_draw(&worker->draw);
	uint64_t arguments[ARGUMENTS];

	for (size_t i = 0; i < ARGUMENTS; i++) {
		arguments[i] = value_draw(worker, &call->arguments[i]);
	}
	switch (call->number) {
	case SYS_clone:
	case SYS_fork:
	case SYS_vfork: make_child(worker); break;
	case SYS_rt_sigreturn: return_from_nowhere(worker); break;
	case SYS_exit:
		if (worker->is_thread || worker->depth > 0) {
			atomic_store(&worker->lane->tid, 0);
		}
		make_call(worker, SYS_exit, arguments);
		break;
	default: make_call(worker, call->number, arguments);
	}
}

/* Numbers without a row. */
static void perform_odd(struct worker *worker)
{
	static const int64_t odd[] = { -1, 1000, 9999, 10000, 10001, 10002, 10003, 10005, 10006,
		10007, 10014, 10020, 10022, 0x40000000, 0x40000001, 0x40000009, 0x7fffffff,
		1l << 32, (1l << 32) + 9, INT64_MIN };
	uint64_t arguments[ARGUMENTS];
	int64_t number = draw_once_in(&worker->draw, 2)
		? odd[draw_below(&worker->draw, N_ELEMENTS(odd))]
		: 450 + (int64_t)draw_below(&worker->draw, 100);

	for (size_t i = 0; i < ARGUMENTS; i++) {
		arguments[i] = value_any(worker);
	}
	make_call(worker, number, arguments);
}

/* Linux knows no such number; on Hati they are the kernel's own calls. */
static void perform_hel(struct worker *worker)
{
	uint64_t arguments[ARGUMENTS];

	for (size_t i = 0; i < ARGUMENTS; i++) {
		arguments[i] = draw_once_in(&worker->draw, 3) ? value_any(worker)
							      : draw_below(&worker->draw, 12);
	}
	make_call(
		worker, (int64_t)(0x80000000 + draw_below(&worker->draw, HEL_NUMBERS)), arguments);
}

void perform(struct worker *worker)
{
	uint64_t which = draw_below(&worker->draw, 1000);

	if (which < options.hel_per_mille) {
		perform_hel(worker);
	} else if (which >= 990) {
		perform_odd(worker);
	} else {
		perform_row(worker);
	}
}
