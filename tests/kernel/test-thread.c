/* SPDX-License-Identifier: MIT */
/* Threads: life cycle, observation, registers, scheduling. */
#include "test.h"

static void count_once(struct worker *worker)
{
	worker->counter = 1;
}

static void spin_for_ever(struct worker *worker)
{
	for (;;) {
		worker->counter++;
	}
}

TEST(thread_runs_and_ends)
{
	struct worker worker;

	CHECK(worker_start(&worker, count_once, NULL));
	CHECK(worker_join(&worker));
	CHECK_EQ(worker.counter, 1);
}

TEST(thread_create_checks_arguments)
{
	struct hel_thread_args args = { .universe = HEL_THIS, .space = HEL_THIS, .ip = 0x1000 };
	hel_handle thread;

	CHECK_EQ(hel_thread_create((void *)8, &thread), -ERR_FAULT);
	args.ip = 0xffff'8000'0000'0000;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_ILLEGAL_ARGS);
	args.ip = 0x1000;
	args.flags = 0x100;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_ILLEGAL_ARGS);
	args.flags = 0;
	args.universe = 9999;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_BAD_HANDLE);
	args.universe = HEL_THIS;
	args.space = test_queue.handle;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_BAD_TYPE);
	args.space = HEL_THIS;
	args.bounce = 8;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_ILLEGAL_ARGS);
	args.bounce = 0;
	CHECK_EQ(hel_thread_create(&args, &thread), 0);
	CHECK_EQ(hel_close(HEL_THIS, thread), 0);
}

TEST(thread_start_once)
{
	struct worker worker;

	CHECK(worker_create(&worker, count_once, NULL));
	CHECK_EQ(hel_thread_resume(worker.thread), -ERR_ILLEGAL_STATE);
	CHECK_EQ(hel_thread_start(worker.thread), 0);
	CHECK_EQ(hel_thread_start(worker.thread), -ERR_ILLEGAL_STATE);
	CHECK(worker_join(&worker));
}

TEST(thread_needs_rights)
{
	struct worker worker;
	struct hel_registers registers;
	size_t size;
	hel_handle weak;

	CHECK(worker_create(&worker, count_once, NULL));
	CHECK_EQ(hel_transfer(HEL_THIS, worker.thread, HEL_THIS, HEL_RIGHT_DERIVE, &weak), 0);
	CHECK_EQ(hel_thread_start(weak), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_thread_kill(weak), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_thread_kick(weak), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_thread_resume(weak), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_thread_interrupt(weak), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_thread_set_priority(weak, 0), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_thread_set_affinity(weak, 1), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_thread_read_registers(
			 weak, HEL_REGISTERS_GENERAL, &registers, sizeof(registers), &size),
		-ERR_NO_RIGHTS);
	CHECK_EQ(hel_thread_write_registers(
			 weak, HEL_REGISTERS_GENERAL, &registers, sizeof(registers)),
		-ERR_NO_RIGHTS);
	hel_close(HEL_THIS, weak);
	worker_forget(&worker);
}

