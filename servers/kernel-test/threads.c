/* SPDX-License-Identifier: MIT */
/* Threads and futexes: starting, ending, observing, faulting, many at once. */
#include "kernel-test.h"

struct observe {
	hel_handle thread;
	uint64_t sequence;
};

/* Submit an observation and take its result; false if none comes. */
static bool observe(hel_handle thread, uint64_t sequence, struct hel_observe_result *out_result)
{
	const struct observe body = { .thread = thread, .sequence = sequence };
	const struct hel_element *element;
	bool is_good;

	if (ktest_submit(ktest_queue(), HEL_SUBMIT_OBSERVE, 5, &body, sizeof(body)) != 0) {
		return false;
	}
	element = ktest_wait(ktest_queue(), KTEST_LONG_NS);
	if (element == NULL) {
		return false;
	}
	is_good = element->error == 0;
	if (is_good) {
		*out_result = *(const struct hel_observe_result *)(const void *)(element + 1);
	}
	hel_queue_release(ktest_queue(), element);
	return is_good;
}

static void add_one(void *argument)
{
	__atomic_fetch_add((uint32_t *)argument, 1, __ATOMIC_SEQ_CST);
	hel_futex_wake(argument, UINT32_MAX, UINT32_MAX, NULL);
	hel_thread_exit();
}

static bool becomes(const uint32_t *word, uint32_t expected)
{
	uint64_t deadline_ns = ktest_now() + KTEST_LONG_NS;
	uint32_t value;

	while ((value = __atomic_load_n(word, __ATOMIC_SEQ_CST)) != expected) {
		if (hel_futex_wait(word, value, deadline_ns, UINT32_MAX) == -ERR_TIMED_OUT) {
			return false;
		}
	}
	return true;
}

static void threads_run_when_started(void)
{
	static uint32_t count;
	struct hel_thread_stats stats;
	hel_handle thread;

	CHECK_EQ(ktest_thread_create(add_one, &count, &thread), 0);
	CHECK_EQ(hel_thread_stats(thread, &stats), 0);
	CHECK_EQ(stats.state, 0);
	CHECK_EQ(count, 0);
	CHECK_EQ(hel_thread_start(thread), 0);
	CHECK(becomes(&count, 1));
	CHECK_EQ(hel_thread_start(thread), -ERR_ILLEGAL_STATE);
	CHECK_EQ(hel_close(HEL_THIS, thread), 0);
}

static void many_threads_run(void)
{
	static uint32_t count;
	hel_handle threads[64];

	for (int i = 0; i < 64; i++) {
		CHECK_EQ(ktest_thread_create(add_one, &count, &threads[i]), 0);
	}
	for (int i = 0; i < 64; i++) {
		CHECK_EQ(hel_thread_start(threads[i]), 0);
	}
	CHECK(becomes(&count, 64));
	for (int i = 0; i < 64; i++) {
		CHECK_EQ(hel_close(HEL_THIS, threads[i]), 0);
	}
}

