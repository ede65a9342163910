/* SPDX-License-Identifier: MIT */
/* Classic BPF: what is refused, what programs do, and programs of chance. */
#include <base/testing.h>
#include <posix/server/seccomp/program.h>
#include <posix/server/tests/fakes.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STMT(code_, k_)          ((struct linux_bpf){ (code_), 0, 0, (k_) })
#define JUMP(code_, k_, yes, no) ((struct linux_bpf){ (code_), (yes), (no), (k_) })
#define RUN(...)                 run((struct linux_bpf[]){ __VA_ARGS__ })
#define IS_TAKEN(...) \
	bpf_check((struct linux_bpf[]){ __VA_ARGS__ }, \
		sizeof((struct linux_bpf[]){ __VA_ARGS__ }) / sizeof(struct linux_bpf))

/* Codes, as <linux/bpf_common.h> and <linux/filter.h> make them up. */
enum {
	LD_IMM = 0x00,
	LDX_IMM = 0x01,
	ST = 0x02,
	STX = 0x03,
	LD_ABS = 0x20,
	LD_MEM = 0x60,
	LDX_MEM = 0x61,
	LD_LEN = 0x80,
	LDX_LEN = 0x81,
	RET_K = 0x06,
	RET_A = 0x16,
	TAX = 0x07,
	TXA = 0x87,
	JA = 0x05,
	JEQ = 0x15,
	JEQ_X = 0x1d,
	JGT = 0x25,
	JGE = 0x35,
	JSET = 0x45,
	ADD = 0x04,
	SUB = 0x14,
	MUL = 0x24,
	DIV = 0x34,
	DIV_X = 0x3c,
	OR = 0x44,
	AND = 0x54,
	LSH = 0x64,
	LSH_X = 0x6c,
	RSH = 0x74,
	NEG = 0x84,
	MOD = 0x94,
	XOR = 0xa4,
	XOR_X = 0xac,
};

constexpr uint32_t ARCH = 0xc000003e, ALLOW = LINUX_SECCOMP_RET_ALLOW;

static const struct linux_seccomp_data call = {
	.number = 39,
	.arch = ARCH,
	.instruction_pointer = 0x1122334455667788,
	.arguments = { 0xa0000000b, 1, 2, 3, 4, 0x500000006 },
};

static uint32_t run(const struct linux_bpf *program)
{
	return bpf_run(program, &call);
}

TEST(programs_have_a_size)
{
	static struct linux_bpf program[LINUX_BPF_INSTRUCTIONS_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(program); i++) {
		program[i] = STMT(RET_K, 7);
	}
	CHECK(!bpf_check(program, 0));
	CHECK(bpf_check(program, 1));
	CHECK(bpf_check(program, LINUX_BPF_INSTRUCTIONS_MAX));
	CHECK(!bpf_check(program, LINUX_BPF_INSTRUCTIONS_MAX + 1));
}

TEST(programs_end_with_a_return)
{
	CHECK(!IS_TAKEN(STMT(LD_IMM, 0)));
	CHECK(!IS_TAKEN(STMT(RET_K, 0), STMT(TAX, 0)));
	CHECK(IS_TAKEN(STMT(RET_A, 0)));
}

TEST(loads_are_whole_words_of_the_call)
{
	CHECK(IS_TAKEN(STMT(LD_ABS, 0), STMT(RET_A, 0)));
	CHECK(IS_TAKEN(STMT(LD_ABS, 60), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(LD_ABS, 64), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(LD_ABS, 2), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(LD_ABS, 0xfffff000), STMT(RET_A, 0)));
	/* half words, bytes, indirect loads, the length of a header */
	CHECK(!IS_TAKEN(STMT(0x28, 0), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(0x30, 0), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(0x40, 0), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(0xb1, 0), STMT(RET_A, 0)));
}

TEST(unknown_instructions_are_refused)
{
	CHECK(!IS_TAKEN(STMT(MOD, 3), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(0x9c, 0), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(0x8c, 0), STMT(RET_A, 0))); /* NEG with X */
	CHECK(!IS_TAKEN(STMT(0x0d, 0), STMT(RET_A, 0))); /* JA with X */
	CHECK(!IS_TAKEN(STMT(0x0e, 0)));                 /* RET X */
	CHECK(!IS_TAKEN(STMT(0x55, 0), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(0x17, 0), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(0x12, 0), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(0x104, 0), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(0xffff, 0), STMT(RET_A, 0)));
}

TEST(constants_that_cannot_be_are_refused)
{
	CHECK(!IS_TAKEN(STMT(DIV, 0), STMT(RET_A, 0)));
	CHECK(IS_TAKEN(STMT(DIV_X, 0), STMT(RET_A, 0)));
	CHECK(IS_TAKEN(STMT(LSH, 31), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(LSH, 32), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(RSH, 32), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(ST, 16), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(STX, UINT32_MAX), STMT(RET_A, 0)));
}

