/* SPDX-License-Identifier: MIT */
/* The hel calls on threads and futexes: a part of hel-calls.h, which says what holds for all. */
#ifndef HEL_HEL_THREAD_CALLS_H
#define HEL_HEL_THREAD_CALLS_H

#include <hel/hel-number.h>

/* ---- threads -------------------------------------------------------------------------------- */

/**
 * hel_thread_create() - make a thread, stopped; see struct hel_thread_args
 *
 * Return: 0, -ERR_ILLEGAL_ARGS.
 */
HEL_MUST_USE static inline int hel_thread_create(
	const struct hel_thread_args *args, hel_handle *out_handle)
{
	struct hel_outcome outcome = hel_call1(HEL_CALL_thread_create, (uint64_t)args);

	if (outcome.error == 0) {
		*out_handle = outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_thread_start() - let a new thread run
 * @thread: needs MANAGE
 *
 * Return: 0, -ERR_ILLEGAL_STATE (started before).
 */
HEL_MUST_USE static inline int hel_thread_start(hel_handle thread)
{
	return (int)hel_call1(HEL_CALL_thread_start, thread).error;
}

/**
 * hel_thread_kill() - end a thread, whatever it does
 * @thread: needs MANAGE
 *
 * Its observer gets HEL_OBSERVE_TERMINATED when it is gone.
 *
 * Return: 0, also if it had ended before.
 */
static inline int hel_thread_kill(hel_handle thread)
{
	return (int)hel_call1(HEL_CALL_thread_kill, thread).error;
}

/**
 * hel_thread_kick() - interrupt a bounced thread, see abi/hel/bounce.h
 * @thread: needs SIGNAL
 *
 * Return: 0, -ERR_THREAD_TERMINATED, -ERR_ILLEGAL_STATE (no bounce).
 */
static inline int hel_thread_kick(hel_handle thread)
{
	return (int)hel_call1(HEL_CALL_thread_kick, thread).error;
}

/**
 * hel_thread_exit() - end the calling thread
 */
__attribute__((noreturn)) static inline void hel_thread_exit(void)
{
	for (;;) {
		hel_call0(HEL_CALL_thread_exit);
	}
}

/**
 * hel_thread_read_registers() - look at the registers of a thread that does not run
 * @thread: needs READ; stopped by an observation, or not started
 * @out_size: bytes of the set
 *
 * Return: 0, -ERR_ILLEGAL_STATE (it runs), -ERR_BUFFER_TOO_SMALL, -ERR_THREAD_TERMINATED.
 */
HEL_MUST_USE static inline int hel_thread_read_registers(
	hel_handle thread, enum hel_register_set set, void *buffer, size_t size, size_t *out_size)
{
	struct hel_outcome outcome =
		hel_call4(HEL_CALL_thread_read_registers, thread, set, (uint64_t)buffer, size);

	if (outcome.error == 0) {
		*out_size = (size_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_thread_write_registers() - change the registers of a thread that does not run
 * @thread: needs WRITE; stopped by an observation, or not started
 *
 * Return: 0, -ERR_ILLEGAL_STATE (it runs), -ERR_ILLEGAL_ARGS (values that user mode cannot have),
 * -ERR_THREAD_TERMINATED.
 */
HEL_MUST_USE static inline int hel_thread_write_registers(
	hel_handle thread, enum hel_register_set set, const void *buffer, size_t size)
{
	return (int)hel_call4(HEL_CALL_thread_write_registers, thread, set, (uint64_t)buffer, size)
		.error;
}

/**
 * hel_thread_stats() - what a thread has used
 * @thread: HEL_THIS or needs READ
 *
 * Return: 0.
 */
HEL_MUST_USE static inline int hel_thread_stats(
	hel_handle thread, struct hel_thread_stats *out_stats)
{
	return (int)hel_call2(HEL_CALL_thread_stats, thread, (uint64_t)out_stats).error;
}

/**
 * hel_thread_set_priority() - change a thread's share of the processor
 * @thread: HEL_THIS or needs MANAGE
 * @priority: 0 as at first, less is less
 *
 * Return: 0, -ERR_ILLEGAL_ARGS.
 */
static inline int hel_thread_set_priority(hel_handle thread, int32_t priority)
{
	return (int)hel_call2(HEL_CALL_thread_set_priority, thread, (uint64_t)priority).error;
}

/**
 * hel_thread_yield() - let another thread run first, if there is one
 *
 * Return: 0.
 */
static inline int hel_thread_yield(void)
{
	return (int)hel_call0(HEL_CALL_thread_yield).error;
}

/**
 * hel_thread_resume() - let a thread that an observation stopped go on
 * @thread: needs MANAGE
 *
 * Return: 0, -ERR_ILLEGAL_STATE (not stopped), -ERR_THREAD_TERMINATED.
 */
static inline int hel_thread_resume(hel_handle thread)
{
	return (int)hel_call1(HEL_CALL_thread_resume, thread).error;
}

/**
 * hel_thread_interrupt() - stop a thread; its observer gets HEL_OBSERVE_INTERRUPTED
 * @thread: needs MANAGE
 *
 * Return: 0, -ERR_THREAD_TERMINATED.
 */
static inline int hel_thread_interrupt(hel_handle thread)
{
	return (int)hel_call1(HEL_CALL_thread_interrupt, thread).error;
}

/**
 * hel_thread_set_affinity() - say on which of the first 64 CPUs a thread may run
 * @thread: HEL_THIS or needs MANAGE
 *
 * Return: 0, -ERR_ILLEGAL_ARGS (none of them is online).
 */
static inline int hel_thread_set_affinity(hel_handle thread, uint64_t cpu_mask)
{
	return (int)hel_call2(HEL_CALL_thread_set_affinity, thread, cpu_mask).error;
}

/* ---- futexes -------------------------------------------------------------------------------- */

/** HEL_FUTEX_ANY - for hel_futex_requeue(): whatever the word says */
constexpr uint64_t HEL_FUTEX_ANY = ~(uint64_t)0;

/**
 * hel_futex_wait() - sleep until woken, if a word has the expected value
 * @word: 4-aligned; private and shared memory alike
 * @deadline_ns: absolute monotonic; HEL_DEADLINE_NEVER
 * @mask: only wakes whose mask has one of these bits count; not 0
 *
 * Return: 0 (woken), -ERR_RETRY (another value), -ERR_TIMED_OUT, -ERR_KICKED, -ERR_ILLEGAL_ARGS.
 */
HEL_MUST_USE static inline int hel_futex_wait(
	const uint32_t *word, uint32_t expected, uint64_t deadline_ns, uint32_t mask)
{
	return (int)hel_call4(HEL_CALL_futex_wait, (uint64_t)word, expected, deadline_ns, mask)
		.error;
}

/**
 * hel_futex_wake() - wake threads that wait for a word
 * @n_max: at most so many
 * @out_woken: how many there were; may be NULL
 *
 * Return: 0, -ERR_ILLEGAL_ARGS.
 */
static inline int hel_futex_wake(
	const uint32_t *word, uint32_t n_max, uint32_t mask, uint32_t *out_woken)
{
	struct hel_outcome outcome = hel_call3(HEL_CALL_futex_wake, (uint64_t)word, n_max, mask);

	if (out_woken != NULL) {
		*out_woken = (uint32_t)outcome.value;
	}
	return (int)outcome.error;
}

/**
 * hel_futex_requeue() - wake some threads and let others wait for another word
 * @expected: value that *@from must have, or HEL_FUTEX_ANY
 * @out_count: woken and moved together
 *
 * Return: 0, -ERR_RETRY (another value), -ERR_ILLEGAL_ARGS.
 */
HEL_MUST_USE static inline int hel_futex_requeue(const uint32_t *from, uint64_t expected,
	const uint32_t *to, uint32_t n_wake, uint32_t n_requeue, uint32_t *out_count)
{
	struct hel_outcome outcome = hel_call5(
		HEL_CALL_futex_requeue, (uint64_t)from, expected, (uint64_t)to, n_wake, n_requeue);

	if (outcome.error == 0) {
		*out_count = (uint32_t)outcome.value;
	}
	return (int)outcome.error;
}

#endif
