/* SPDX-License-Identifier: MIT */
/* Debuggers: breakpoints, watched memory, single steps. */
#include "test.h"

enum trap_vector : uint32_t { TRAP_DEBUG = 1, TRAP_BREAKPOINT = 3 };

constexpr uint64_t STATUS_STEP = 0x4000;
constexpr uint64_t CONTROL_FIXED = 0x400;
constexpr uint64_t USER_HIGH = 0x00007ffffffff000;

/* Kinds of matches in DR7, of breakpoint 0. */
constexpr uint64_t ENABLE_0 = 1;
constexpr uint64_t EXECUTE_0 = 0;
constexpr uint64_t WRITE_8_0 = 1u << 16 | 2u << 18;
constexpr uint64_t ACCESS_8_0 = 3u << 16 | 2u << 18;

extern const uint8_t debug_code_start[], debug_code_nops[], debug_code_store[], debug_code_stored[],
	debug_code_end[];

static uint64_t debug_word;

/* int3, three nops, a store into debug_word, int3. */
__asm__(".text\n"
	"debug_code_start:\n"
	"	int3\n"
	"debug_code_nops:\n"
	"	nop\n"
	"	nop\n"
	"	nop\n"
	"debug_code_store:\n"
	"	mov %rdi, (%rdi)\n"
	"debug_code_stored:\n"
	"	nop\n"
	"debug_code_end:\n"
	"	int3\n"
	"	ret\n");
void debug_code(uint64_t *word) __asm__("debug_code_start");

static void run_debug_code(UNUSED struct worker *worker)
{
	debug_code(&debug_word);
}

/* A worker that has stopped at its first breakpoint, and the observation of that. */
static bool stop_at_start(struct worker *worker, struct hel_observe_result *out_result)
{
	debug_word = 0;
	if (!worker_create(worker, run_debug_code, NULL)) {
		return false;
	}
	uint64_t context = observe(worker->thread, 0);

	return hel_thread_start(worker->thread) == 0 && await_observation(context, out_result) &&
		out_result->observation == HEL_OBSERVE_FAULT &&
		out_result->vector == TRAP_BREAKPOINT &&
		out_result->ip == (uint64_t)debug_code_nops;
}

/* Let it go on (@resume) until it stops again. */
static bool go_on(struct worker *worker, int (*resume)(hel_handle thread),
	struct hel_observe_result *in_out_result)
{
	uint64_t context = observe(worker->thread, in_out_result->sequence);

	return resume(worker->thread) == 0 && await_observation(context, in_out_result);
}

static int resume(hel_handle thread)
{
	return hel_thread_resume(thread);
}

static int step(hel_handle thread)
{
	return hel_thread_step(thread);
}

static bool finish(struct worker *worker, struct hel_observe_result *result)
{
	return go_on(worker, resume, result) && result->observation == HEL_OBSERVE_FAULT &&
		result->vector == TRAP_BREAKPOINT && result->ip == (uint64_t)debug_code_end + 1 &&
		hel_thread_resume(worker->thread) == 0 && worker_join(worker);
}

static int set_debug(const struct worker *worker, const struct hel_debug_registers *registers)
{
	return hel_thread_write_registers(
		worker->thread, HEL_REGISTERS_DEBUG, registers, sizeof(*registers));
}

static bool get_debug(const struct worker *worker, struct hel_debug_registers *out_registers)
{
	size_t size;

	return hel_thread_read_registers(worker->thread, HEL_REGISTERS_DEBUG, out_registers,
		       sizeof(*out_registers), &size) == 0 &&
		size == sizeof(*out_registers);
}

TEST(debug_int3_stops)
{
	struct worker worker;
	struct hel_observe_result result = {};

	CHECK(stop_at_start(&worker, &result));
	CHECK(finish(&worker, &result));
	CHECK_EQ(debug_word, (uint64_t)&debug_word);
}

TEST(debug_steps_one_instruction)
{
	struct worker worker;
	struct hel_observe_result result = {};

	CHECK(stop_at_start(&worker, &result));
	for (uint64_t i = 1; i <= 3; i++) {
		CHECK(go_on(&worker, step, &result));
		CHECK_EQ(result.observation, HEL_OBSERVE_FAULT);
		CHECK_EQ(result.vector, TRAP_DEBUG);
		CHECK_EQ(result.error_code & STATUS_STEP, STATUS_STEP);
		CHECK_EQ(result.ip, (uint64_t)debug_code_nops + i);
	}
	CHECK_EQ(debug_word, 0);
	CHECK(go_on(&worker, step, &result));
	CHECK_EQ(result.ip, (uint64_t)debug_code_stored);
	CHECK_EQ(debug_word, (uint64_t)&debug_word);

	/* It does not step on, nor see that it was stepped. */
	struct hel_registers registers;
	size_t size;

	CHECK_EQ(hel_thread_read_registers(worker.thread, HEL_REGISTERS_GENERAL, &registers,
			 sizeof(registers), &size),
		0);
	CHECK_EQ(registers.rflags & 0x100, 0);
	CHECK(finish(&worker, &result));
}

