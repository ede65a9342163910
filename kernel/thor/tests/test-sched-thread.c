/* SPDX-License-Identifier: MIT */
/* Threads: life cycle, observation, kicks, the bounce. */
#include "machine.h"

static struct user_queue queue;
static struct completion completion;
static uint32_t n_runs;

static void open_queue(void)
{
	n_runs = 0;
	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
}

static void pass_time(void)
{
	sim_compute(50'000'000);
}

static uint32_t state_of(hel_handle thread)
{
	struct hel_thread_stats stats;

	CHECK_OK(hel_thread_stats(thread, &stats));
	return stats.state;
}

/* The next observation of @thread after @sequence. */
static struct hel_observe_result observe(hel_handle thread, uint64_t sequence)
{
	CHECK(queue_await(&queue, submit_observe(&queue, thread, sequence), &completion));
	CHECK_EQ(completion.error, 0);
	return *completion_observation(&completion);
}

static void count_run(UNUSED void *context)
{
	n_runs++;
}

static void run_for_ever(UNUSED void *context)
{
	for (;;) {
		n_runs++;
		sim_compute(1'000'000);
	}
}

static void wait_in_drive(UNUSED void *context)
{
	struct user_queue own;

	if (queue_open(&own, 1, 1024, 512) == 0) {
		n_runs += hel_drive(own.client.handle, HEL_DRIVE_WAIT, 0, HEL_DEADLINE_NEVER,
				  NULL) == -ERR_KICKED;
		n_runs += hel_drive(own.client.handle, HEL_DRIVE_WAIT, 0, sim_time_ns + 1'000'000,
				  NULL) == -ERR_TIMED_OUT;
		queue_close(&own);
	}
}

static uint64_t futex_word;

static void wait_in_futex(UNUSED void *context)
{
	(void)hel_futex_wait((const uint32_t *)futex_word, 0, HEL_DEADLINE_NEVER, 1);
	n_runs++;
}

static void touch_nothing(UNUSED void *context)
{
	uint32_t value;

	sim_load(&value, 0x12345678, sizeof(value));
	n_runs++;
}

static void make_foreign_call(UNUSED void *context)
{
	const uint64_t arguments[6] = {};

	(void)hel_sim_call(39, arguments);
	n_runs++;
}

USER_TEST(thread_runs_and_ends)
{
	struct hel_observe_result result;
	hel_handle thread;

	open_queue();
	CHECK_OK(user_create(count_run, NULL, &thread));
	CHECK_EQ(state_of(thread), 0);
	pass_time();
	CHECK_EQ(n_runs, 0);
	CHECK_OK(hel_thread_start(thread));
	CHECK_EQ(hel_thread_start(thread), -ERR_ILLEGAL_STATE);
	result = observe(thread, 0);
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(result.sequence, 1);
	CHECK_EQ(n_runs, 1);
	CHECK_EQ(state_of(thread), 4);
	/* After the end nothing more is observed, and nothing works. */
	CHECK(queue_await(&queue, submit_observe(&queue, thread, 1), &completion));
	CHECK_EQ(completion.error, -ERR_THREAD_TERMINATED);
	CHECK_EQ(hel_thread_start(thread), -ERR_ILLEGAL_STATE);
	CHECK_EQ(hel_thread_resume(thread), -ERR_THREAD_TERMINATED);
	CHECK_EQ(hel_thread_interrupt(thread), -ERR_THREAD_TERMINATED);
	CHECK_EQ(hel_thread_kick(thread), -ERR_THREAD_TERMINATED);
	CHECK_OK(hel_thread_kill(thread));
	queue_close(&queue);
}

