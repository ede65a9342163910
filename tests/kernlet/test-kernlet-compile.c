/* SPDX-License-Identifier: MIT */
/*
 * The compiler of kernlets on the host: what it refuses and how it says so; and that its native
 * code does what an interpreter of eBPF in this file does, and is what the kernel's check takes.
 */
#include <abi/hel/errors.h>
#include <base/random.h>
#include <base/testing.h>
#include <kernlet/kernlet.h>
#include <thor/kernlet/check.h>
#include <thor/kernlet/context.h>

#include <sys/mman.h>

static const uint8_t edu_elf[] = {
#embed "edu.kernlet"
};

constexpr uint32_t RANDOM_PROGRAMS = 3000;
constexpr uint64_t CLOCK = 0x1122334455667788;
constexpr uint64_t PARAMETER = 0xfedcba9876543210;

static struct kernlet_workspace workspace;
static uint8_t container[KERNLET_CONTAINER_MAX];
static size_t container_size;
static char message[KERNLET_MESSAGE_MAX];

/* ---- the machine that the code runs on */

#define WINDOW_SIZE 128

static uint8_t *code_pages;
static _Alignas(8) uint8_t windows[HEL_KERNLET_BINDINGS_MAX][WINDOW_SIZE];
static uint64_t raised_bits, raised_binding;

uint64_t kernlet_help_clock_ns(UNUSED struct kernlet_context *context)
{
	return CLOCK;
}

uint64_t kernlet_help_event_raise(
	UNUSED struct kernlet_context *context, uint64_t index, uint64_t bits)
{
	raised_binding = index;
	raised_bits = bits;
	return 0;
}

uint64_t kernlet_help_port_read(UNUSED struct kernlet_context *context, uint64_t index,
	uint64_t offset, uint64_t width_bytes)
{
	return index << 16 | offset << 8 | width_bytes;
}

uint64_t kernlet_help_port_write(UNUSED struct kernlet_context *context, uint64_t index,
	uint64_t offset, uint64_t width_bytes, uint64_t value)
{
	raised_binding = index;
	raised_bits = offset << 40 | width_bytes << 32 | value;
	return 0;
}