TEST(thread_termination_is_observed)
{
	struct hel_observe_result result;
	static struct completion completion;
	struct worker worker;

	CHECK(worker_create(&worker, count_once, NULL));
	uint64_t context = observe(worker.thread, 0);

	CHECK(!is_complete(context));
	CHECK(await(observe(worker.thread, 0), &completion));
	CHECK_EQ(completion.error, -ERR_BUSY);
	CHECK_EQ(hel_thread_start(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(result.sequence, 1);
	/* The old sequence gives it again, the new one nothing any more. */
	CHECK(await_observation(observe(worker.thread, 0), &result));
	CHECK(await(observe(worker.thread, 1), &completion));
	CHECK_EQ(completion.error, -ERR_THREAD_TERMINATED);
	CHECK_EQ(hel_thread_kick(worker.thread), -ERR_THREAD_TERMINATED);
	CHECK_EQ(hel_thread_resume(worker.thread), -ERR_THREAD_TERMINATED);
	CHECK_EQ(hel_thread_interrupt(worker.thread), -ERR_THREAD_TERMINATED);
	CHECK_EQ(hel_thread_kill(worker.thread), 0);
	worker_forget(&worker);
}

TEST(thread_observe_is_cancelled)
{
	static struct completion completion;
	struct worker worker;

	CHECK(worker_create(&worker, count_once, NULL));
	uint64_t context = observe(worker.thread, 0);
	struct hel_cancel_record *cancel = submit(HEL_SUBMIT_CANCEL, sizeof(*cancel));

	cancel->header.context = context;
	commit();
	CHECK(await(context, &completion));
	CHECK_EQ(completion.error, -ERR_CANCELLED);
	/* Another observer may come now. */
	context = observe(worker.thread, 0);
	CHECK(!is_complete(context));
	CHECK_EQ(hel_thread_kill(worker.thread), 0);
	CHECK(await(context, &completion));
	CHECK_EQ(completion.error, 0);
	worker_forget(&worker);
}

static void touch_nothing(struct worker *worker)
{
	*(volatile uint32_t *)0x18 = 1;
	worker->counter = 1;
}

TEST(thread_fault_is_observed_and_repaired)
{
	struct hel_observe_result result;
	struct hel_registers registers;
	struct worker worker;
	size_t size;

	CHECK(worker_create(&worker, touch_nothing, NULL));
	uint64_t context = observe(worker.thread, 0);

	CHECK_EQ(hel_thread_start(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_FAULT);
	CHECK_EQ(result.vector, 14);
	CHECK_EQ(result.address, 0x18);
	CHECK_EQ(hel_thread_read_registers(worker.thread, HEL_REGISTERS_GENERAL, &registers,
			 sizeof(registers), &size),
		0);
	CHECK_EQ(size, sizeof(registers));
	CHECK_EQ(registers.rip, result.ip);
	CHECK_EQ(hel_thread_read_registers(
			 worker.thread, HEL_REGISTERS_GENERAL, &registers, 8, &size),
		-ERR_BUFFER_TOO_SMALL);
	CHECK_EQ(hel_thread_read_registers(worker.thread, (enum hel_register_set)9, &registers,
			 sizeof(registers), &size),
		-ERR_ILLEGAL_ARGS);
	/* Make it end instead. */
	registers.rip = (uint64_t)hel_thread_exit;
	CHECK_EQ(hel_thread_write_registers(
			 worker.thread, HEL_REGISTERS_GENERAL, &registers, sizeof(registers)),
		0);
	context = observe(worker.thread, result.sequence);
	CHECK_EQ(hel_thread_resume(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(result.sequence, 2);
	worker_forget(&worker);
}

TEST(thread_registers_are_checked)
{
	struct hel_registers registers = {};
	struct worker worker;
	size_t size;

	CHECK(worker_create(&worker, count_once, NULL));
	CHECK_EQ(hel_thread_read_registers(worker.thread, HEL_REGISTERS_GENERAL, &registers,
			 sizeof(registers), &size),
		0);
	CHECK_EQ(registers.rdi, (uint64_t)&worker);
	uint64_t rip = registers.rip;

	registers.rip = 0xffff'8000'0000'0000;
	CHECK_EQ(hel_thread_write_registers(
			 worker.thread, HEL_REGISTERS_GENERAL, &registers, sizeof(registers)),
		-ERR_ILLEGAL_ARGS);
	registers.rip = rip;
	registers.rflags = ~(uint64_t)0 & ~(uint64_t)0x100;
	CHECK_EQ(hel_thread_write_registers(
			 worker.thread, HEL_REGISTERS_GENERAL, &registers, sizeof(registers)),
		0);
	CHECK_EQ(hel_thread_read_registers(worker.thread, HEL_REGISTERS_GENERAL, &registers,
			 sizeof(registers), &size),
		0);
	CHECK_EQ(registers.rflags & 0x3000, 0);
	CHECK_EQ(hel_thread_write_registers(worker.thread, HEL_REGISTERS_GENERAL, &registers, 17),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_thread_write_registers(
			 worker.thread, HEL_REGISTERS_GENERAL, (void *)8, sizeof(registers)),
		-ERR_FAULT);
	CHECK_EQ(hel_thread_write_registers(worker.thread, HEL_REGISTERS_FPU, &registers, 3),
		-ERR_ILLEGAL_ARGS);
	worker_forget(&worker);
}

static void make_foreign_call(struct worker *worker)
{
	uint64_t number = 39;

	__asm__ volatile("syscall" : "+a"(number) : : "rcx", "r11", "memory");
	worker->counter = 1;
}

TEST(thread_foreign_call_is_observed)
{
	struct hel_observe_result result;
	struct worker worker;

	CHECK(worker_create(&worker, make_foreign_call, NULL));
	uint64_t context = observe(worker.thread, 0);

	CHECK_EQ(hel_thread_start(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_BAD_CALL);
	CHECK_EQ(hel_thread_resume(worker.thread), 0);
	CHECK(worker_join(&worker));
	CHECK_EQ(worker.counter, 1);
}

TEST(thread_interrupt_stops_a_running_one)
{
	struct hel_observe_result result;
	struct hel_registers registers;
	struct worker worker;
	size_t size;

	CHECK(worker_start(&worker, spin_for_ever, NULL));
	CHECK(wait_until(&worker.counter, 1000));
	CHECK_EQ(hel_thread_read_registers(worker.thread, HEL_REGISTERS_GENERAL, &registers,
			 sizeof(registers), &size),
		-ERR_ILLEGAL_STATE);
	uint64_t context = observe(worker.thread, 0);

	CHECK_EQ(hel_thread_interrupt(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_INTERRUPTED);
	uint32_t counter = worker.counter;

	(void)hel_futex_wait((const uint32_t *)&worker.is_done, 0, test_deadline_ms(5), ~0u);
	CHECK_EQ(worker.counter, counter);
	CHECK_EQ(hel_thread_resume(worker.thread), 0);
	CHECK_EQ(hel_thread_resume(worker.thread), -ERR_ILLEGAL_STATE);
	CHECK(wait_until(&worker.counter, counter + 1000));
	context = observe(worker.thread, result.sequence);
	CHECK_EQ(hel_thread_kill(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	worker_forget(&worker);
}

static void sleep_for_ever(struct worker *worker)
{
	worker->counter = 1;
	(void)hel_futex_wait((const uint32_t *)&worker->is_done, 0, HEL_DEADLINE_NEVER, ~0u);
	worker->counter = 2;
}

/* A wait that was interrupted goes on when the thread is resumed: the program sees nothing. */
TEST(thread_interrupt_restarts_a_wait)
{
	struct hel_observe_result result;
	struct worker worker;

	CHECK(worker_start(&worker, sleep_for_ever, NULL));
	CHECK(wait_until(&worker.counter, 1));
	for (unsigned i = 0; i < 20; i++) {
		uint64_t context = observe(worker.thread, i);

		CHECK_EQ(hel_thread_interrupt(worker.thread), 0);
		CHECK(await_observation(context, &result));
		CHECK_EQ(result.observation, HEL_OBSERVE_INTERRUPTED);
		CHECK_EQ(hel_thread_resume(worker.thread), 0);
	}
	CHECK_EQ(worker.counter, 1);
	atomic_store(&worker.is_done, 5);
	hel_futex_wake((const uint32_t *)&worker.is_done, 1, ~0u, NULL);
	CHECK(wait_until(&worker.counter, 2));
	CHECK(worker_join(&worker));
}

TEST(thread_kill_from_every_state)
{
	struct hel_observe_result result;
	struct worker worker;
	uint64_t context;

	/* Never started. */
	CHECK(worker_create(&worker, count_once, NULL));
	context = observe(worker.thread, 0);
	CHECK_EQ(hel_thread_kill(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(hel_thread_start(worker.thread), -ERR_ILLEGAL_STATE);
	worker_forget(&worker);
	/* Waiting for a futex. */
	CHECK(worker_start(&worker, sleep_for_ever, NULL));
	CHECK(wait_until(&worker.counter, 1));
	context = observe(worker.thread, 0);
	CHECK_EQ(hel_thread_kill(worker.thread), 0);
	CHECK(await_observation(context, &result));
	worker_forget(&worker);
	/* Stopped by a fault. */
	CHECK(worker_create(&worker, touch_nothing, NULL));
	context = observe(worker.thread, 0);
	CHECK_EQ(hel_thread_start(worker.thread), 0);
	CHECK(await_observation(context, &result));
	context = observe(worker.thread, result.sequence);
	CHECK_EQ(hel_thread_kill(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	worker_forget(&worker);
}

/* The CPU is never free for it, and yet it stops, and goes. */
TEST(thread_ends_and_stops_do_not_wait_for_the_scheduler)
{
	struct hel_observe_result result;
	struct worker hog, victim;

	CHECK_EQ(hel_thread_set_affinity(HEL_THIS, 1), 0);
	CHECK_EQ(hel_thread_set_priority(HEL_THIS, 2), 0);
	CHECK(worker_create(&hog, spin_for_ever, NULL));
	CHECK(worker_create(&victim, spin_for_ever, NULL));
	CHECK_EQ(hel_thread_set_affinity(hog.thread, 1), 0);
	CHECK_EQ(hel_thread_set_affinity(victim.thread, 1), 0);
	CHECK_EQ(hel_thread_set_priority(hog.thread, 1), 0);
	CHECK_EQ(hel_thread_start(hog.thread), 0);
	CHECK_EQ(hel_thread_start(victim.thread), 0);
	uint64_t context = observe(victim.thread, 0);

	/* While we wait the other one runs, and only that. */
	CHECK_EQ(hel_drive(test_queue.handle, HEL_DRIVE_WAIT, test_queue.n_taken,
			 test_deadline_ms(10), NULL),
		-ERR_TIMED_OUT);
	CHECK_EQ(victim.counter, 0);
	CHECK_EQ(hel_thread_interrupt(victim.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_INTERRUPTED);
	context = observe(victim.thread, result.sequence);
	CHECK_EQ(hel_thread_resume(victim.thread), 0);
	CHECK_EQ(hel_thread_kill(victim.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(victim.counter, 0);
	worker_forget(&victim);
	CHECK_EQ(hel_thread_kill(hog.thread), 0);
	CHECK(await(observe(hog.thread, 0), NULL));
	worker_forget(&hog);
	CHECK_EQ(hel_thread_set_priority(HEL_THIS, 0), 0);
	CHECK_EQ(hel_thread_set_affinity(HEL_THIS, ~(uint64_t)0), 0);
}

/* Two busy threads on a CPU, of which one weighs an eighth of the other one. */
TEST(thread_weights_share_a_cpu)
{
	struct hel_thread_stats heavy_stats, light_stats;
	uint64_t deadline_ns = test_deadline_ms(20'000);
	struct worker heavy, light;

	CHECK_EQ(hel_thread_set_weight(HEL_THIS, 0), -ERR_ILLEGAL_ARGS);
	CHECK(worker_create(&heavy, spin_for_ever, NULL));
	CHECK(worker_create(&light, spin_for_ever, NULL));
	CHECK_EQ(hel_thread_set_affinity(heavy.thread, 1), 0);
	CHECK_EQ(hel_thread_set_affinity(light.thread, 1), 0);
	CHECK_EQ(hel_thread_set_weight(light.thread, HEL_WEIGHT_DEFAULT / 8), 0);
	CHECK_EQ(hel_thread_start(heavy.thread), 0);
	CHECK_EQ(hel_thread_start(light.thread), 0);
	do {
		CHECK(test_now() < deadline_ns);
		(void)hel_drive(test_queue.handle, HEL_DRIVE_WAIT, test_queue.n_taken,
			test_deadline_ms(10), NULL);
		CHECK_EQ(hel_thread_stats(heavy.thread, &heavy_stats), 0);
		CHECK_EQ(hel_thread_stats(light.thread, &light_stats), 0);
		/* The host may take the processor away from either, which then pays for it. */
	} while (light_stats.user_ns < 40'000'000 ||
		heavy_stats.user_ns < 5 * light_stats.user_ns ||
		heavy_stats.user_ns > 12 * light_stats.user_ns);
	CHECK_EQ(light_stats.weight, HEL_WEIGHT_DEFAULT / 8);
	CHECK_EQ(hel_thread_kill(heavy.thread), 0);
	CHECK(await(observe(heavy.thread, 0), NULL));
	worker_forget(&heavy);
	CHECK_EQ(hel_thread_kill(light.thread), 0);
	CHECK(await(observe(light.thread, 0), NULL));
	worker_forget(&light);
}

TEST(thread_priorities_and_affinity)
{
	struct hel_thread_stats stats;
	struct worker worker;

	CHECK_EQ(hel_thread_set_priority(HEL_THIS, 1000), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_thread_set_priority(HEL_THIS, -1000), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_thread_set_affinity(HEL_THIS, 0), -ERR_ILLEGAL_ARGS);
	for (uint32_t cpu = 0; cpu < test_start->n_cpus && cpu < 64; cpu++) {
		CHECK_EQ(hel_thread_set_affinity(HEL_THIS, (uint64_t)1 << cpu), 0);
		CHECK_EQ(hel_thread_stats(HEL_THIS, &stats), 0);
		CHECK_EQ(stats.cpu, cpu);
		CHECK_EQ(stats.state, 2);
	}
	/* A thread that may not run where it is goes elsewhere. */
	CHECK(worker_start(&worker, spin_for_ever, NULL));
	for (uint32_t cpu = 0; cpu < test_start->n_cpus && cpu < 64; cpu++) {
		uint64_t deadline_ns = test_deadline_ms(2000);

		CHECK_EQ(hel_thread_set_affinity(worker.thread, (uint64_t)1 << cpu), 0);
		do {
			CHECK(test_now() < deadline_ns);
			hel_thread_yield();
			CHECK_EQ(hel_thread_stats(worker.thread, &stats), 0);
		} while (stats.cpu != cpu);
	}
	CHECK_EQ(hel_thread_set_affinity(HEL_THIS, ~(uint64_t)0), 0);
	CHECK_EQ(hel_thread_kill(worker.thread), 0);
	CHECK(await(observe(worker.thread, 0), NULL));
	worker_forget(&worker);
}

constexpr size_t FAIR_THREADS = 3;

/* What each has used; false: it cannot be read. */
static bool read_times(const struct worker *workers, uint64_t *out_times)
{
	for (size_t i = 0; i < FAIR_THREADS; i++) {
		struct hel_thread_stats stats;

		if (hel_thread_stats(workers[i].thread, &stats) != 0) {
			return false;
		}
		out_times[i] = stats.user_ns + stats.kernel_ns;
	}
	return true;
}

static bool times_are_close(const uint64_t *before, const uint64_t *after)
{
	uint64_t least_ns = ~(uint64_t)0, most_ns = 0;

	for (size_t i = 0; i < FAIR_THREADS; i++) {
		least_ns = min_u64(least_ns, after[i] - before[i]);
		most_ns = max_u64(most_ns, after[i] - before[i]);
	}
	return least_ns > 20'000'000 && most_ns - least_ns < 20'000'000;
}

/*
 * Three that never wait, on one CPU, get about the same. The host may take the CPU away within a
 * slice, then that thread is ahead and the others catch up: so several stretches of time are looked
 * at, and in one of them the three have to be close. With a scheduler that is not fair they never
 * are.
 */
TEST(thread_time_is_fair)
{
	struct worker workers[FAIR_THREADS];
	uint64_t before[FAIR_THREADS] = {}, after[FAIR_THREADS];
	_Atomic uint32_t never = 0;
	bool is_fair = false;

	for (size_t i = 0; i < FAIR_THREADS; i++) {
		CHECK(worker_create(&workers[i], spin_for_ever, NULL));
		CHECK_EQ(hel_thread_set_affinity(workers[i].thread, 1), 0);
		CHECK_EQ(hel_thread_start(workers[i].thread), 0);
	}
	for (unsigned i = 0; i < 60 && !is_fair; i++) {
		CHECK(read_times(workers, before));
		(void)hel_futex_wait((const uint32_t *)&never, 0, test_deadline_ms(150), ~0u);
		CHECK(read_times(workers, after));
		is_fair = times_are_close(before, after);
	}
	for (size_t i = 0; i < FAIR_THREADS; i++) {
		CHECK_EQ(hel_thread_kill(workers[i].thread), 0);
		CHECK(await(observe(workers[i].thread, 0), NULL));
		worker_forget(&workers[i]);
	}
	CHECK(is_fair);
}

static void compute(UNUSED struct worker *worker)
{
	uint64_t end_ns = test_now() + 30'000'000;

	while (test_now() < end_ns) {
		for (volatile uint32_t i = 0; i < 10'000; i++) {
		}
	}
}

static hel_handle timed_memory;

/* Calls that take long. */
static void stay_in_kernel(UNUSED struct worker *worker)
{
	static uint8_t buffer[KIB(64)];

	for (uint32_t i = 0; i < 200; i++) {
		(void)!hel_memory_read(timed_memory, 0, buffer, sizeof(buffer));
		(void)!hel_memory_write(timed_memory, 0, buffer, sizeof(buffer));
	}
}

static bool time_of(
	void (*run)(struct worker *worker), uint32_t flags, struct hel_thread_stats *out_stats)
{
	struct worker worker;
	struct hel_observe_result result;

	if (!worker_create_with(&worker, run, NULL, flags)) {
		return false;
	}
	uint64_t context = observe(worker.thread, 0);
	bool is_good = hel_thread_start(worker.thread) == 0 &&
		await_observation(context, &result) &&
		hel_thread_stats(worker.thread, out_stats) == 0;

	worker_forget(&worker);
	return is_good;
}

/*
 * Whether a timed thread is most of its time where it should be. A busy host takes processors away
 * for much longer than these threads run, wherever they are then: that is no fault of the kernel's
 * if it does not happen each time.
 */
static bool is_mostly(bool is_in_kernel, void (*run)(struct worker *worker))
{
	constexpr uint32_t TRIES = 20;
	struct hel_thread_stats stats;

	for (uint32_t i = 0; i < TRIES; i++) {
		if (!time_of(run, HEL_THREAD_TIMED, &stats) || stats.flags != HEL_THREAD_TIMED ||
			stats.kernel_ns == 0 || stats.user_ns == 0) {
			return false;
		}
		if (is_in_kernel ? stats.kernel_ns > 2 * stats.user_ns
				 : stats.user_ns > 2 * stats.kernel_ns) {
			return true;
		}
	}
	return false;
}

TEST(thread_time_in_the_kernel)
{
	struct hel_thread_stats stats;

	CHECK_EQ(hel_memory_allocate(KIB(64), 0, &timed_memory), 0);
	CHECK(is_mostly(false, compute));
	CHECK(is_mostly(true, stay_in_kernel));
	CHECK(time_of(stay_in_kernel, 0, &stats));
	CHECK_EQ(stats.flags, 0);
	CHECK_EQ(stats.kernel_ns, 0);
	hel_close(HEL_THIS, timed_memory);
}

static void churn(struct worker *worker)
{
	for (unsigned i = 0; i < 200; i++) {
		hel_thread_yield();
		worker->counter++;
	}
}

TEST(thread_many_at_once)
{
	static struct worker workers[64];

	for (unsigned round = 0; round < 4; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
			CHECK(worker_start(&workers[i], churn, NULL));
		}
		for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
			CHECK(worker_join(&workers[i]));
			CHECK_EQ(workers[i].counter, 200);
		}
	}
}

TEST(thread_kill_races_with_wake)
{
	struct hel_observe_result result;

	for (unsigned i = 0; i < 300; i++) {
		struct worker worker;

		CHECK(worker_start(&worker, sleep_for_ever, NULL));
		uint64_t context = observe(worker.thread, 0);

		if (i % 3 == 0) {
			CHECK(wait_until(&worker.counter, 1));
		}
		hel_futex_wake((const uint32_t *)&worker.is_done, 1, ~0u, NULL);
		CHECK_EQ(hel_thread_kill(worker.thread), 0);
		CHECK(await_observation(context, &result));
		CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
		worker_forget(&worker);
	}
}