/* Kill it in a given state; the observer hears of it, once. */
static void check_kill(void (*main)(void *context), bool is_started, uint32_t state)
{
	hel_handle thread;
	uint64_t sequence = 0;
	uint64_t context;

	CHECK_OK(user_create(main, NULL, &thread));
	if (is_started) {
		CHECK_OK(hel_thread_start(thread));
		pass_time();
	}
	CHECK_EQ(state_of(thread), state);
	if (is_started && state == 0) {
		sequence = observe(thread, 0).sequence;
	}
	context = submit_observe(&queue, thread, sequence);
	CHECK_OK(queue_drive(&queue));
	CHECK(queue_is_quiet(&queue));
	CHECK_OK(hel_thread_kill(thread));
	CHECK_OK(hel_thread_kill(thread));
	CHECK(queue_await(&queue, context, &completion));
	CHECK_EQ(completion_observation(&completion)->observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(state_of(thread), 4);
	CHECK_OK(hel_close(HEL_THIS, thread));
}

USER_TEST(thread_is_killed_in_every_state)
{
	uint32_t zero = 0;

	open_queue();
	futex_word = user_map(1);
	sim_store(futex_word, &zero, sizeof(zero));
	check_kill(count_run, false, 0);  /* never started */
	CHECK_EQ(n_runs, 0);
	check_kill(run_for_ever, true, 1);  /* ready */
	n_runs = 0;
	check_kill(wait_in_drive, true, 3);
	check_kill(wait_in_futex, true, 3);
	check_kill(touch_nothing, true, 0);  /* stopped by a fault */
	check_kill(make_foreign_call, true, 0);
	CHECK_EQ(n_runs, 0);
	queue_close(&queue);
}

/* A stopped thread whose last handle is closed can never run again: it ends. */
USER_TEST(stopped_thread_without_handles_ends)
{
	hel_handle thread;

	open_queue();
	CHECK_OK(user_create(count_run, NULL, &thread));
	pass_time();
	CHECK_OK(hel_close(HEL_THIS, thread));
	thread = user_start(touch_nothing, NULL);
	CHECK_OK(hel_close(HEL_THIS, thread)); /* before it even faults */
	pass_time();
	CHECK_EQ(n_runs, 0);
	queue_close(&queue);
}

USER_TEST(fault_is_observed_and_resumed)
{
	struct hel_observe_result result;
	struct hel_map_args args = {
		.space = HEL_THIS,
		.address = 0x12345000,
		.size_bytes = 4096,
		.flags = HEL_MAP_READ | HEL_MAP_FIXED,
	};
	hel_handle thread;
	uint64_t address;

	open_queue();
	thread = user_start(touch_nothing, NULL);
	result = observe(thread, 0);
	CHECK_EQ(result.observation, HEL_OBSERVE_FAULT);
	CHECK_EQ(result.vector, 14);
	CHECK_EQ(result.address, 0x12345678);
	CHECK_EQ(result.ip, SIM_IP);
	/* Resumed without a remedy it faults again. */
	CHECK_OK(hel_thread_resume(thread));
	result = observe(thread, 1);
	CHECK_EQ(result.observation, HEL_OBSERVE_FAULT);
	CHECK_EQ(result.sequence, 2);
	CHECK_OK(hel_space_map(&args, &address));
	CHECK_OK(hel_thread_resume(thread));
	result = observe(thread, 2);
	CHECK_EQ(result.observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(n_runs, 1);
	queue_close(&queue);
}

USER_TEST(bad_call_is_observed)
{
	hel_handle thread;

	open_queue();
	thread = user_start(make_foreign_call, NULL);
	CHECK_EQ(observe(thread, 0).observation, HEL_OBSERVE_BAD_CALL);
	CHECK_OK(hel_thread_resume(thread));
	CHECK_EQ(observe(thread, 1).observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(n_runs, 1);
	queue_close(&queue);
}

USER_TEST(thread_without_program_faults)
{
	struct hel_thread_args args = { .universe = HEL_THIS, .space = HEL_THIS, .ip = 0x5000 };
	hel_handle thread;

	open_queue();
	CHECK_OK(hel_thread_create(&args, &thread));
	CHECK_OK(hel_thread_start(thread));
	struct hel_observe_result result = observe(thread, 0);

	CHECK_EQ(result.observation, HEL_OBSERVE_FAULT);
	CHECK_EQ(result.vector, 6);
	CHECK_EQ(result.ip, 0x5000);
	CHECK_OK(hel_thread_kill(thread));
	queue_close(&queue);
}

USER_TEST(one_observer_at_a_time)
{
	hel_handle thread, weak;
	uint64_t first;

	open_queue();
	CHECK_OK(user_create(count_run, NULL, &thread));
	first = submit_observe(&queue, thread, 0);
	CHECK(queue_await(&queue, submit_observe(&queue, thread, 0), &completion));
	CHECK_EQ(completion.error, -ERR_BUSY);
	submit_cancel(&queue, first);
	CHECK(queue_await(&queue, first, &completion));
	CHECK_EQ(completion.error, -ERR_CANCELLED);
	CHECK_OK(hel_transfer(HEL_THIS, thread, HEL_THIS, HEL_RIGHT_READ, &weak));
	CHECK(queue_await(&queue, submit_observe(&queue, weak, 0), &completion));
	CHECK_EQ(completion.error, -ERR_NO_RIGHTS);
	CHECK(queue_await(&queue, submit_observe(&queue, queue.client.handle, 0), &completion));
	CHECK_EQ(completion.error, -ERR_BAD_TYPE);
	CHECK_EQ(hel_thread_kill(weak), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_thread_start(weak), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_thread_kick(weak), -ERR_NO_RIGHTS);
	CHECK_OK(hel_thread_kill(thread));
	queue_close(&queue);
}

/* Stopped while it waits, it makes its call again when it is resumed. */
USER_TEST(interrupted_wait_is_made_again)
{
	hel_handle thread;
	uint32_t zero = 0, n_woken;

	open_queue();
	futex_word = user_map(1);
	sim_store(futex_word, &zero, sizeof(zero));
	thread = user_start(wait_in_futex, NULL);
	pass_time();
	CHECK_OK(hel_thread_interrupt(thread));
	CHECK_EQ(observe(thread, 0).observation, HEL_OBSERVE_INTERRUPTED);
	CHECK_EQ(state_of(thread), 0);
	CHECK_OK(hel_futex_wake((const uint32_t *)futex_word, 1, 1, &n_woken));
	CHECK_EQ(n_woken, 0);
	CHECK_OK(hel_thread_resume(thread));
	CHECK_EQ(hel_thread_resume(thread), -ERR_ILLEGAL_STATE);
	pass_time();
	CHECK_EQ(state_of(thread), 3);
	CHECK_OK(hel_futex_wake((const uint32_t *)futex_word, 1, 1, &n_woken));
	CHECK_EQ(n_woken, 1);
	CHECK_EQ(observe(thread, 1).observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(n_runs, 1);
	queue_close(&queue);
}

USER_TEST(interrupted_while_it_runs)
{
	hel_handle thread;
	uint32_t n_before;

	open_queue();
	thread = user_start(run_for_ever, NULL);
	pass_time();
	CHECK_OK(hel_thread_interrupt(thread));
	CHECK_EQ(observe(thread, 0).observation, HEL_OBSERVE_INTERRUPTED);
	n_before = n_runs;
	pass_time();
	CHECK_EQ(n_runs, n_before);
	CHECK_OK(hel_thread_resume(thread));
	pass_time();
	CHECK(n_runs > n_before);
	CHECK_OK(hel_thread_kill(thread));
	queue_close(&queue);
}

USER_TEST(registers_of_a_stopped_thread)
{
	struct hel_registers registers = {};
	hel_handle thread;
	size_t size;

	open_queue();
	thread = user_start(touch_nothing, NULL);
	(void)observe(thread, 0);
	CHECK_OK(hel_thread_read_registers(
		thread, HEL_REGISTERS_GENERAL, &registers, sizeof(registers), &size));
	CHECK_EQ(size, sizeof(registers));
	CHECK_EQ(registers.rip, SIM_IP);
	registers.rip = 0x7777;
	CHECK_OK(hel_thread_write_registers(
		thread, HEL_REGISTERS_GENERAL, &registers, sizeof(registers)));
	registers.rip = 0;
	CHECK_OK(hel_thread_read_registers(
		thread, HEL_REGISTERS_GENERAL, &registers, sizeof(registers), &size));
	CHECK_EQ(registers.rip, 0x7777);
	registers.rip = 0xffff'8000'0000'0000;
	CHECK_EQ(hel_thread_write_registers(
			 thread, HEL_REGISTERS_GENERAL, &registers, sizeof(registers)),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_thread_read_registers(thread, HEL_REGISTERS_GENERAL, &registers, 8, &size),
		-ERR_BUFFER_TOO_SMALL);
	CHECK_EQ(hel_thread_read_registers(
			 thread, (enum hel_register_set)7, &registers, sizeof(registers), &size),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_thread_write_registers(thread, HEL_REGISTERS_GENERAL, &registers, 0),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_thread_write_registers(thread, HEL_REGISTERS_FPU, &registers, ~(size_t)0),
		-ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_thread_kill(thread));
	pass_time();
	CHECK_EQ(hel_thread_read_registers(
			 thread, HEL_REGISTERS_GENERAL, &registers, sizeof(registers), &size),
		-ERR_THREAD_TERMINATED);
	thread = user_start(run_for_ever, NULL);
	pass_time();
	CHECK_EQ(hel_thread_read_registers(
			 thread, HEL_REGISTERS_GENERAL, &registers, sizeof(registers), &size),
		-ERR_ILLEGAL_STATE);
	CHECK_OK(hel_thread_kill(thread));
	queue_close(&queue);
}

USER_TEST(thread_create_checks_arguments)
{
	struct hel_thread_args args = { .universe = HEL_THIS, .space = HEL_THIS };
	hel_handle thread;

	args.flags = 4;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_ILLEGAL_ARGS);
	args.flags = 0;
	args.reserved = 1;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_ILLEGAL_ARGS);
	args.reserved = 0;
	args.ip = 0x0000'8000'0000'0000;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_ILLEGAL_ARGS);
	args.ip = 0;
	args.tls_base = ~0ull;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_ILLEGAL_ARGS);
	args.tls_base = 0;
	args.bounce = 0x1000;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_ILLEGAL_ARGS);
	args.bounce = 0;
	args.bounce_page = 1234;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_FAULT);
	args.bounce_page = HEL_NULL;
	args.space = 1234;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_BAD_HANDLE);
	args.space = HEL_THIS;
	args.universe = machine_authority;
	CHECK_EQ(hel_thread_create(&args, &thread), -ERR_BAD_TYPE);
	CHECK_EQ(hel_thread_create((const struct hel_thread_args *)8, &thread), -ERR_FAULT);
}

