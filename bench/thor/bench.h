/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own benchmarks: a native program that makes hel calls and says what they cost.
 *
 * svrctl starts it with `hati.bench=thor`. Under --icount the time stamp counter counts executed
 * instructions, so all figures are exact instructions, user mode's part of a call included; with
 * several CPUs and a real clock they are given in turns of a loop of 16 instructions ("loops"),
 * which leaves the host's speed out. Beside each figure stand kernel entries (calls, interrupts,
 * faults) and address-space loads, per operation.
 *
 * A result is a line of the log: `thor-bench: NAME VALUE UNIT ENTRIES LOADS`; bench/thor.sh makes
 * the table of them. What a program here cannot do because a call fails is a line with the error.
 */
#ifndef BENCH_THOR_BENCH_H
#define BENCH_THOR_BENCH_H

#include <abi/hel/start.h>
#include <base/string.h>
#include <base/types.h>
#include <hel/hel-calls.h>
#include <hel/queue-client.h>

extern const struct hel_start *bench_start;
extern hel_handle bench_authority;

void bench_print(const char *format, ...) PRINTF_LIKE(1, 2);

/** bench_fail() - end the program with a line in the log */
NORETURN void bench_fail(int error, const char *what);

/** bench_require() - bench_fail() unless @error is 0 */
static inline void bench_require(int error, const char *what)
{
	if (unlikely(error != 0)) {
		bench_fail(error, what);
	}
}

/** bench_ticks() - the time stamp counter: instructions under --icount */
static inline uint64_t bench_ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* ---- figures --------------------------------------------------------------------------------- */

struct bench_sample {
	uint64_t ticks, n_entries, n_loads;
};

/** bench_begin() - from here on costs count */
void bench_begin(struct bench_sample *sample);

/** bench_end() - the costs since bench_begin(); reported as @name per operation of @n_operations */
void bench_end(const struct bench_sample *sample, const char *name, uint64_t n_operations);

/** bench_report() - one figure, @value in hundredths of @unit */
void bench_report(const char *name, uint64_t value_hundredths, const char *unit);

/** bench_stats() - the kernel's counters */
void bench_stats(struct hel_kernel_stats *out_stats);

/** bench_memory_bytes() - memory in use, to compare with a later answer */
uint64_t bench_memory_bytes(void);

/** bench_loop_ticks() - ticks of 1,000 turns of a loop of 16 instructions, just now */
uint64_t bench_loop_ticks(void);

/* ---- queues ---------------------------------------------------------------------------------- */

/** bench_queue_open() - a queue, mapped */
void bench_queue_open(struct hel_queue_client *queue);
void bench_queue_close(struct hel_queue_client *queue);

/* What programs do for each message is inline, as in those that care. */

/** bench_drive() - submit and wait until there is a completion; it, to be released */
static inline const struct hel_element *bench_drive(struct hel_queue_client *queue)
{
	for (;;) {
		int error = hel_drive(
			queue->handle, HEL_DRIVE_WAIT, queue->n_taken, HEL_DEADLINE_NEVER, NULL);
		const struct hel_element *element = hel_queue_take(queue);

		if (element != NULL) {
			return element;
		}
		bench_require(error, "drive");
	}
}

static inline void *bench_record(struct hel_queue_client *queue, uint32_t opcode, uint32_t size)
{
	void *record = hel_queue_reserve(queue, opcode, size, 0);

	bench_require(record != NULL ? 0 : -ERR_NO_SPACE, "a full ring");
	return record;
}

/** bench_exchange_with() - put an exchange with flags into the ring */
static inline void bench_exchange_with(struct hel_queue_client *queue, hel_handle lane,
	const struct hel_action *actions, uint32_t n_actions, uint32_t flags)
{
	struct hel_exchange_record *record = (struct hel_exchange_record *)bench_record(queue,
		HEL_SUBMIT_EXCHANGE, (uint32_t)(sizeof(*record) + n_actions * sizeof(actions[0])));

	record->lane = lane;
	record->n_actions = n_actions;
	record->flags = flags;
	for (uint32_t i = 0; i < n_actions; i++) {
		record->actions[i] = actions[i];
	}
	hel_queue_commit(queue);
}

/** bench_exchange() - put an exchange into the ring */
static inline void bench_exchange(struct hel_queue_client *queue, hel_handle lane,
	const struct hel_action *actions, uint32_t n_actions)
{
	bench_exchange_with(queue, lane, actions, n_actions, 0);
}

/** bench_await_event() - put an AWAIT_EVENT into the ring */
void bench_await_event(struct hel_queue_client *queue, hel_handle event, uint64_t sequence);

/* ---- memory and threads ---------------------------------------------------------------------- */

/** bench_map() - fresh memory; @flags: FORK_COPY or FORK_SHARE */
uint64_t bench_map(uint64_t size_bytes, uint32_t flags);
void bench_unmap(uint64_t address, uint64_t size_bytes);

struct bench_thread {
	hel_handle thread, space;
	uint64_t stack;
	void (*run)(void *argument);
	void *argument;
	_Atomic uint32_t *is_done; /* in memory that all spaces share */
};

struct bench_place {
	bool is_in_own_space; /* a fork of this one: memory is shared as bench_map() says */
	int32_t priority;
	int32_t cpu; /* -1: any */
};

/** bench_thread_start() - @run on a thread of its own */
void bench_thread_start(struct bench_thread *thread, const struct bench_place *place,
	void (*run)(void *argument), void *argument);

/** bench_thread_join() - wait until it has ended, and forget it */
void bench_thread_join(struct bench_thread *thread);

/** bench_pin() - let the calling thread run on CPU @cpu only; -1: on any */
void bench_pin(int32_t cpu);

/** bench_priority() - of the calling thread */
void bench_priority(int32_t priority);

/* ---- the groups ------------------------------------------------------------------------------ */

void bench_calls(void);
void bench_wakes(void);
void bench_ipc(void);
void bench_memory(void);
void bench_threads(void);
void bench_smp(void);

#endif
