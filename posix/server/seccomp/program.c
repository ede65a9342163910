/* SPDX-License-Identifier: MIT */
/* The checker and the interpreter of seccomp's classic BPF. */
#include <base/string.h>
#include <posix/server/seccomp/program.h>

/* An instruction is its class, and what that is done with. */
enum bpf_code : uint16_t {
	BPF_CLASS = 7,
	BPF_LD = 0,
	BPF_LDX = 1,
	BPF_ST = 2,
	BPF_STX = 3,
	BPF_ALU = 4,
	BPF_JMP = 5,
	BPF_RET = 6,
	BPF_MISC = 7,

	BPF_SOURCE_X = 8, /* ALU and JMP: the second operand is X, else k */

	BPF_IMM = 0x00, /* LD, LDX: what is loaded */
	BPF_ABS = 0x20,
	BPF_MEM = 0x60,
	BPF_LEN = 0x80,

	BPF_OPERATION = 0xf0,
	BPF_ADD = 0x00,
	BPF_SUB = 0x10,
	BPF_MUL = 0x20,
	BPF_DIV = 0x30,
	BPF_OR = 0x40,
	BPF_AND = 0x50,
	BPF_LSH = 0x60,
	BPF_RSH = 0x70,
	BPF_NEG = 0x80,
	BPF_XOR = 0xa0,

	BPF_JA = 0x00,
	BPF_JEQ = 0x10,
	BPF_JGT = 0x20,
	BPF_JGE = 0x30,
	BPF_JSET = 0x40,

	BPF_RET_K = BPF_RET,
	BPF_RET_A = BPF_RET | 0x10,
	BPF_TAX = BPF_MISC | 0x00,
	BPF_TXA = BPF_MISC | 0x80,
};

constexpr uint16_t ALL_WORDS = UINT16_MAX;
static_assert(LINUX_BPF_WORDS == 16);

/* ---- the check ------------------------------------------------------------------------------- */

static bool is_load_valid(const struct linux_bpf *at)
{
	switch (at->code) {
	case BPF_LD | BPF_ABS:
		return at->k < sizeof(struct linux_seccomp_data) && at->k % sizeof(uint32_t) == 0;
	case BPF_LD | BPF_IMM:
	case BPF_LD | BPF_LEN:
	case BPF_LDX | BPF_IMM:
	case BPF_LDX | BPF_LEN: return true;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM: return at->k < LINUX_BPF_WORDS;
	default: return false;
	}
}

static bool is_arithmetic_valid(const struct linux_bpf *at)
{
	bool is_constant = (at->code & BPF_SOURCE_X) == 0;

	if ((at->code & ~(BPF_CLASS | BPF_SOURCE_X | BPF_OPERATION)) != 0) {
		return false;
	}
	switch (at->code & BPF_OPERATION) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_OR:
	case BPF_AND:
	case BPF_XOR: return true;
	case BPF_DIV: return !is_constant || at->k != 0;
	case BPF_LSH:
	case BPF_RSH: return !is_constant || at->k < 32;
	case BPF_NEG: return is_constant;
	default: return false;
	}
}

/* @n_behind: how many instructions follow */
static bool is_jump_valid(const struct linux_bpf *at, uint32_t n_behind)
{
	switch (at->code & ~BPF_SOURCE_X) {
	case BPF_JMP | BPF_JA: return (at->code & BPF_SOURCE_X) == 0 && at->k < n_behind;
	case BPF_JMP | BPF_JEQ:
	case BPF_JMP | BPF_JGT:
	case BPF_JMP | BPF_JGE:
	case BPF_JMP | BPF_JSET: return at->jump_true < n_behind && at->jump_false < n_behind;
	default: return false;
	}
}

static bool is_valid(const struct linux_bpf *at, uint32_t n_behind)
{
	switch (at->code & BPF_CLASS) {
	case BPF_LD:
	case BPF_LDX: return is_load_valid(at);
	case BPF_ST:
	case BPF_STX: return (at->code & ~BPF_CLASS) == 0 && at->k < LINUX_BPF_WORDS;
	case BPF_ALU: return is_arithmetic_valid(at);
	case BPF_JMP: return is_jump_valid(at, n_behind);
	case BPF_RET: return at->code == BPF_RET_K || at->code == BPF_RET_A;
	default: return at->code == BPF_TAX || at->code == BPF_TXA;
	}
}

/*
 * What of the scratch memory is written on every way to an instruction: `words`, and for those that
 * jumps lead to what is in `at_targets`. An instruction behind a return inherits what was written
 * before that, as in Linux.
 */
struct written {
	uint16_t words;
	uint16_t at_targets[LINUX_BPF_INSTRUCTIONS_MAX];
};

static bool note_written(struct written *written, const struct linux_bpf *at, uint32_t i)
{
	switch (at->code & BPF_CLASS) {
	case BPF_ST:
	case BPF_STX: written->words |= (uint16_t)(1u << at->k); return true;
	case BPF_LD:
	case BPF_LDX:
		return (at->code & ~BPF_CLASS) != BPF_MEM || (written->words >> at->k & 1) != 0;
	case BPF_JMP:
		if ((at->code & BPF_OPERATION) == BPF_JA) {
			written->at_targets[i + 1 + at->k] &= written->words;
		} else {
			written->at_targets[i + 1 + at->jump_true] &= written->words;
			written->at_targets[i + 1 + at->jump_false] &= written->words;
		}
		written->words = ALL_WORDS;
		return true;
	default: return true;
	}
}