USER_TEST(kick_ends_a_wait)
{
	hel_handle thread;

	open_queue();
	thread = user_start(wait_in_drive, NULL);
	pass_time();
	CHECK_OK(hel_thread_kick(thread));
	CHECK_EQ(observe(thread, 0).observation, HEL_OBSERVE_TERMINATED);
	CHECK_EQ(n_runs, 2); /* kicked once, then it timed out: no second kick was left */
	queue_close(&queue);
}

/* ---- the bounce ------------------------------------------------------------------------------ */

static struct {
	uint64_t ips[16];
	uint32_t n_ips;
} redirects;

static void note_redirect(UNUSED void *context, uint64_t ip)
{
	if (redirects.n_ips < ARRAY_SIZE(redirects.ips)) {
		redirects.ips[redirects.n_ips++] = ip;
	}
}

constexpr uint64_t ENTRY_SYSCALL = 0x70000;
constexpr uint64_t ENTRY_KICK = 0x70100;
constexpr uint64_t ENTRY_FAULT = 0x70200;
constexpr uint64_t ENTRY_SHIM_FAULT = 0x70300;
constexpr uint64_t RESTART = 0x70400;

static void bounced(UNUSED void *context)
{
	const uint64_t arguments[6] = {};
	static const uint64_t places[] = { SIM_IP, 0x72000, 0x71000, SIM_IP };
	uint32_t value;

	sim_on_redirect(note_redirect);
	(void)hel_sim_call(39, arguments); /* goes to the shim */
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		/* kicked outside, in the shim, in a critical range */
		sim_set_ip(places[i]);
		n_runs++;
		sim_compute(100'000'000);
	}
	/* `pending` is set: no wait; it is user mode that clears it */
	n_runs += hel_futex_wait((const uint32_t *)futex_word, 0, HEL_DEADLINE_NEVER, 1) ==
		-ERR_KICKED;
	sim_load(&value, 0x12345678, sizeof(value));
}

