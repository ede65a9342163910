/* SPDX-License-Identifier: MIT */
/*
 * Signals at every instruction between a rewritten site and the shim. A program's text is
 * rewritten; for each instruction on the way a thread is made that was interrupted there, and what
 * the shim makes of it is compared with what the program would have without rewriting.
 */
#include "stub.h"

#include <base/testing.h>
#include <helix/memory.h>
#include <posix/server/rewrite/plan.h>
#include <posix/server/rewrite/test-program.h>
#include <protocols/posix/stub.h>

#include <asm/prctl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint8_t file[TEST_FILE_SIZE];
static uint8_t *text; /* where the program has it */
static struct posix_thread_page page;

/* ---- what the shim's own parts would do ------------------------------------------------------ */

/* The program's memory is its text. */
int shim_copy_bytes(void *to, const void *from, size_t size)
{
	const uint8_t *bytes = from;

	if (bytes < text || bytes + size > text + 4096) {
		return -LINUX_EFAULT;
	}
	memcpy(to, from, size);
	return 0;
}

void *helix_malloc(size_t size)
{
	return malloc(size == 0 ? 1 : size);
}

void *helix_calloc(size_t n, size_t size)
{
	return calloc(n, size);
}

void helix_free(void *block)
{
	free(block);
}

/* ---- the program ----------------------------------------------------------------------------- */

/* getpid(); then a call of any number, three times, so that different kinds of stubs are used */
static const char code[] = "\xb8\x27\x00\x00\x00\x0f\x05\xc3";
static const char other_code[] = "\x31\xc0\x0f\x05\xc3";

enum { FUNCTION_STRIDE = 32, N_FUNCTIONS = 6 };

static void rewrite(void)
{
	struct test_function functions[N_FUNCTIONS];
	uint8_t bytes[FUNCTION_STRIDE * N_FUNCTIONS];
	struct rewrite_plan plan;

	memset(bytes, 0x90, sizeof(bytes));
	for (uint32_t i = 0; i < N_FUNCTIONS; i++) {
		bool is_direct = i % 2 == 0;
		uint16_t size = (is_direct ? sizeof(code) : sizeof(other_code)) - 1;

		memcpy(bytes + i * FUNCTION_STRIDE, is_direct ? code : other_code, size);
		functions[i] = (struct test_function){ (uint16_t)(i * FUNCTION_STRIDE), size };
	}
	test_program(file, bytes, sizeof(bytes), functions, N_FUNCTIONS);
	CHECK_EQ(rewrite_plan_make(file, sizeof(file), &plan), 0);
	CHECK_EQ(plan.counts.n_direct, N_FUNCTIONS / 2);
	CHECK_EQ(plan.counts.n_spring, N_FUNCTIONS / 2);
	rewrite_plan_apply(&plan, file + TEST_TEXT_OFFSET, true);
	rewrite_plan_release(&plan);
	if (text == NULL) {
		/* below what is the shim's */
		text = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		CHECK(text != MAP_FAILED);
		CHECK_EQ(syscall(SYS_arch_prctl, ARCH_SET_GS, &page), 0);
		page.bounce.self = (uint64_t)&page;
	}
	memcpy(text, file + TEST_TEXT_OFFSET, 4096);
}

/* A thread that is about to execute the instruction at regs->rip. */
static void check_interrupted(
	const struct hel_registers *regs, uint64_t site, uint64_t call, uint64_t number)
{
	struct hel_registers changed = *regs;
	struct shim_stub stub;

	if (regs->rip == site) {
		CHECK(!shim_find_stub(regs, &stub));
		return;
	}
	CHECK(shim_find_stub(regs, &stub));
	CHECK_EQ(stub.return_address, call + 2);
	CHECK_EQ(stub.number, number);

	/* a kick: the call is made */
	shim_enter_stub(&changed, &stub);
	CHECK_EQ(changed.rax, number);
	CHECK_EQ(page.bounce.user_ip, call + 2);
	CHECK_EQ(page.bounce.user_sp, regs->rsp);
	CHECK_EQ(page.bounce.user_flags, regs->rflags);
	changed.rax = regs->rax;
	CHECK_EQ(memcmp(&changed, regs, sizeof(changed)), 0);

	/* a step: a system call that is still there has not been executed */
	if (site == call) {
		CHECK(!shim_leave_stub(&changed, &stub));
		CHECK_EQ(memcmp(&changed, regs, sizeof(changed)), 0);
	} else {
		CHECK(shim_leave_stub(&changed, &stub));
		CHECK_EQ(changed.rip, call);
		CHECK_EQ(changed.rax, number);
	}
}

/* Executes what leads from a site to the shim; returns how many instructions that are. */
static unsigned walk(uint64_t site, uint64_t call, uint64_t number)
{
	struct hel_registers regs = {
		.rip = site,
		.rax = site == call ? number : 0xffffffffffff,
		.rcx = 0x1234,
		.rdi = 1,
		.rsi = 2,
		.rbx = 3,
		.rsp = 0x7000,
		.rflags = 0x246,
	};
	struct posix_stub stub = { .ip = site };
	unsigned n = 0;

	for (;; n++) {
		check_interrupted(&regs, site, call, number);
		CHECK(n < POSIX_STUB_STEPS_MAX);
		CHECK(posix_stub_step(&stub, (const uint8_t *)stub.ip));
		if (stub.has_left) {
			return n + 1;
		}
		regs.rip = stub.ip;
		regs.rax = stub.has_number ? stub.number : regs.rax;
		regs.rcx = stub.has_return_address ? stub.return_address : regs.rcx;
	}
}

TEST(signals_at_every_instruction_of_a_site)
{
	rewrite();
	for (uint32_t i = 0; i < N_FUNCTIONS; i++) {
		uint64_t start = (uint64_t)text + i * FUNCTION_STRIDE;
		unsigned n =
			i % 2 == 0 ? walk(start, start + 5, 39) : walk(start + 2, start + 2, 0);

		CHECK(n >= 4);
	}
}

TEST(jumps_to_a_site_are_not_in_a_stub_of_another)
{
	/* The `syscall` of a direct one, and what is behind, are the program's. */
	struct hel_registers regs = { .rip = (uint64_t)text + 5, .rax = 110, .rcx = 7 };
	struct shim_stub stub;

	rewrite();
	CHECK(!shim_find_stub(&regs, &stub));
	regs.rip += 2;
	CHECK(!shim_find_stub(&regs, &stub));
}

TEST(programs_that_lead_astray_are_not_followed)
{
	struct hel_registers regs = { .rip = (uint64_t)text };
	struct shim_stub stub;

	rewrite();
	memcpy(text, "\xeb\xfe", 2); /* to itself */
	CHECK(!shim_find_stub(&regs, &stub));
	memcpy(text, "\xe9\x00\x00\x00\x70", 5); /* to nowhere */
	CHECK(!shim_find_stub(&regs, &stub));
	memcpy(text, "\x65\xff\x24\x25\x00\x00\x00\x00", 8); /* through another slot */
	CHECK(!shim_find_stub(&regs, &stub));
	regs.rip = (uint64_t)text + 4094;
	memcpy(text + 4094, "\xb8\x01", 2); /* an instruction whose end is not mapped */
	CHECK(!shim_find_stub(&regs, &stub));
	/* back to the shim's own text */
	memcpy(text, "\x65\xff\x24\x25\x30\x01\x00\x00", 8);
	regs.rip = (uint64_t)text;
	regs.rcx = POSIX_SHIM_IMAGE;
	CHECK(!shim_find_stub(&regs, &stub));
}

TEST_MAIN()