TEST(jumps_stay_inside)
{
	CHECK(IS_TAKEN(STMT(JA, 0), STMT(RET_K, 0)));
	CHECK(!IS_TAKEN(STMT(JA, 1), STMT(RET_K, 0)));
	CHECK(!IS_TAKEN(STMT(JA, UINT32_MAX), STMT(RET_K, 0)));
	CHECK(IS_TAKEN(JUMP(JEQ, 0, 1, 0), STMT(RET_K, 0), STMT(RET_K, 1)));
	CHECK(!IS_TAKEN(JUMP(JEQ, 0, 2, 0), STMT(RET_K, 0), STMT(RET_K, 1)));
	CHECK(!IS_TAKEN(JUMP(JSET, 0, 0, 2), STMT(RET_K, 0), STMT(RET_K, 1)));
}

TEST(words_are_written_before_they_are_read)
{
	CHECK(!IS_TAKEN(STMT(LD_MEM, 3), STMT(RET_A, 0)));
	CHECK(IS_TAKEN(STMT(ST, 3), STMT(LD_MEM, 3), STMT(RET_A, 0)));
	CHECK(!IS_TAKEN(STMT(ST, 3), STMT(LDX_MEM, 4), STMT(RET_A, 0)));
	/* on one way only */
	CHECK(!IS_TAKEN(JUMP(JEQ, 0, 0, 1), STMT(ST, 3), STMT(LD_MEM, 3), STMT(RET_A, 0)));
	/* on both */
	CHECK(IS_TAKEN(JUMP(JEQ, 0, 0, 2), STMT(ST, 3), STMT(JA, 1), STMT(STX, 3), STMT(LD_MEM, 3),
		STMT(RET_A, 0)));
	/* nobody comes to what is behind a jump */
	CHECK(IS_TAKEN(STMT(JA, 1), STMT(LD_MEM, 3), STMT(RET_A, 0)));
	/* as in Linux, what is behind a return counts as reached */
	CHECK(!IS_TAKEN(STMT(RET_K, 0), STMT(LD_MEM, 3), STMT(RET_A, 0)));
}

TEST(loads)
{
	CHECK_EQ(RUN(STMT(LD_ABS, 0), STMT(RET_A, 0)), 39);
	CHECK_EQ(RUN(STMT(LD_ABS, 4), STMT(RET_A, 0)), ARCH);
	CHECK_EQ(RUN(STMT(LD_ABS, 8), STMT(RET_A, 0)), 0x55667788);
	CHECK_EQ(RUN(STMT(LD_ABS, 16), STMT(RET_A, 0)), 0xb);
	CHECK_EQ(RUN(STMT(LD_ABS, 20), STMT(RET_A, 0)), 0xa);
	CHECK_EQ(RUN(STMT(LD_ABS, 60), STMT(RET_A, 0)), 5);
	CHECK_EQ(RUN(STMT(LD_LEN, 0), STMT(RET_A, 0)), 64);
	CHECK_EQ(RUN(STMT(LDX_LEN, 0), STMT(TXA, 0), STMT(RET_A, 0)), 64);
	CHECK_EQ(RUN(STMT(RET_A, 0)), 0);
	CHECK_EQ(RUN(STMT(TXA, 0), STMT(RET_A, 0)), 0);
	CHECK_EQ(RUN(STMT(LD_IMM, 9), STMT(ST, 15), STMT(LD_IMM, 1), STMT(LDX_MEM, 15),
			 STMT(TXA, 0), STMT(RET_A, 0)),
		9);
}

TEST(arithmetic)
{
	CHECK_EQ(RUN(STMT(LD_IMM, 7), STMT(ADD, UINT32_MAX), STMT(RET_A, 0)), 6);
	CHECK_EQ(RUN(STMT(LD_IMM, 7), STMT(SUB, 8), STMT(RET_A, 0)), UINT32_MAX);
	CHECK_EQ(RUN(STMT(LD_IMM, 7), STMT(MUL, 6), STMT(RET_A, 0)), 42);
	CHECK_EQ(RUN(STMT(LD_IMM, 7), STMT(DIV, 2), STMT(RET_A, 0)), 3);
	CHECK_EQ(RUN(STMT(LD_IMM, 5), STMT(OR, 10), STMT(AND, 12), STMT(RET_A, 0)), 12);
	CHECK_EQ(RUN(STMT(LD_IMM, 5), STMT(XOR, 1), STMT(LSH, 31), STMT(RET_A, 0)), 0);
	CHECK_EQ(RUN(STMT(LD_IMM, UINT32_MAX), STMT(RSH, 31), STMT(RET_A, 0)), 1);
	CHECK_EQ(RUN(STMT(LD_IMM, 5), STMT(NEG, 0), STMT(RET_A, 0)), UINT32_MAX - 4);
	/* shifts by X take its low bits, a division by zero ends the program */
	CHECK_EQ(RUN(STMT(LDX_IMM, 33), STMT(LD_IMM, 1), STMT(LSH_X, 0), STMT(RET_A, 0)), 2);
	CHECK_EQ(RUN(STMT(LDX_IMM, 6), STMT(LD_IMM, 5), STMT(XOR_X, 0), STMT(RET_A, 0)), 3);
	CHECK_EQ(RUN(STMT(LD_IMM, 5), STMT(DIV_X, 0), STMT(RET_K, 9)), 0);
}