static void the_end_is_observed(void)
{
	static uint32_t count;
	struct hel_observe_result result = { 0 };
	hel_handle thread;

	CHECK_EQ(ktest_thread_create(add_one, &count, &thread), 0);
	CHECK_EQ(hel_thread_start(thread), 0);
	CHECK(observe(thread, 0, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(hel_thread_kill(thread), 0);
	CHECK_EQ(hel_thread_resume(thread), -ERR_THREAD_TERMINATED);
	CHECK_EQ(hel_close(HEL_THIS, thread), 0);
}

static void spin(void *argument)
{
	for (;;) {
		__atomic_fetch_add((uint32_t *)argument, 1, __ATOMIC_RELAXED);
	}
}

static void a_spinning_thread_can_be_killed(void)
{
	static uint32_t turns;
	struct hel_observe_result result = { 0 };
	hel_handle thread;

	CHECK_EQ(ktest_thread_create(spin, &turns, &thread), 0);
	CHECK_EQ(hel_thread_start(thread), 0);
	while (__atomic_load_n(&turns, __ATOMIC_RELAXED) == 0) {
		hel_thread_yield();
	}
	CHECK_EQ(hel_thread_kill(thread), 0);
	CHECK(observe(thread, 0, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(hel_close(HEL_THIS, thread), 0);
}

static void wait_for_ever(void *argument)
{
	for (;;) {
		(void)!hel_futex_wait(argument, 0, HEL_DEADLINE_NEVER, UINT32_MAX);
	}
}

static void a_waiting_thread_can_be_killed(void)
{
	static uint32_t word;
	struct hel_observe_result result = { 0 };
	hel_handle thread;

	CHECK_EQ(ktest_thread_create(wait_for_ever, &word, &thread), 0);
	CHECK_EQ(hel_thread_start(thread), 0);
	CHECK_EQ(hel_futex_wait(&word, 0, ktest_now() + KTEST_SHORT_NS, 2), -ERR_TIMED_OUT);
	CHECK_EQ(hel_thread_kill(thread), 0);
	CHECK(observe(thread, 0, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(hel_futex_wake(&word, 1, UINT32_MAX, NULL), 0);
	CHECK_EQ(hel_close(HEL_THIS, thread), 0);
}

static void never_started_threads_go_away(void)
{
	static uint32_t count;
	hel_handle thread;

	for (int i = 0; i < 10; i++) {
		CHECK_EQ(ktest_thread_create(add_one, &count, &thread), 0);
		CHECK_EQ(hel_close(HEL_THIS, thread), 0);
	}
	CHECK_EQ(count, 0);
}

static void read_page_zero(void *argument)
{
	(void)*(volatile uint32_t *)argument;
	hel_thread_exit();
}

static void faults_are_observed(void)
{
	struct hel_observe_result result = { 0 };
	struct hel_registers registers;
	hel_handle thread;
	size_t size;

	CHECK_EQ(ktest_thread_create(read_page_zero, (void *)0x123, &thread), 0);
	CHECK_EQ(hel_thread_start(thread), 0);
	CHECK(observe(thread, 0, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_FAULT);
	CHECK_EQ(result.address, 0x123);
	CHECK_EQ(hel_thread_read_registers(thread, HEL_REGISTERS_GENERAL, &registers,
			 sizeof(registers), &size),
		0);
	CHECK_EQ(size, sizeof(registers));
	CHECK_EQ(registers.rip, result.ip);
	CHECK_EQ(hel_thread_kill(thread), 0);
	CHECK(observe(thread, result.sequence, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(hel_close(HEL_THIS, thread), 0);
}

static void a_fault_can_be_mended(void)
{
	static uint32_t count;
	struct hel_observe_result result = { 0 };
	struct hel_registers registers;
	hel_handle thread;
	size_t size;

	CHECK_EQ(ktest_thread_create(read_page_zero, (void *)0x200, &thread), 0);
	CHECK_EQ(hel_thread_start(thread), 0);
	CHECK(observe(thread, 0, &result));
	CHECK_EQ(hel_thread_read_registers(thread, HEL_REGISTERS_GENERAL, &registers,
			 sizeof(registers), &size),
		0);
	registers.rip = (uint64_t)add_one;
	registers.rdi = (uint64_t)&count;
	CHECK_EQ(hel_thread_write_registers(thread, HEL_REGISTERS_GENERAL, &registers,
			 sizeof(registers)),
		0);
	CHECK_EQ(hel_thread_resume(thread), 0);
	CHECK(becomes(&count, 1));
	CHECK(observe(thread, result.sequence, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(hel_close(HEL_THIS, thread), 0);
}

static void registers_of_the_kernel_are_refused(void)
{
	struct hel_registers registers = { 0 };
	uint32_t unused = 0;
	hel_handle thread;
	size_t size;

	CHECK_EQ(ktest_thread_create(add_one, &unused, &thread), 0);
	CHECK_EQ(hel_thread_read_registers(thread, HEL_REGISTERS_GENERAL, &registers,
			 sizeof(registers), &size),
		0);
	CHECK_EQ(registers.rdi, (uint64_t)&unused);
	registers.rip = 0xffffffff80000000;
	CHECK_EQ(hel_thread_write_registers(thread, HEL_REGISTERS_GENERAL, &registers,
			 sizeof(registers)),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_thread_read_registers(thread, HEL_REGISTERS_GENERAL, &registers, 8, &size),
		-ERR_BUFFER_TOO_SMALL);
	CHECK_EQ(hel_thread_read_registers(thread, 77, &registers, sizeof(registers), &size),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_close(HEL_THIS, thread), 0);
}

static void bad_threads_are_refused(void)
{
	struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = HEL_THIS,
		.ip = 0xffff800000000000,
	};
	hel_handle thread;

	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_ILLEGAL_ARGS);
	args.ip = 0x1000;
	args.universe = 12345;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_thread_create((void *)8, &thread), -ERR_FAULT);
}

static void futexes_check_the_word(void)
{
	static uint32_t word = 3;
	uint32_t n_woken = 99;

	CHECK_EQ(hel_futex_wait(&word, 4, HEL_DEADLINE_NEVER, 1), -ERR_RETRY);
	CHECK_EQ(hel_futex_wait(&word, 3, ktest_now() + KTEST_SHORT_NS, 1), -ERR_TIMED_OUT);
	CHECK_EQ(hel_futex_wait((void *)((uint64_t)&word + 1), 3, 0, 1), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_wait((void *)64, 3, 0, 1), -ERR_FAULT);
	CHECK_EQ(hel_futex_wait(&word, 3, 0, 0), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_futex_wake(&word, 10, UINT32_MAX, &n_woken), 0);
	CHECK_EQ(n_woken, 0);
}

/* Two threads count to a number in turns, each waking the other. */
struct turns {
	uint32_t word;
	uint32_t n_done;
};

static void take_even_turns(void *argument)
{
	struct turns *turns = argument;
	uint32_t value;

	while ((value = __atomic_load_n(&turns->word, __ATOMIC_SEQ_CST)) < 2000) {
		if (value % 2 == 0) {
			__atomic_store_n(&turns->word, value + 1, __ATOMIC_SEQ_CST);
			hel_futex_wake(&turns->word, 1, UINT32_MAX, NULL);
		} else {
			(void)!hel_futex_wait(
				&turns->word, value, HEL_DEADLINE_NEVER, UINT32_MAX);
		}
	}
	__atomic_store_n(&turns->n_done, 1, __ATOMIC_SEQ_CST);
	hel_thread_exit();
}

static void futexes_hand_turns_over(void)
{
	static struct turns turns;
	hel_handle thread;
	uint64_t deadline_ns = ktest_now() + 4 * KTEST_LONG_NS;
	uint32_t value;

	CHECK_EQ(ktest_thread_create(take_even_turns, &turns, &thread), 0);
	CHECK_EQ(hel_thread_start(thread), 0);
	while ((value = __atomic_load_n(&turns.word, __ATOMIC_SEQ_CST)) < 2000) {
		if (value % 2 == 1) {
			__atomic_store_n(&turns.word, value + 1, __ATOMIC_SEQ_CST);
			hel_futex_wake(&turns.word, 1, UINT32_MAX, NULL);
			continue;
		}
		CHECK(hel_futex_wait(&turns.word, value, deadline_ns, UINT32_MAX) !=
			-ERR_TIMED_OUT);
	}
	CHECK_EQ(hel_close(HEL_THIS, thread), 0);
}

const struct ktest_case thread_cases[] = {
	KTEST(threads_run_when_started),
	KTEST(many_threads_run),
	KTEST(the_end_is_observed),
	KTEST(a_spinning_thread_can_be_killed),
	KTEST(a_waiting_thread_can_be_killed),
	KTEST(never_started_threads_go_away),
	KTEST(faults_are_observed),
	KTEST(a_fault_can_be_mended),
	KTEST(registers_of_the_kernel_are_refused),
	KTEST(bad_threads_are_refused),
	KTEST(futexes_check_the_word),
	KTEST(futexes_hand_turns_over),
	KTEST_END,
};