TEST(debug_watches_memory)
{
	struct worker worker;
	struct hel_observe_result result = {};
	struct hel_debug_registers registers = {
		.addresses = { (uint64_t)&debug_word },
		.control = ENABLE_0 | WRITE_8_0,
	};

	CHECK(stop_at_start(&worker, &result));
	CHECK_EQ(set_debug(&worker, &registers), 0);
	CHECK(go_on(&worker, resume, &result));
	CHECK_EQ(result.vector, TRAP_DEBUG);
	CHECK_EQ(result.error_code & 0xf, 1);
	CHECK_EQ(result.ip, (uint64_t)debug_code_stored);
	CHECK_EQ(debug_word, (uint64_t)&debug_word);
	CHECK(get_debug(&worker, &registers));
	CHECK_EQ(registers.status & 0xf, 1);
	CHECK_EQ(registers.control, ENABLE_0 | WRITE_8_0 | CONTROL_FIXED);
	CHECK_EQ(registers.addresses[0], (uint64_t)&debug_word);
	/* Other threads may write there. */
	debug_word = 5;
	CHECK(finish(&worker, &result));
}

static uint64_t debug_own_word;

static void watch_own_word(struct worker *worker)
{
	struct hel_debug_registers registers = {
		.addresses = { (uint64_t)&debug_own_word },
		.control = ENABLE_0 | WRITE_8_0,
	};
	struct hel_registers general = {};
	int error = hel_thread_write_registers(
		HEL_THIS, HEL_REGISTERS_DEBUG, &registers, sizeof(registers));

	/* from the very next instruction on */
	__asm__ volatile("movq $1, %0" : "=m"(debug_own_word));
	if (error == 0 &&
		hel_thread_write_registers(HEL_THIS, HEL_REGISTERS_GENERAL, &general,
			sizeof(general)) == -ERR_ILLEGAL_STATE) {
		atomic_store(&worker->counter, 1);
	}
}