TEST(jumps)
{
	CHECK_EQ(RUN(STMT(LD_IMM, 5), JUMP(JEQ, 5, 0, 1), STMT(RET_K, 1), STMT(RET_K, 2)), 1);
	CHECK_EQ(RUN(STMT(LD_IMM, 5), JUMP(JGT, 5, 0, 1), STMT(RET_K, 1), STMT(RET_K, 2)), 2);
	CHECK_EQ(RUN(STMT(LD_IMM, 5), JUMP(JGE, 5, 0, 1), STMT(RET_K, 1), STMT(RET_K, 2)), 1);
	CHECK_EQ(RUN(STMT(LD_IMM, 5), JUMP(JSET, 10, 0, 1), STMT(RET_K, 1), STMT(RET_K, 2)), 2);
	CHECK_EQ(
		RUN(STMT(LD_IMM, 1u << 31), JUMP(JGT, 1, 0, 1), STMT(RET_K, 1), STMT(RET_K, 2)), 1);
	CHECK_EQ(RUN(STMT(LDX_IMM, 5), STMT(LD_IMM, 5), JUMP(JEQ_X, 0, 0, 1), STMT(RET_K, 1),
			 STMT(RET_K, 2)),
		1);
	CHECK_EQ(RUN(STMT(JA, 1), STMT(RET_K, 1), STMT(RET_K, 2)), 2);
}

TEST(what_is_always_allowed)
{
	const struct linux_bpf by_number[] = { STMT(LD_ABS, 4), JUMP(JEQ, ARCH, 1, 0),
		STMT(RET_K, 0), STMT(LD_ABS, 0), JUMP(JEQ, 39, 2, 0), JUMP(JEQ, 41, 0, 2),
		STMT(LD_ABS, 16), STMT(RET_K, ALLOW), STMT(RET_K, 0x50001) };

	CHECK(bpf_check(by_number, ARRAY_SIZE(by_number)));
	CHECK(bpf_always_allows(by_number, 39, ARCH));
	CHECK(!bpf_always_allows(by_number, 39, ARCH + 1));
	CHECK(!bpf_always_allows(by_number, 40, ARCH));
	CHECK(!bpf_always_allows(by_number, 41, ARCH)); /* it looks at an argument */
	CHECK(bpf_always_allows(&(struct linux_bpf){ RET_K, 0, 0, ALLOW | 5 }, 1, ARCH));
	CHECK(!bpf_always_allows(
		&(struct linux_bpf){ RET_K, 0, 0, LINUX_SECCOMP_RET_LOG }, 1, ARCH));
}

/* ---- chance ---------------------------------------------------------------------------------- */

static uint32_t random_code(void)
{
	static const uint16_t codes[] = { LD_IMM, LDX_IMM, ST, STX, LD_ABS, LD_MEM, LDX_MEM, LD_LEN,
		RET_K, RET_A, TAX, TXA, JA, JEQ, JEQ_X, JGT, JGE, JSET, ADD, DIV, DIV_X, AND, LSH_X,
		NEG, XOR };

	return codes[(uint32_t)random() % ARRAY_SIZE(codes)];
}

/* What is always allowed is allowed; and what passes the check runs to its end. */
TEST(programs_of_chance_keep_the_promises)
{
	uint32_t n_taken = 0, n_always = 0;
	unsigned seed = 20;

	printf("# seed %u\n", seed);
	srandom(seed);
	for (unsigned round = 0; round < 200000; round++) {
		struct linux_bpf program[12];
		uint32_t n = 1 + (uint32_t)random() % ARRAY_SIZE(program);

		for (uint32_t i = 0; i < n; i++) {
			bool is_last = i + 1 == n;

			program[i] = (struct linux_bpf){
				.code = (uint16_t)(is_last ? RET_K : random_code()),
				.jump_true = (uint8_t)((uint32_t)random() % (n - i)),
				.jump_false = (uint8_t)((uint32_t)random() % (n - i)),
				.k = random() % 4 == 0 ? ALLOW : (uint32_t)random() % 16 * 4,
			};
		}
		if (!bpf_check(program, n)) {
			continue;
		}
		n_taken++;
		uint32_t said = bpf_run(program, &call);

		if (bpf_always_allows(program, 39, ARCH)) {
			n_always++;
			CHECK_EQ(said & LINUX_SECCOMP_RET_ACTION, ALLOW);
		}
	}
	CHECK(n_taken > 1000);
	CHECK(n_always > 100);
}

TEST_MAIN()
