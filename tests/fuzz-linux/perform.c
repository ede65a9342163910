/* SPDX-License-Identifier: MIT */
/* One call: drawn, written down, made. Some need a hand, or come with others. */
#include "fuzz.h"

#include <string.h>
#include <sys/syscall.h>

#define HEL_NUMBERS 163

/* ---- the journal --------------------------------------------------------------------------- */

struct entry *call_begin(struct worker *worker, int64_t number, const uint64_t *arguments)
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

void call_end(struct worker *worker, struct entry *entry, int64_t result)
{
	entry->result = result;
	entry->is_done = 1;
	atomic_fetch_add_explicit(&worker->slot->n_calls, 1, memory_order_relaxed);
}

int64_t call_make(struct worker *worker, int64_t number, const uint64_t *arguments)
{
	struct entry *entry = call_begin(worker, number, arguments);
	int64_t result = raw_call(number, arguments[0], arguments[1], arguments[2], arguments[3],
		arguments[4], arguments[5]);

	call_end(worker, entry, result);
	return result;
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
	case SYS_vfork: child_perform(worker); break;
	case SYS_rt_sigreturn: return_from_nowhere(worker); break;
	case SYS_exit:
		if (worker->is_thread || worker->depth > 0) {
			atomic_store(&worker->lane->tid, 0);
		}
		call_make(worker, SYS_exit, arguments);
		break;
	default: call_make(worker, call->number, arguments);
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
	call_make(worker, number, arguments);
}

/* Linux knows no such number; on Hati they are the kernel's own calls. */
static void perform_hel(struct worker *worker)
{
	uint64_t arguments[ARGUMENTS];

	for (size_t i = 0; i < ARGUMENTS; i++) {
		arguments[i] = draw_once_in(&worker->draw, 3) ? value_any(worker)
							      : draw_below(&worker->draw, 12);
	}
	call_make(
		worker, (int64_t)(0x80000000 + draw_below(&worker->draw, HEL_NUMBERS)), arguments);
}

void perform(struct worker *worker)
{
	uint64_t which = draw_below(&worker->draw, 1000);

	if (which < options.hel_per_mille) {
		perform_hel(worker);
	} else if (which >= 990) {
		perform_odd(worker);
	} else if (which >= 987) {
		program_perform(worker);
	} else if (which >= 984) {
		trace_perform(worker);
	} else if (which == 983 && options.hel_per_mille > 0) {
		spoil_perform(worker);
	} else {
		perform_row(worker);
	}
}