TEST(debug_registers_of_the_caller)
{
	struct worker worker;
	struct hel_observe_result result = {};

	CHECK(worker_create(&worker, watch_own_word, NULL));
	uint64_t context = observe(worker.thread, 0);

	CHECK_EQ(hel_thread_start(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.observation, HEL_OBSERVE_FAULT);
	CHECK_EQ(result.vector, TRAP_DEBUG);
	CHECK_EQ(result.error_code & 0xf, 1);
	CHECK_EQ(hel_thread_resume(worker.thread), 0);
	CHECK(worker_join(&worker));
	CHECK_EQ(atomic_load(&worker.counter), 1);
}

TEST(debug_stops_before_an_instruction)
{
	struct worker worker;
	struct hel_observe_result result = {};
	struct hel_debug_registers registers = {
		.addresses = { (uint64_t)debug_code_store },
		.control = ENABLE_0 | EXECUTE_0,
	};

	CHECK(stop_at_start(&worker, &result));
	CHECK_EQ(set_debug(&worker, &registers), 0);
	CHECK(go_on(&worker, resume, &result));
	CHECK_EQ(result.vector, TRAP_DEBUG);
	CHECK_EQ(result.error_code & 0xf, 1);
	CHECK_EQ(result.ip, (uint64_t)debug_code_store);
	CHECK_EQ(debug_word, 0);
	/* And goes on from there, with the breakpoint still set. */
	CHECK(finish(&worker, &result));
	CHECK_EQ(debug_word, (uint64_t)&debug_word);
}

TEST(debug_registers_are_checked)
{
	const struct hel_debug_registers bad[] = {
		{ .addresses = { USER_HIGH } },
		{ .addresses = { 0xffff'8000'0000'0000 } },
		{ .addresses = { 0, 0, 0, ~(uint64_t)0 }, .control = ENABLE_0 },
		{ .addresses = { 4 }, .control = WRITE_8_0 },
		{ .control = 1u << 13 },           /* general detect */
		{ .control = 1u << 11 },           /* transactions */
		{ .control = UINT64_C(1) << 32 },
		{ .control = ENABLE_0 | 2u << 16 }, /* ports */
		{ .control = ENABLE_0 | 1u << 18 }, /* two bytes to execute */
		{ .status = 1u << 4 },
		{ .status = UINT64_C(1) << 32 },
	};
	struct worker worker;
	struct hel_observe_result result = {};
	struct hel_debug_registers registers = {};
	size_t size;

	CHECK(stop_at_start(&worker, &result));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(set_debug(&worker, &bad[i]), -ERR_ILLEGAL_ARGS);
	}
	CHECK(get_debug(&worker, &registers));
	CHECK_EQ(registers.control, CONTROL_FIXED);
	CHECK_EQ(hel_thread_write_registers(worker.thread, HEL_REGISTERS_DEBUG, &registers, 8),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(
		hel_thread_read_registers(worker.thread, HEL_REGISTERS_DEBUG, &registers, 8, &size),
		-ERR_BUFFER_TOO_SMALL);
	registers = (struct hel_debug_registers){
		.addresses = { USER_HIGH - 8, 1, 2, 3 },
		.control = 0xff | WRITE_8_0,
		.status = 0xe00f,
	};
	registers.control &= ~UINT64_C(0xff);
	CHECK_EQ(set_debug(&worker, &registers), 0);
	CHECK(finish(&worker, &result));
	CHECK_EQ(hel_thread_step(HEL_NULL), -ERR_BAD_HANDLE);
}

static void read_into_watched(UNUSED struct worker *worker)
{
	__asm__ volatile("int3");
	for (int i = 0; i < 100; i++) {
		(void)hel_random(&debug_word, sizeof(debug_word));
	}
}

/* What the kernel does with watched memory for the thread is not reported, and harms nobody. */
TEST(debug_ignores_the_kernels_accesses)
{
	struct worker worker;
	struct hel_observe_result result = {};
	const struct hel_debug_registers registers = {
		.addresses = { (uint64_t)&debug_word },
		.control = ENABLE_0 | ACCESS_8_0,
	};

	CHECK(worker_create(&worker, read_into_watched, NULL));
	uint64_t context = observe(worker.thread, 0);

	CHECK_EQ(hel_thread_start(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(result.vector, TRAP_BREAKPOINT);
	CHECK_EQ(set_debug(&worker, &registers), 0);
	CHECK_EQ(hel_thread_resume(worker.thread), 0);
	CHECK(worker_join(&worker));
}

static uint64_t debug_selector = 0x2b;

/* The match of `mov ss` comes with the first instruction of the kernel. */
static void enter_with_match(UNUSED struct worker *worker)
{
	__asm__ volatile("int3");
	for (int i = 0; i < 10; i++) {
		uint64_t number = HEL_CALL_nop;

		__asm__ volatile("movw %1, %%ss\n\t"
				 "syscall"
			: "+a"(number)
			: "m"(debug_selector)
			: "rcx", "rdx", "r11", "memory");
		__asm__ volatile("movw %0, %%ss\n\t"
				 "int3"
			:
			: "m"(debug_selector)
			: "memory");
	}
}

TEST(debug_match_on_the_way_into_the_kernel)
{
	struct worker worker;
	struct hel_observe_result result = {};
	const struct hel_debug_registers registers = {
		.addresses = { (uint64_t)&debug_selector },
		.control = ENABLE_0 | ACCESS_8_0,
	};

	CHECK(worker_create(&worker, enter_with_match, NULL));
	uint64_t context = observe(worker.thread, 0);

	CHECK_EQ(hel_thread_start(worker.thread), 0);
	CHECK(await_observation(context, &result));
	CHECK_EQ(set_debug(&worker, &registers), 0);
	/* However the processor does it: only these two, and nothing breaks. */
	while (result.observation != HEL_OBSERVE_TERMINATED) {
		CHECK(result.vector == TRAP_BREAKPOINT || result.vector == TRAP_DEBUG);
		CHECK(go_on(&worker, resume, &result));
	}
	CHECK(worker_join(&worker));
}

static void step_over_call(UNUSED struct worker *worker)
{
	__asm__ volatile("int3");
	(void)hel_nop();
	atomic_store(&worker->counter, 1);
}

/* Hundreds of steps, through calls, on whatever CPU. */
TEST(debug_steps_through_calls)
{
	struct worker worker;
	struct hel_observe_result result = {};

	CHECK(worker_create(&worker, step_over_call, NULL));
	uint64_t context = observe(worker.thread, 0);

	CHECK_EQ(hel_thread_start(worker.thread), 0);
	CHECK(await_observation(context, &result));
	for (unsigned i = 0; i < 1000 && atomic_load(&worker.counter) == 0; i++) {
		CHECK(go_on(&worker, step, &result));
		CHECK_EQ(result.vector, TRAP_DEBUG);
	}
	CHECK_EQ(atomic_load(&worker.counter), 1);
	CHECK_EQ(hel_thread_resume(worker.thread), 0);
	CHECK(worker_join(&worker));
}