static bool reads_only_what_it_wrote(const struct linux_bpf *program, uint32_t n)
{
	struct written written = { 0 };

	memset(written.at_targets, 0xff, n * sizeof(written.at_targets[0]));
	for (uint32_t i = 0; i < n; i++) {
		written.words &= written.at_targets[i];
		if (!note_written(&written, &program[i], i)) {
			return false;
		}
	}
	return true;
}

bool bpf_check(const struct linux_bpf *program, uint32_t n)
{
	if (n == 0 || n > LINUX_BPF_INSTRUCTIONS_MAX) {
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!is_valid(&program[i], n - i - 1)) {
			return false;
		}
	}
	return (program[n - 1].code & BPF_CLASS) == BPF_RET && reads_only_what_it_wrote(program, n);
}

/* ---- running --------------------------------------------------------------------------------- */

struct machine {
	uint32_t a, x;
	uint32_t words[LINUX_BPF_WORDS];
};

static uint32_t load_absolute(const struct linux_seccomp_data *data, uint32_t offset)
{
	uint32_t value;

	memcpy(&value, (const uint8_t *)data + offset, sizeof(value));
	return value;
}

static uint32_t load(const struct machine *machine, const struct linux_bpf *at,
	const struct linux_seccomp_data *data)
{
	switch (at->code & ~BPF_CLASS) {
	case BPF_ABS: return load_absolute(data, at->k);
	case BPF_MEM: return machine->words[at->k];
	case BPF_LEN: return sizeof(*data);
	default: return at->k;
	}
}

/* What a division must not have is zero: the caller has seen to that. */
static uint32_t calculate(uint16_t operation, uint32_t a, uint32_t b)
{
	switch (operation) {
	case BPF_ADD: return a + b;
	case BPF_SUB: return a - b;
	case BPF_MUL: return a * b;
	case BPF_DIV: return a / b;
	case BPF_OR: return a | b;
	case BPF_AND: return a & b;
	case BPF_LSH: return a << (b & 31);
	case BPF_RSH: return a >> (b & 31);
	case BPF_XOR: return a ^ b;
	default: return -a;
	}
}

static uint32_t jump_size(const struct linux_bpf *at, uint32_t a, uint32_t b)
{
	bool is_true;

	switch (at->code & BPF_OPERATION) {
	case BPF_JA: return at->k;
	case BPF_JEQ: is_true = a == b; break;
	case BPF_JGT: is_true = a > b; break;
	case BPF_JGE: is_true = a >= b; break;
	default: is_true = (a & b) != 0; break;
	}
	return is_true ? at->jump_true : at->jump_false;
}

uint32_t bpf_run(const struct linux_bpf *program, const struct linux_seccomp_data *data)
{
	struct machine machine = { 0 };

	for (const struct linux_bpf *at = program;; at++) {
		uint32_t operand = (at->code & BPF_SOURCE_X) != 0 ? machine.x : at->k;

		switch (at->code & BPF_CLASS) {
		case BPF_LD: machine.a = load(&machine, at, data); break;
		case BPF_LDX: machine.x = load(&machine, at, data); break;
		case BPF_ST: machine.words[at->k] = machine.a; break;
		case BPF_STX: machine.words[at->k] = machine.x; break;
		case BPF_ALU:
			if ((at->code & BPF_OPERATION) == BPF_DIV && operand == 0) {
				return LINUX_SECCOMP_RET_KILL_THREAD;
			}
			machine.a = calculate(at->code & BPF_OPERATION, machine.a, operand);
			break;
		case BPF_JMP: at += jump_size(at, machine.a, operand); break;
		case BPF_RET: return at->code == BPF_RET_A ? machine.a : at->k;
		default:
			if (at->code == BPF_TAX) {
				machine.x = machine.a;
			} else {
				machine.a = machine.x;
			}
			break;
		}
	}
}

/* ---- what depends on the number alone -------------------------------------------------------- */

bool bpf_always_allows(const struct linux_bpf *program, uint32_t number, uint32_t arch)
{
	uint32_t a = 0;

	for (const struct linux_bpf *at = program;; at++) {
		switch (at->code) {
		case BPF_LD | BPF_ABS:
			if (at->k == offsetof(struct linux_seccomp_data, number)) {
				a = number;
			} else if (at->k == offsetof(struct linux_seccomp_data, arch)) {
				a = arch;
			} else {
				return false;
			}
			break;
		case BPF_ALU | BPF_AND: a &= at->k; break;
		case BPF_JMP | BPF_JA:
		case BPF_JMP | BPF_JEQ:
		case BPF_JMP | BPF_JGT:
		case BPF_JMP | BPF_JGE:
		case BPF_JMP | BPF_JSET: at += jump_size(at, a, at->k); break;
		case BPF_RET_K:
			return (at->k & LINUX_SECCOMP_RET_ACTION) == LINUX_SECCOMP_RET_ALLOW;
		default: return false;
		}
	}
}
