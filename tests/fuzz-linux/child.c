/* SPDX-License-Identifier: MIT */
/*
 * Calls that make processes and threads: the child gets a stack of its own, and its own stream of
 * draws. How many there may be is limited by the depth and by the places in the journal.
 */
#include "fuzz.h"

#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define DEPTH_MAX  2
#define STUB_CALLS 16 /* of a child of vfork */

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
	worker->run(worker);
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
int64_t child_make(struct worker *worker, uint64_t flags, uint64_t parent_tid, uint64_t child_tid,
	void (*run)(struct worker *worker))
{
	uint64_t seed = draw_next(&worker->draw); /* also if there will be no child */
	struct lane *lane = worker->depth < DEPTH_MAX && (flags & CLONE_SETTLS) == 0
		? worker_lane_begin(worker->slot)
		: NULL;

	if (lane == NULL) {
		return 0;
	}
	uint64_t stack = (uint64_t)raw_call(SYS_mmap, 0, STACK_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, ~0ul, 0);

	if (stack > ~0ul - 4096) {
		return 0;
	}
	struct worker *child = (struct worker *)(stack + STACK_BYTES) - 1;

	*child = *worker;
	child->draw.state = seed;
	child->lane = lane;
	child->depth++;
	child->where = lane->index;
	child->is_thread = (flags & CLONE_THREAD) != 0;
	child->n_calls = worker->n_calls / 4;
	child->run = run;
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
	return tid < 0 ? 0 : tid;
}

void child_perform(struct worker *worker)
{
	uint64_t flags = draw_clone_flags(worker);
	uint64_t parent_tid = value_address(worker), child_tid = value_address(worker);

	child_make(worker, flags, parent_tid, child_tid, worker_lane);
}