/* Let the kernel's check look at the container, and run what is in it. */
static uint64_t run_container(uint64_t sequence)
{
	struct kernlet_context context = {};
	struct kernlet_image image;
	uint32_t offset = 0;

	CHECK_EQ(kernlet_parse(container, container_size, &image), 0);
	int error = kernlet_check(&image, &offset);

	CHECK_EQ(error == 0 ? -1 : (int)offset, -1);
	if (code_pages == NULL) {
		code_pages = mmap(NULL, HEL_KERNLET_CODE_MAX, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(code_pages != MAP_FAILED);
	}
	CHECK_EQ(mprotect(code_pages, HEL_KERNLET_CODE_MAX, PROT_READ | PROT_WRITE), 0);
	memcpy(code_pages, image.code, image.header.code_size);
	CHECK_EQ(mprotect(code_pages, HEL_KERNLET_CODE_MAX, PROT_READ | PROT_EXEC), 0);
	for (uint32_t i = 0; i < image.header.n_bindings; i++) {
		context.bindings[i] = image.slots[i].kind == HEL_KERNLET_PARAMETER
			? PARAMETER
			: (uint64_t)windows[i];
	}
	context.helpers[HEL_KERNLET_CLOCK_NS] = arch__kernlet_clock_ns;
	context.helpers[HEL_KERNLET_EVENT_RAISE] = arch__kernlet_event_raise;
	context.helpers[HEL_KERNLET_PORT_READ] = arch__kernlet_port_read;
	context.helpers[HEL_KERNLET_PORT_WRITE] = arch__kernlet_port_write;
	context.code = (uint64_t)code_pages;
	return arch__kernlet_enter(&context, sequence, image.header.frame_size);
}

/* ---- programs without a file */

/* Bindings: 0 a window, 1 one to read, 2 an event, 3 a parameter, 4 ports. */
static const struct hel_kernlet_slot test_slots[] = {
	{ HEL_KERNLET_WINDOW, HEL_RIGHT_READ | HEL_RIGHT_WRITE, WINDOW_SIZE, 0 },
	{ HEL_KERNLET_WINDOW, HEL_RIGHT_READ, WINDOW_SIZE, 0 },
	{ HEL_KERNLET_EVENT, 0, 0, 0 },
	{ HEL_KERNLET_PARAMETER, 0, 0, 0 },
	{ HEL_KERNLET_PORTS, HEL_RIGHT_READ | HEL_RIGHT_WRITE, 8, 0 },
};

#define INSN(opcode_, to_, from_, offset_, immediate_) \
	{ (opcode_), (uint8_t)((from_) << 4 | (to_)), (int16_t)(offset_), (int32_t)(immediate_) }
#define MOV_IMM(to, n)          INSN(0xb7, to, 0, 0, n)
#define MOV(to, from)           INSN(0xbf, to, from, 0, 0)
#define ADD(to, from)           INSN(0x0f, to, from, 0, 0)
#define ADD_IMM(to, n)          INSN(0x07, to, 0, 0, n)
#define EXIT                    INSN(0x95, 0, 0, 0, 0)
#define CALL(n)                 INSN(0x85, 0, 0, 0, n)
#define GOTO(distance)          INSN(0x05, 0, 0, distance, 0)
#define IF_ZERO(r, distance)    INSN(0x15, r, 0, distance, 0)
#define LOAD32(to, base, at)    INSN(0x61, to, base, at, 0)
#define LOAD64(to, base, at)    INSN(0x79, to, base, at, 0)
#define STORE64(base, at, from) INSN(0x7b, base, from, at, 0)
/* Not an opcode of eBPF's: program_set() makes a relocated constant of it. */
#define ADDRESS(to, binding)    INSN(0x18, to, 15, 0, binding), INSN(0, 0, 0, 0, 0)

static void program_set(const struct bpf_instruction *code, uint32_t n_instructions)
{
	struct kernlet_program *program = &workspace.program;

	*program = (struct kernlet_program){ .message = message };
	program->n_instructions = n_instructions;
	program->n_bindings = ARRAY_SIZE(test_slots);
	memcpy(program->slots, test_slots, sizeof(test_slots));
	for (uint32_t i = 0; i < program->n_bindings; i++) {
		snprintf(program->names[i], KERNLET_NAME_MAX, "binding%u", i);
	}
	for (uint32_t i = 0; i < n_instructions; i++) {
		program->code[i] = code[i];
		if (code[i].opcode == BPF_LDDW && bpf_source(&code[i]) == 15) {
			program->code[i].registers &= 15;
			program->code[i].immediate = 0;
			program->bindings_loaded[i] = (uint8_t)(code[i].immediate + 1);
		}
	}
}

static int program_compile(void)
{
	struct kernlet_program *program = &workspace.program;
	size_t code_offset = sizeof(struct hel_kernlet_header) + sizeof(test_slots);
	uint32_t size;

	message[0] = '\0';
	int error = kernlet_verify(program, &workspace.states);

	if (error == 0) {
		error = kernlet_emit(
			program, workspace.native_offsets, container + code_offset, &size);
	}
	if (error != 0) {
		return error;
	}
	const struct hel_kernlet_header header = {
		.magic = HEL_KERNLET_MAGIC,
		.version = HEL_KERNLET_VERSION,
		.arch = HEL_KERNLET_X86_64,
		.code_size = size,
		.frame_size = program->frame_size,
		.n_bindings = program->n_bindings,
	};

	memcpy(container, &header, sizeof(header));
	memcpy(container + sizeof(header), test_slots, sizeof(test_slots));
	container_size = code_offset + size;
	return 0;
}

#define REFUSES(text_, ...) \
	do { \
		static const struct bpf_instruction code_[] = { __VA_ARGS__ }; \
		program_set(code_, ARRAY_SIZE(code_)); \
		CHECK_EQ(program_compile(), -ERR_ILLEGAL_ARGS); \
		if (strstr(message, (text_)) == NULL) { \
			test_fail(__FILE__, __LINE__, "\"%s\"", message); \
		} \
	} while (0)

#define RETURNS(value_, ...) \
	do { \
		static const struct bpf_instruction code_[] = { __VA_ARGS__ }; \
		program_set(code_, ARRAY_SIZE(code_)); \
		if (program_compile() != 0) { \
			test_fail(__FILE__, __LINE__, "\"%s\"", message); \
		} \
		CHECK_EQ(run_container(42), (value_)); \
	} while (0)

/* ---- refusing */

TEST(registers_have_to_be_set)
{
	REFUSES("instruction 0: r0 is not set", EXIT);
	REFUSES("r2 is not set", MOV(0, 2), EXIT);
	REFUSES("r3 is not set", MOV_IMM(0, 1), IF_ZERO(1, 1), MOV_IMM(3, 1), MOV(0, 3), EXIT);
	REFUSES("instruction 2: r1 is not set", MOV_IMM(0, 0), CALL(1), MOV(0, 1), EXIT);
	REFUSES("r10 cannot be written", MOV_IMM(10, 1), EXIT);
	REFUSES("there is no r12", MOV(0, 12), EXIT);
	REFUSES("stack is not set", LOAD64(0, 10, -8), EXIT);
	REFUSES("stack is not set", IF_ZERO(1, 1), STORE64(10, -8, 1), LOAD64(0, 10, -8), EXIT);
	RETURNS(42, STORE64(10, -512, 1), LOAD64(0, 10, -512), EXIT);
}

TEST(code_goes_forward_and_ends)
{
	REFUSES("no end", MOV_IMM(0, 1));
	REFUSES("no end", MOV_IMM(0, 1), GOTO(5), EXIT);
	REFUSES("a loop", MOV_IMM(0, 1), GOTO(-1), EXIT);
	REFUSES("a loop", MOV_IMM(0, 1), IF_ZERO(0, -2), EXIT);
	REFUSES("no way to here", MOV_IMM(0, 1), EXIT, EXIT);
	REFUSES("a jump into a constant", MOV_IMM(0, 1), IF_ZERO(0, 1), INSN(0x18, 1, 0, 0, 0),
		INSN(0, 0, 0, 0, 0), EXIT);
	REFUSES("calls a function", INSN(0x85, 0, 1, 0, 4), EXIT);
	REFUSES("helper 5", CALL(5), EXIT);
	REFUSES("helper 0", CALL(0), EXIT);
}

TEST(addresses_stay_inside)
{
	REFUSES("r1 is no address", LOAD32(0, 1, 0), EXIT);
	REFUSES("r0 is an address", ADDRESS(0, 0), EXIT);
	REFUSES("r2 is an address", ADDRESS(2, 0), STORE64(10, -8, 2), MOV_IMM(0, 0), EXIT);
	REFUSES("r2 is an address", ADDRESS(2, 0), MOV_IMM(0, 0), IF_ZERO(2, 0), EXIT);
	REFUSES("moved by what is not constant", ADDRESS(2, 0), ADD(2, 1), LOAD32(0, 2, 0), EXIT);
	REFUSES("only be moved", ADDRESS(2, 0), INSN(0x27, 2, 0, 0, 2), LOAD32(0, 2, 0), EXIT);
	REFUSES("half of an address", ADDRESS(2, 0), INSN(0xbc, 3, 2, 0, 0), EXIT);
	REFUSES("moved too far", ADDRESS(2, 0), ADD_IMM(2, 0x7fffffff), EXIT);
	REFUSES("depends on the way", ADDRESS(2, 0), IF_ZERO(1, 1), ADD_IMM(2, 8), LOAD32(0, 2, 0),
		EXIT);
	REFUSES("4 bytes at 128: binding0 has 128 bytes", ADDRESS(2, 0), LOAD32(0, 2, 128), EXIT);
	REFUSES("4 bytes at -4", ADDRESS(2, 0), LOAD32(0, 2, -4), EXIT);
	REFUSES("are not aligned", ADDRESS(2, 0), LOAD32(0, 2, 2), EXIT);
	REFUSES("binding1 can only be read", ADDRESS(2, 1), STORE64(2, 0, 1), EXIT);
	REFUSES("binding2 is no memory that can be read", ADDRESS(2, 2), LOAD32(0, 2, 0), EXIT);
	REFUSES("binding3 is a parameter", ADDRESS(2, 3), LOAD32(0, 2, 0), EXIT);
	REFUSES("binding3 is no memory", ADDRESS(2, 3), STORE64(2, 0, 1), EXIT);
	REFUSES("outside the frame", LOAD64(0, 10, 0), EXIT);
	REFUSES("outside the frame", STORE64(10, -520, 1), EXIT);
}

TEST(helpers_have_signatures)
{
	REFUSES("kernlet_event_raise is of another kind", MOV_IMM(2, 1), CALL(2), EXIT);
	REFUSES("of another kind", ADDRESS(1, 0), MOV_IMM(2, 1), CALL(2), EXIT);
	REFUSES("r2 is not set", ADDRESS(1, 2), CALL(2), EXIT);
	REFUSES("have to be constants", MOV(2, 1), ADDRESS(1, 4), MOV_IMM(3, 1), CALL(3), EXIT);
	REFUSES("port 7, 2 bytes: binding4 has 8 ports", ADDRESS(1, 4), MOV_IMM(2, 7),
		MOV_IMM(3, 2), CALL(3), EXIT);
	REFUSES("port 0, 3 bytes", ADDRESS(1, 4), MOV_IMM(2, 0), MOV_IMM(3, 3), CALL(3), EXIT);
	RETURNS(4 << 16 | 6 << 8 | 2, ADDRESS(1, 4), MOV_IMM(2, 6), MOV_IMM(3, 2), CALL(3), EXIT);
	RETURNS(CLOCK, CALL(1), EXIT);
	RETURNS(0, MOV(4, 1), ADDRESS(1, 4), MOV_IMM(2, 1), MOV_IMM(3, 4), CALL(4), EXIT);
	CHECK_EQ(raised_bits, UINT64_C(1) << 40 | UINT64_C(4) << 32 | 42);
	CHECK_EQ(raised_binding, 4);
}

TEST(opcodes_of_other_versions_are_refused)
{
	REFUSES("opcode 0xdb", ADDRESS(2, 0), INSN(0xdb, 2, 1, 0, 0), EXIT); /* atomic */
	REFUSES("opcode 0xbf", INSN(0xbf, 0, 1, 8, 0), EXIT);                /* movsx */
	REFUSES("opcode 0x3f", MOV(0, 1), INSN(0x3f, 0, 1, 1, 0), EXIT);     /* signed division */
	REFUSES("opcode 0xd7", MOV(0, 1), INSN(0xd7, 0, 0, 0, 16), EXIT);    /* bswap */
	REFUSES("opcode 0x81", ADDRESS(2, 0), INSN(0x81, 0, 2, 0, 0), EXIT); /* ldsx */
	REFUSES("opcode 0x6", INSN(0x06, 0, 0, 0, 0), EXIT);                 /* gotol */
	REFUSES("opcode 0x30", INSN(0x30, 0, 0, 0, 0), EXIT);                /* ld abs */
	REFUSES("opcode 0xe7", INSN(0xe7, 0, 0, 0, 0), EXIT);
	REFUSES("opcode 0xe5", INSN(0xe5, 0, 0, 0, 0), EXIT);
	REFUSES("opcode 0xdc", MOV(0, 1), INSN(0xdc, 0, 0, 0, 8), EXIT);
}

TEST(too_much_is_refused)
{
	static struct bpf_instruction code[KERNLET_INSTRUCTIONS_MAX];
	uint32_t n = 0;

	code[n++] = (struct bpf_instruction)MOV_IMM(0, 1);
	while (n < KERNLET_INSTRUCTIONS_MAX - 1) {
		code[n++] = (struct bpf_instruction)INSN(0x3f, 0, 0, 0, 0); /* divide */
	}
	code[n++] = (struct bpf_instruction)EXIT;
	program_set(code, n);
	CHECK_EQ(program_compile(), -ERR_ILLEGAL_ARGS);
	CHECK(strstr(message, "bytes of native code") != NULL);
	n = 0;
	while (n < HEL_KERNLET_ACCESSES_MAX + 1) {
		code[n++] = (struct bpf_instruction)CALL(1);
	}
	code[n++] = (struct bpf_instruction)EXIT;
	program_set(code, n);
	CHECK_EQ(program_compile(), -ERR_ILLEGAL_ARGS);
	CHECK(strstr(message, "more than 64 accesses") != NULL);
}

/* ---- an interpreter, independent of the compiler */

static uint64_t interpret_alu(uint8_t opcode, int32_t immediate, uint64_t a, uint64_t b)
{
	bool is_wide = (opcode & 7) == 7;
	unsigned shift = (unsigned)(b & (is_wide ? 63 : 31));
	uint64_t x = is_wide ? a : (uint32_t)a;
	uint64_t y = is_wide ? b : (uint32_t)b;
	uint64_t result = 0;

	switch (opcode >> 4) {
	case 0x0: result = x + y; break;
	case 0x1: result = x - y; break;
	case 0x2: result = x * y; break;
	case 0x3: result = y == 0 ? 0 : x / y; break;
	case 0x4: result = x | y; break;
	case 0x5: result = x & y; break;
	case 0x6: result = x << shift; break;
	case 0x7: result = x >> shift; break;
	case 0x8: result = -x; break;
	case 0x9: result = y == 0 ? x : x % y; break;
	case 0xa: result = x ^ y; break;
	case 0xb: result = y; break;
	case 0xc:
		result = is_wide ? (uint64_t)((int64_t)x >> shift)
				 : (uint64_t)(int64_t)((int32_t)x >> shift);
		break;
	default: {
		bool is_big = (opcode & 8) != 0;

		result = immediate == 16  ? (is_big ? __builtin_bswap16((uint16_t)a) : (uint16_t)a)
			: immediate == 32 ? (is_big ? __builtin_bswap32((uint32_t)a) : (uint32_t)a)
					  : (is_big ? __builtin_bswap64(a) : a);
		return result;
	}
	}
	return is_wide ? result : (uint32_t)result;
}

static bool interpret_condition(uint8_t opcode, uint64_t a, uint64_t b)
{
	bool is_wide = (opcode & 7) == 5;
	int64_t signed_a = is_wide ? (int64_t)a : (int32_t)a;
	int64_t signed_b = is_wide ? (int64_t)b : (int32_t)b;

	a = is_wide ? a : (uint32_t)a;
	b = is_wide ? b : (uint32_t)b;
	switch (opcode >> 4) {
	case 0x0: return true;
	case 0x1: return a == b;
	case 0x2: return a > b;
	case 0x3: return a >= b;
	case 0x4: return (a & b) != 0;
	case 0x5: return a != b;
	case 0x6: return signed_a > signed_b;
	case 0x7: return signed_a >= signed_b;
	case 0xa: return a < b;
	case 0xb: return a <= b;
	case 0xc: return signed_a < signed_b;
	default: return signed_a <= signed_b;
	}
}

/* Addresses are real ones; the parameter lies in memory. */
static uint64_t interpret(
	const struct kernlet_program *program, uint8_t copies[][WINDOW_SIZE], uint64_t sequence)
{
	static uint8_t frame[512];
	static uint64_t parameter = PARAMETER;
	uint64_t r[11] = { [1] = sequence, [10] = (uint64_t)(frame + sizeof(frame)) };

	for (uint32_t i = 0;; i++) {
		const struct bpf_instruction *insn = &program->code[i];
		unsigned to = insn->registers & 15;
		uint64_t from = r[insn->registers >> 4];
		uint64_t right =
			(insn->opcode & 8) != 0 ? from : (uint64_t)(int64_t)insn->immediate;
		static const size_t widths[] = { 4, 2, 1, 8 };
		size_t width = widths[insn->opcode >> 3 & 3];

		switch (insn->opcode & 7) {
		case 0:
			if (program->bindings_loaded[i] == 4) {
				r[to] = (uint64_t)&parameter;
			} else if (program->bindings_loaded[i] != 0) {
				r[to] = (uint64_t)copies[program->bindings_loaded[i] - 1];
			} else {
				r[to] = (uint64_t)(uint32_t)program->code[i + 1].immediate << 32 |
					(uint32_t)insn->immediate;
			}
			i++;
			break;
		case 1: {
			uint64_t value = 0;

			memcpy(&value, (void *)(from + (uint64_t)insn->offset), width);
			r[to] = value;
			break;
		}
		case 2: from = (uint64_t)(int64_t)insn->immediate; [[fallthrough]];
		case 3: memcpy((void *)(r[to] + (uint64_t)insn->offset), &from, width); break;
		case 4:
		case 7: r[to] = interpret_alu(insn->opcode, insn->immediate, r[to], right); break;
		default:
			if (insn->opcode >> 4 == 9) {
				return r[0];
			}
			if (insn->opcode >> 4 == 8) {
				r[0] = CLOCK;
			} else if (interpret_condition(insn->opcode, r[to], right)) {
				i += (uint32_t)insn->offset;
			}
			break;
		}
	}
}

/* ---- random programs */

#define FRAME_USED 64
#define VALUES     8 /* r0 to r7 are numbers, r8 and r9 windows */

struct generator {
	struct random random;
	struct bpf_instruction code[KERNLET_INSTRUCTIONS_MAX];
	uint32_t n;
};

static uint32_t pick(struct generator *generator, uint32_t bound)
{
	return (uint32_t)random_below(&generator->random, bound);
}

static void put(struct generator *generator, unsigned opcode, unsigned to, unsigned from,
	int32_t offset, int32_t immediate)
{
	generator->code[generator->n++] =
		(struct bpf_instruction)INSN((uint8_t)opcode, to, from, offset, immediate);
}

/* Small, large, and interesting ones. */
static int32_t pick_constant(struct generator *generator)
{
	switch (pick(generator, 4)) {
	case 0: return (int32_t)pick(generator, 70) - 3;
	case 1: return INT32_MIN + (int32_t)pick(generator, 2);
	default: return (int32_t)random_u64(&generator->random);
	}
}

static void put_alu(struct generator *generator)
{
	unsigned operation = pick(generator, 14);
	unsigned class = pick(generator, 2) != 0 ? 7 : 4;
	unsigned source = pick(generator, 2) * 8;
	unsigned to = pick(generator, VALUES);
	static const int32_t widths[] = { 16, 32, 64 };

	if (operation == 13) {
		put(generator, 0xd4 | source, to, 0, 0, widths[pick(generator, 3)]);
	} else if (operation == 8) {
		put(generator, 0x80 | class, to, 0, 0, 0);
	} else {
		put(generator, operation << 4 | source | class, to,
			source != 0 ? pick(generator, VALUES) : 0, 0,
			source != 0 ? 0 : pick_constant(generator));
	}
}

static void put_memory(struct generator *generator)
{
	static const unsigned sizes[] = { 0x10, 0x08, 0x00, 0x18 }; /* of 1, 2, 4, 8 bytes */
	unsigned log_width = pick(generator, 4);
	unsigned value = pick(generator, VALUES);
	unsigned base = 8 + pick(generator, 3);
	int32_t at = (int32_t)(pick(generator, FRAME_USED >> log_width) << log_width) -
		(base == 10 ? FRAME_USED : 0);
	unsigned opcode = 0x60 | sizes[log_width];

	switch (base == 9 ? 0 : pick(generator, 3)) { /* r9: to read */
	case 0: put(generator, opcode | 1, value, base, at, 0); break;
	case 1: put(generator, opcode | 2, base, 0, at, pick_constant(generator)); break;
	default: put(generator, opcode | 3, base, value, at, 0); break;
	}
}

static void put_jump(struct generator *generator, uint32_t end)
{
	static const unsigned jumps[] = { 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13 };
	unsigned opcode =
		jumps[pick(generator, ARRAY_SIZE(jumps))] << 4 | (pick(generator, 2) != 0 ? 5 : 6);
	unsigned source = pick(generator, 2) * 8;
	int32_t distance = (int32_t)pick(generator, (end - generator->n - 1 < 9) ? 1 : 9);

	put(generator, opcode | source, pick(generator, VALUES),
		source != 0 ? pick(generator, VALUES) : 0, distance,
		source != 0 ? 0 : pick_constant(generator));
}

static void put_address(struct generator *generator, unsigned to, int32_t binding)
{
	put(generator, 0x18, to, 15, 0, binding);
	put(generator, 0, 0, 0, 0, 0);
}

static void generate(struct generator *generator)
{
	generator->n = 0;
	put(generator, 0xbf, 6, 1, 0, 0);
	put_address(generator, 8, 3);
	put(generator, 0x79, 7, 8, 0, 0); /* the parameter */
	put(generator, 0x85, 0, 0, 0, 1); /* the clock */
	for (unsigned i = 1; i <= 5; i++) {
		put(generator, 0x18, i, 0, 0, pick_constant(generator));
		put(generator, 0, 0, 0, 0, pick_constant(generator));
	}
	for (int32_t at = -FRAME_USED; at < 0; at += 8) {
		put(generator, 0x7b, 10, pick(generator, VALUES), at, 0);
	}
	put_address(generator, 8, 0);
	put_address(generator, 9, 1);
	uint32_t end = generator->n + 10 + pick(generator, 80);
	uint32_t n_accesses = 0;

	while (generator->n < end) {
		uint32_t kind = pick(generator, 10);

		if (kind < 6 || (kind < 9 && ++n_accesses > 50)) {
			put_alu(generator);
		} else if (kind < 9) {
			put_memory(generator);
		} else {
			put_jump(generator, end);
		}
	}
	for (unsigned i = 1; i < VALUES; i++) {
		put(generator, 0x27, 0, 0, 0, 31);
		put(generator, 0xaf, 0, i, 0, 0);
	}
	put(generator, 0x95, 0, 0, 0, 0);
}

TEST(native_code_does_what_the_interpreter_does)
{
	static struct generator generator;
	static _Alignas(8) uint8_t copies[HEL_KERNLET_BINDINGS_MAX][WINDOW_SIZE];

	random_init(&generator.random, test_seed(1));
	for (uint32_t i = 0; i < RANDOM_PROGRAMS; i++) {
		generate(&generator);
		program_set(generator.code, generator.n);
		if (program_compile() != 0) {
			test_fail(__FILE__, __LINE__, "program %u: %s", i, message);
		}
		for (size_t at = 0; at < 2 * WINDOW_SIZE; at++) {
			windows[at / WINDOW_SIZE][at % WINDOW_SIZE] =
				(uint8_t)random_u64(&generator.random);
		}
		memcpy(copies, windows, sizeof(copies));
		uint64_t sequence = random_u64(&generator.random);
		uint64_t expected = interpret(&workspace.program, copies, sequence);

		if (run_container(sequence) != expected ||
			memcmp(copies, windows, sizeof(copies)) != 0) {
			test_fail(__FILE__, __LINE__, "program %u differs", i);
		}
	}
}

/* ---- files */

TEST(edu_is_acknowledged)
{
	uint32_t *edu = (uint32_t *)windows[0];
	uint64_t *statistics = (uint64_t *)windows[2];

	memset(windows, 0, sizeof(windows));
	int error = kernlet_compile(
		edu_elf, sizeof(edu_elf), &workspace, container, &container_size, message);

	CHECK_STR_EQ(message, "");
	CHECK_EQ(error, 0);
	CHECK_EQ(workspace.program.n_bindings, 4);
	CHECK_STR_EQ(workspace.program.names[0], "edu");
	CHECK_STR_EQ(workspace.program.names[3], "key");
	CHECK_EQ(workspace.program.slots[0].size_bytes, 0x68);
	CHECK_EQ(workspace.program.slots[1].kind, HEL_KERNLET_EVENT);
	CHECK_EQ(run_container(1), HEL_KERNLET_NACK);
	edu[0x24 / 4] = 0x80000001;
	CHECK_EQ(run_container(1), HEL_KERNLET_NONE);
	edu[0x24 / 4] = 0x1234;
	CHECK_EQ(edu[0x64 / 4], 0);
	CHECK_EQ(run_container(77), HEL_KERNLET_ACK);
	CHECK_EQ(edu[0x64 / 4], 0x1234);
	CHECK_EQ(raised_binding, 1);
	CHECK_EQ(raised_bits, 0x1234);
	CHECK_EQ(statistics[0], 1);
	CHECK_EQ(statistics[1], CLOCK);
	CHECK_EQ(statistics[2], PARAMETER);
	CHECK_EQ(statistics[3], 77);
}

TEST(messages_name_the_line)
{
	static uint8_t elf[sizeof(edu_elf)];
	static const uint8_t load_status[] = { 0x61, 0x16, 0x24, 0x00 };

	memcpy(elf, edu_elf, sizeof(elf));
	uint8_t *found = memmem(elf, sizeof(elf), load_status, sizeof(load_status));

	CHECK(found != NULL);
	found[3] = 0x10;
	CHECK_EQ(kernlet_compile(elf, sizeof(elf), &workspace, container, &container_size, message),
		-ERR_ILLEGAL_ARGS);
	CHECK(strncmp(message, "edu.bpf.c:", 10) == 0);
	CHECK(strstr(message, ": 4 bytes at 4132: edu has 104 bytes") != NULL);
}

TEST(broken_files_are_refused)
{
	static uint8_t elf[sizeof(edu_elf)];
	struct random random;
	uint32_t n_accepted = 0;

	for (size_t size = 0; size < sizeof(elf); size += 7) {
		uint8_t *cut = malloc(size + 1); /* its end is guarded */

		memcpy(cut, edu_elf, size);
		CHECK(kernlet_compile(cut, size, &workspace, container, &container_size, message) !=
			0);
		CHECK(message[0] != '\0');
		free(cut);
	}
	random_init(&random, test_seed(1));
	for (uint32_t i = 0; i < 20000; i++) {
		struct kernlet_image image;
		uint32_t offset;

		memcpy(elf, edu_elf, sizeof(elf));
		for (uint64_t n = 1 + random_below(&random, 3); n > 0; n--) {
			elf[random_below(&random, sizeof(elf))] = (uint8_t)random_u64(&random);
		}
		if (kernlet_compile(elf, sizeof(elf), &workspace, container, &container_size,
			    message) == 0) {
			n_accepted++;
			CHECK_EQ(kernlet_parse(container, container_size, &image), 0);
			CHECK_EQ(kernlet_check(&image, &offset), 0);
		}
	}
	CHECK(n_accepted > 1000);
}

TEST_MAIN()