static int create_bounced_at(uint64_t address, hel_handle page, hel_handle *out_thread)
{
	struct hel_bounce bounce = {
		.shim_low = 0x70000,
		.shim_high = 0x80000,
		.entry_syscall = ENTRY_SYSCALL,
		.entry_kick = ENTRY_KICK,
		.entry_fault = ENTRY_FAULT,
		.entry_shim_fault = ENTRY_SHIM_FAULT,
		.critical = { { 0x71000, 0x71100, RESTART } },
	};
	struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = HEL_THIS,
		.ip = SIM_IP,
		.tls_base = sim_program_create(bounced, NULL),
		.bounce_page = page,
		.bounce_address = address,
		.bounce = (uint64_t)&bounce,
	};

	return hel_thread_create(&args, out_thread);
}

static int create_bounced(hel_handle *out_thread, hel_handle *out_page)
{
	int error = hel_memory_allocate(4096, 0, out_page);

	return error != 0 ? error : create_bounced_at(0x60000, *out_page, out_thread);
}

USER_TEST(bounced_thread)
{
	struct hel_bounce_page page;
	hel_handle thread, memory;
	uint32_t zero = 0;

	open_queue();
	redirects.n_ips = 0;
	futex_word = user_map(1);
	sim_store(futex_word, &zero, sizeof(zero));
	CHECK_OK(create_bounced(&thread, &memory));
	CHECK_OK(hel_thread_start(thread));
	for (uint32_t i = 1; i <= 3; i++) {
		while (n_runs < i) {
			sim_compute(1'000'000);
		}
		CHECK_OK(hel_thread_kick(thread));
	}
	sim_compute(1'000'000'000);
	CHECK_EQ(redirects.ips[0], ENTRY_SYSCALL);
	CHECK_EQ(redirects.ips[1], ENTRY_KICK);
	CHECK_EQ(redirects.ips[2], RESTART); /* nothing for the kick inside the shim */
	CHECK_EQ(redirects.ips[3], ENTRY_FAULT);
	CHECK(hel_memory_read(memory, 0, &page, sizeof(page)) == 0);
	CHECK_EQ(page.pending, 1);
	CHECK_EQ(page.frame.rip, SIM_IP);
	CHECK_EQ(page.fault.address, 0x12345678);
	CHECK_EQ(page.fault.reason, -ERR_FAULT);
	CHECK_EQ(n_runs, 5);
	CHECK_OK(hel_thread_kill(thread));
	queue_close(&queue);
}

/* The page is behind a queue's header and ring, and lives as long as the thread. */
USER_TEST(bounced_thread_in_a_queue)
{
	const struct hel_queue_params params = {
		.n_chunks = 1, .chunk_size = 1024, .submit_size = 2048
	};
	constexpr uint64_t offset = sizeof(struct hel_queue_header) + 2048;
	struct hel_map_args map = { .space = HEL_THIS,
		.size_bytes = HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE };
	struct hel_bounce_page page;
	hel_handle thread, queue_handle;
	uint64_t address;

	CHECK_OK(hel_queue_create(&params, &queue_handle));
	map.memory = queue_handle;
	CHECK_OK(hel_space_map(&map, &address));
	CHECK_EQ(
		create_bounced_at(address + offset + 32, queue_handle, &thread), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(create_bounced_at(address + HEL_PAGE_SIZE - 192, queue_handle, &thread),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(create_bounced_at(address + offset, machine_authority, &thread), -ERR_BAD_TYPE);
	CHECK_OK(create_bounced_at(address + offset, queue_handle, &thread));
	CHECK_OK(hel_close(HEL_THIS, queue_handle));
	CHECK_OK(hel_thread_kick(thread));
	sim_load(&page, address + offset, sizeof(page));
	CHECK_EQ(page.pending, 1);
	CHECK_OK(hel_space_unmap(HEL_THIS, address, HEL_PAGE_SIZE));
	CHECK_OK(hel_thread_kick(thread));
	CHECK_OK(hel_thread_kill(thread));
	CHECK_OK(hel_close(HEL_THIS, thread));
}

/* ---- many ------------------------------------------------------------------------------------ */

USER_TEST(a_thousand_threads)
{
	open_queue();
	for (unsigned i = 0; i < 1000; i++) {
		hel_handle thread = user_start(count_run, NULL);

		CHECK(thread != HEL_NULL);
		CHECK_OK(hel_close(HEL_THIS, thread));
		if (i % 50 == 49) {
			pass_time();
		}
	}
	pass_time();
	CHECK_EQ(n_runs, 1000);
	queue_close(&queue);
}

/* The whole house ends with its only thread, whoever still waits. */
static void start_waiters_and_exit(UNUSED void *context)
{
	struct user_queue own;
	uint32_t zero = 0;

	futex_word = user_map(1);
	sim_store(futex_word, &zero, sizeof(zero));
	if (queue_open(&own, 1, 1024, 512) == 0) {
		(void)submit_clock(&own, HEL_DEADLINE_NEVER);
		(void)queue_drive(&own);
	}
}

TEST(universe_ends_with_its_last_thread)
{
	machine_begin(2, 9);
	for (unsigned i = 0; i < 20; i++) {
		CHECK(machine_run(start_waiters_and_exit, NULL));
	}
	CHECK(machine_end());
}

/* A CPU that ends more threads than it does in one go comes back for the rest. */
static void kill_many(UNUSED void *context)
{
	hel_handle threads[100];

	for (uint32_t i = 0; i < ARRAY_SIZE(threads); i++) {
		CHECK_OK(user_create(start_waiters_and_exit, NULL, &threads[i]));
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(threads); i++) {
		CHECK_OK(hel_thread_kill(threads[i]));
	}
}

TEST(many_killed_at_once_all_end)
{
	machine_begin(1, 1);
	CHECK(machine_run(kill_many, NULL));
	CHECK(machine_end());
}

/* ---- acting on who gets no time -------------------------------------------------------------- */

constexpr uint32_t HOGS = 4;
constexpr uint32_t VICTIMS = 24;
constexpr uint64_t PROMPT_BOUND_NS =
	20'000; /* a few entries into the kernel, no slice of anybody */

static hel_handle hogs[HOGS], victims[VICTIMS];
static struct random random_state;
static bool is_prompt;

/* A thread of some kind, on one of the CPUs that will be busy, or on both. */
static hel_handle make_victim(uint32_t kind)
{
	static void (*const mains[])(void *context) = {
		run_for_ever,
		wait_in_drive,
		wait_in_futex,
		touch_nothing,
		make_foreign_call,
	};
	hel_handle thread;

	CHECK_OK(user_create(mains[kind % ARRAY_SIZE(mains)], NULL, &thread));
	CHECK_OK(hel_thread_set_affinity(thread, 2 + 2 * random_below(&random_state, 3)));
	CHECK_OK(hel_thread_set_priority(thread, -8 + (int32_t)random_below(&random_state, 15)));
	/* Some are never started, some before there is nothing left for them, some after that. */
	if (kind / ARRAY_SIZE(mains) % 2 == 0) {
		CHECK_OK(hel_thread_start(thread));
	}
	return thread;
}

static void start_hogs(void)
{
	for (uint32_t i = 0; i < HOGS; i++) {
		CHECK_OK(user_create(run_for_ever, NULL, &hogs[i]));
		CHECK_OK(hel_thread_set_affinity(hogs[i], i % 2 == 0 ? 2 : 4));
		CHECK_OK(hel_thread_set_priority(hogs[i], 7));
		CHECK_OK(hel_thread_start(hogs[i]));
	}
}

static void await_promptly(hel_handle thread, uint32_t state, uint64_t start_ns)
{
	while (state_of(thread) != state && sim_time_ns < start_ns + 50'000'000) {
		sim_compute(500);
	}
	is_prompt = is_prompt && sim_time_ns - start_ns < PROMPT_BOUND_NS;
}

static void kill_promptly(hel_handle thread)
{
	uint64_t start_ns = sim_time_ns;

	CHECK_OK(hel_thread_kill(thread));
	/* It cannot make itself small again. */
	CHECK_OK(hel_thread_set_priority(thread, -8));
	await_promptly(thread, THREAD_TERMINATED, start_ns);
	CHECK_OK(hel_close(HEL_THIS, thread));
}

/* This program has the first CPU, the hogs have the others, and the victims nothing. */
static void starve_victims(void)
{
	uint32_t zero = 0;

	futex_word = user_map(1);
	sim_store(futex_word, &zero, sizeof(zero));
	CHECK_OK(hel_thread_set_affinity(HEL_THIS, 1));
	for (uint32_t i = 0; i < VICTIMS / 2; i++) {
		victims[i] = make_victim(i);
	}
	sim_compute(random_below(&random_state, 200'000));
	start_hogs();
	for (uint32_t i = VICTIMS / 2; i < VICTIMS; i++) {
		victims[i] = make_victim(i);
	}
	sim_compute(20'000'000);
}

static void kill_all_promptly(void)
{
	for (uint32_t i = 0; i < VICTIMS; i++) {
		kill_promptly(victims[i]);
		sim_compute(random_below(&random_state, 2000));
	}
	for (uint32_t i = 0; i < HOGS; i++) {
		kill_promptly(hogs[i]);
	}
}

static void kill_the_starved(UNUSED void *context)
{
	starve_victims();
	kill_all_promptly();
}

static void run_starving(void (*main)(void *context), uint32_t n_rounds)
{
	uint64_t seed = test_seed(1);

	for (uint32_t i = 0; i < n_rounds; i++) {
		is_prompt = true;
		random_init(&random_state, seed + i);
		machine_begin(3, seed + i);
		sim_interleave(i % 2 == 0 ? 0 : 16);
		CHECK(machine_run(main, NULL));
		CHECK(is_prompt);
		CHECK(machine_end());
	}
}

TEST(kill_does_not_wait_for_the_scheduler)
{
	run_starving(kill_the_starved, 24);
}

static void interrupt_promptly(hel_handle thread)
{
	uint64_t start_ns = sim_time_ns;
	struct hel_thread_stats before, after;

	CHECK_OK(hel_thread_stats(thread, &before));
	if (before.state == THREAD_STOPPED || before.state == THREAD_TERMINATED) {
		return;
	}
	CHECK_OK(hel_thread_interrupt(thread));
	await_promptly(thread, THREAD_STOPPED, start_ns);
	CHECK_OK(hel_thread_stats(thread, &after));
	if (before.state == THREAD_RUNNABLE) {
		CHECK_EQ(after.user_ns, before.user_ns);
	}
	CHECK_OK(hel_thread_resume(thread));
}

static void interrupt_the_starved(UNUSED void *context)
{
	starve_victims();
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < VICTIMS; i++) {
			interrupt_promptly(victims[i]);
			sim_compute(random_below(&random_state, 2000));
		}
		for (uint32_t i = 0; i < HOGS; i++) {
			interrupt_promptly(hogs[i]);
		}
	}
	/* They starve as before. */
	struct hel_thread_stats before, after;

	CHECK_OK(hel_thread_stats(victims[0], &before));
	sim_compute(20'000'000);
	CHECK_OK(hel_thread_stats(victims[0], &after));
	CHECK_EQ(after.user_ns, before.user_ns);
	kill_all_promptly();
}

TEST(interrupt_does_not_wait_for_the_scheduler)
{
	run_starving(interrupt_the_starved, 8);
}

/* To where this program leaves time for it; and whose time it would be by priority. */
static void replace_the_starved(UNUSED void *context)
{
	struct hel_thread_stats before, after;

	starve_victims();
	CHECK_OK(hel_thread_stats(victims[0], &before));
	CHECK_EQ(before.state, THREAD_RUNNABLE);
	CHECK_OK(hel_thread_set_priority(victims[0], -8));
	CHECK_OK(hel_thread_set_affinity(victims[0], 1));
	(void)hel_futex_wait((const uint32_t *)futex_word, 0, sim_time_ns + 1'000'000, ~0u);
	CHECK_OK(hel_thread_stats(victims[0], &after));
	CHECK(after.user_ns - before.user_ns > 900'000);
	/* Its CPU is that of the hogs that are even. */
	hel_handle raised;

	CHECK_OK(user_create(run_for_ever, NULL, &raised));
	CHECK_OK(hel_thread_set_affinity(raised, 2));
	CHECK_OK(hel_thread_start(raised));
	sim_compute(20'000'000);
	CHECK_OK(hel_thread_stats(raised, &before));
	CHECK_EQ(before.user_ns, 0);
	CHECK_OK(hel_thread_set_priority(hogs[0], -8));
	CHECK_OK(hel_thread_set_priority(hogs[2], -8));
	CHECK_OK(hel_thread_set_priority(raised, 7));
	await_promptly(raised, THREAD_RUNNING, sim_time_ns);
	kill_promptly(raised);
	kill_all_promptly();
}

TEST(places_and_priorities_do_not_wait_for_the_scheduler)
{
	run_starving(replace_the_starved, 8);
}

TEST_MAIN()
