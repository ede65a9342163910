/* SPDX-License-Identifier: MIT */
/*
 * The check of native kernlets: what it lets through, what it does not, and that the processor
 * agrees: mutations of good code that pass are run, between pages that nobody may touch.
 */
#include "kernlet-sample.h"

#include <base/random.h>
#include <base/testing.h>
#include <thor/kernlet/kernlet.h>

#include <sys/mman.h>
#include <unistd.h>

constexpr uint32_t MUTANTS = 200'000;

/* Code behind a header with the sample's slots. */
struct container {
	struct hel_kernlet_header header;
	struct hel_kernlet_slot slots[ARRAY_SIZE(sample_slots)];
	uint8_t code[HEL_KERNLET_CODE_MAX];
};

static size_t container_make(struct container *container, const uint8_t *code, size_t size)
{
	*container = (struct container){
		.header = {
			.magic = HEL_KERNLET_MAGIC,
			.version = HEL_KERNLET_VERSION,
			.arch = HEL_KERNLET_X86_64,
			.code_size = (uint32_t)size,
			.frame_size = 16,
			.n_bindings = ARRAY_SIZE(sample_slots),
		},
	};
	memcpy(container->slots, sample_slots, sizeof(sample_slots));
	memcpy(container->code, code, size);
	return offsetof(struct container, code) + size;
}

/* Where the check refuses the code; -1: it does not. */
static int refused_at(const uint8_t *code, size_t size)
{
	static struct container container;
	size_t container_size = container_make(&container, code, size);
	struct kernlet_image image;
	uint32_t offset;

	CHECK_EQ(kernlet_parse(&container, container_size, &image), 0);
	if (kernlet_check(&image, &offset) == 0) {
		return -1;
	}
	CHECK(offset <= size);
	return (int)offset;
}

#define ACCEPTS(...) \
	do { \
		static const uint8_t code_[] = { __VA_ARGS__ }; \
		CHECK_EQ(refused_at(code_, sizeof(code_)), -1); \
	} while (0)

#define REFUSES(at_, ...) \
	do { \
		static const uint8_t code_[] = { __VA_ARGS__ }; \
		CHECK_EQ(refused_at(code_, sizeof(code_)), (at_)); \
	} while (0)

TEST(containers_are_checked)
{
	static struct container good, bad;
	struct kernlet_image image;
	size_t size = container_make(&good, sample_code, sizeof(sample_code));

	CHECK_EQ(kernlet_parse(&good, size, &image), 0);
	CHECK_EQ(kernlet_parse(&good, size - 1, &image), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(kernlet_parse(&good, size + 1, &image), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(kernlet_parse(&good, 23, &image), -ERR_ILLEGAL_ARGS);
#define BREAK(error_, field_, value_) \
	do { \
		bad = good; \
		bad.field_ = (value_); \
		CHECK_EQ(kernlet_parse(&bad, size, &image), (error_)); \
	} while (0)
	BREAK(-ERR_ILLEGAL_ARGS, header.magic, 0);
	BREAK(-ERR_UNSUPPORTED, header.version, 2);
	BREAK(-ERR_UNSUPPORTED, header.arch, 2);
	BREAK(-ERR_ILLEGAL_ARGS, header.code_size, 0);
	BREAK(-ERR_ILLEGAL_ARGS, header.code_size, ~0u);
	BREAK(-ERR_ILLEGAL_ARGS, header.frame_size, HEL_KERNLET_FRAME_MAX + 8);
	BREAK(-ERR_ILLEGAL_ARGS, header.frame_size, 12);
	BREAK(-ERR_ILLEGAL_ARGS, header.n_bindings, HEL_KERNLET_BINDINGS_MAX + 1);
	BREAK(-ERR_ILLEGAL_ARGS, header.n_bindings, 4);
	BREAK(-ERR_ILLEGAL_ARGS, header.reserved, 1);
	BREAK(-ERR_ILLEGAL_ARGS, slots[0].kind, 0);
	BREAK(-ERR_ILLEGAL_ARGS, slots[0].kind, 5);
	BREAK(-ERR_ILLEGAL_ARGS, slots[0].rights, 0);
	BREAK(-ERR_ILLEGAL_ARGS, slots[0].rights, HEL_RIGHT_WRITE);
	BREAK(-ERR_ILLEGAL_ARGS, slots[0].rights, HEL_RIGHT_READ | HEL_RIGHT_EXECUTE);
	BREAK(-ERR_ILLEGAL_ARGS, slots[0].size_bytes, 0);
	BREAK(-ERR_ILLEGAL_ARGS, slots[0].size_bytes, HEL_KERNLET_WINDOW_MAX + 1);
	BREAK(-ERR_ILLEGAL_ARGS, slots[0].reserved, 1);
	BREAK(-ERR_ILLEGAL_ARGS, slots[2].size_bytes, 1);
	BREAK(-ERR_ILLEGAL_ARGS, slots[3].rights, HEL_RIGHT_READ);
	BREAK(-ERR_ILLEGAL_ARGS, slots[4].size_bytes, 0);
	BREAK(-ERR_ILLEGAL_ARGS, slots[4].size_bytes, 0x10001);
}

TEST(every_form_is_accepted)
{
	CHECK_EQ(refused_at(sample_code, sizeof(sample_code)), -1);
	ACCEPTS(RETURN);
	ACCEPTS(STORE8_RAX(0, 63), LOAD64_RAX(1, 56), JUMP(0), RETURN);
	ACCEPTS(0x40, 0x88, 0xac, 0x24, I32(8), RETURN); /* mov [rsp + 8], bpl */
	ACCEPTS(0x49, 0xc1, 0xfd, 0x3f, RETURN); /* sar r13, 63 */
}

TEST(other_instructions_are_refused)
{
	REFUSES(0, 0xfa, RETURN);                          /* cli */
	REFUSES(0, 0xcc, RETURN);                          /* int3 */
	REFUSES(0, 0x90, RETURN);                          /* nop */
	REFUSES(0, 0xf4, RETURN);                          /* hlt */
	REFUSES(0, 0xec, RETURN);                          /* in al, dx */
	REFUSES(0, 0x48, 0x0f, 0x30, RETURN);              /* wrmsr */
	REFUSES(0, 0x48, 0x0f, 0x05, RETURN);              /* syscall */
	REFUSES(0, 0x0f, 0x22, 0xd8, RETURN);              /* mov cr3, rax */
	REFUSES(0, 0xff, 0xe0, RETURN);                    /* jmp rax */
	REFUSES(0, 0x41, 0xff, 0xa7, I32(128), RETURN);    /* jmp [r15 + 128] */
	REFUSES(0, 0x41, 0xff, 0xd3, RETURN);              /* call r11 */
	REFUSES(0, 0xe8, I32(0), RETURN);                  /* call */
	REFUSES(0, 0x50, RETURN);                          /* push rax */
	REFUSES(0, 0x48, 0x87, 0xc8, RETURN);              /* xchg rax, rcx */
	REFUSES(0, 0x48, 0xf7, 0xf1, RETURN);              /* div rcx by itself */
	REFUSES(0, 0x48, 0xf7, 0xd0, RETURN);              /* not rax */
	REFUSES(0, 0x48, 0x81, 0xd0, I32(0), RETURN);      /* adc rax, 0 */
	REFUSES(0, 0xeb, 0x00, RETURN);                    /* a short jump */
	REFUSES(0, 0xf3, 0x48, 0x89, 0xc8, RETURN);        /* rep mov */
	REFUSES(0, 0x65, 0x48, 0x89, 0xc8, RETURN);        /* gs: mov */
	REFUSES(0, 0x66, 0x48, 0x89, 0xc8, RETURN);        /* 16-bit prefix */
	REFUSES(0, 0x89, 0xc8, RETURN);                    /* mov eax, ecx without REX */
	REFUSES(0, 0x42, 0x89, 0xc8, RETURN);              /* with REX.X */
	REFUSES(0, 0x44, 0xc7, 0xc0, I32(0), RETURN);      /* REX.R without use */
	REFUSES(0, 0x40, 0xb8, I32(0), I32(0), RETURN);    /* mov eax, imm32: other length */
}

TEST(addresses_cannot_be_had)
{
	REFUSES(0, 0x48, 0x89, 0xe0, RETURN);              /* mov rax, rsp */
	REFUSES(0, 0x48, 0x89, 0xc4, RETURN);              /* mov rsp, rax */
	REFUSES(0, 0x4c, 0x89, 0xf0, RETURN);              /* mov rax, r14 */
	REFUSES(0, 0x49, 0x89, 0xc6, RETURN);              /* mov r14, rax */
	REFUSES(0, 0x4c, 0x89, 0xf8, RETURN);              /* mov rax, r15 */
	REFUSES(0, 0x49, 0x01, 0xc7, RETURN);              /* add r15, rax */
	REFUSES(0, 0x49, 0x0f, 0xcf, RETURN);              /* bswap r15 */
	REFUSES(0, 0x49, 0xbe, I32(0), I32(0), RETURN);    /* mov r14, 0 */
	REFUSES(0, 0x49, 0xc1, 0xe6, 0x01, RETURN);        /* shl r14, 1 */
	REFUSES(0, 0x4c, 0x0f, 0xaf, 0xf8, RETURN);        /* imul r15, rax */
	REFUSES(0, 0x41, 0x8b, 0x86, I32(0), RETURN);      /* a base without its load */
	REFUSES(0, BASE(0), RETURN);                       /* a load without its use */
	REFUSES(0, BASE(0), 0x4d, 0x8b, 0xb6, I32(0), RETURN);         /* mov r14, [r14] */
	REFUSES(0, BASE(0), 0x4d, 0x89, 0xbe, I32(0), RETURN);         /* mov [r14], r15 */
	REFUSES(0, BASE(0), 0x43, 0x8b, 0x86, I32(0), RETURN);         /* REX.X */
	REFUSES(0, BASE(0), 0x41, 0x8b, 0x46, 0x00, RETURN);           /* short displacement */
	REFUSES(0, BASE(0), 0x41, 0x8b, 0x06, RETURN);                 /* none */
	REFUSES(0, BASE(0), 0x41, 0x8d, 0x86, I32(0), RETURN);         /* lea */
	REFUSES(0, 0x4a, 0x89, 0x84, 0x24, I32(8), RETURN);            /* index r12 */
	REFUSES(0, 0x48, 0x89, 0x84, 0x04, I32(8), RETURN);            /* index rax */
	REFUSES(0, 0x49, 0x89, 0x84, 0x24, I32(8), RETURN);            /* base r12 */
	REFUSES(0, 0x48, 0x89, 0xa4, 0x24, I32(8), RETURN);            /* store rsp */
	REFUSES(0, 0x48, 0x89, 0x80, I32(8), RETURN);                  /* base rax */
	REFUSES(0, 0x48, 0x8b, 0x05, I32(0), RETURN);                  /* base rip */
	REFUSES(0, 0x49, 0x89, 0x87, I32(16), RETURN);                 /* store a parameter */
	REFUSES(0, 0x4d, 0x8b, 0xbf, I32(16), RETURN);                 /* load it into r15 */
	REFUSES(0, 0x41, 0x8b, 0x87, I32(16), RETURN);                 /* half of it */
}

TEST(bindings_have_limits)
{
	REFUSES(0, LOAD8_RAX(0, 64), RETURN);
	REFUSES(0, LOAD32_RAX(0, 61), RETURN);
	REFUSES(0, LOAD64_RAX(0, 57), RETURN);
	REFUSES(0, LOAD8_RAX(0, -1), RETURN);
	REFUSES(0, LOAD32_RAX(0, 0x80000000), RETURN);
	REFUSES(0, STORE8_RAX(1, 0), RETURN);  /* read only */
	REFUSES(0, LOAD8_RAX(2, 0), RETURN);   /* a parameter */
	REFUSES(0, LOAD8_RAX(3, 0), RETURN);   /* an event */
	REFUSES(0, LOAD8_RAX(5, 0), RETURN);   /* not there */
	REFUSES(0, LOAD8_RAX(-1, 0), RETURN);
	REFUSES(0, LOAD8_RAX(16, 0), RETURN);  /* a helper */
	REFUSES(0, 0x4d, 0x8b, 0xb7, I32(4), 0x41, 0x8b, 0x86, I32(0), RETURN);
	REFUSES(0, PARAMETER_RAX(0), RETURN);  /* a window's address */
	REFUSES(0, PARAMETER_RAX(5), RETURN);
	REFUSES(0, PARAMETER_RAX(16), RETURN); /* a helper's */
	REFUSES(0, PARAMETER_RAX(-1), RETURN);
	ACCEPTS(FRAME_STORE_RAX(8), RETURN);
	REFUSES(0, FRAME_STORE_RAX(9), RETURN);
	REFUSES(0, FRAME_STORE_RAX(-8), RETURN); /* the return address */
	REFUSES(0, FRAME_LOAD_RAX(-1), RETURN);
	REFUSES(0, FRAME_LOAD_RAX(16), RETURN);
	REFUSES(0, CALL(HEL_KERNLET_HELPER_COUNT), RETURN);
	REFUSES(0, CALL(-1), RETURN);
	REFUSES(0, 0x41, 0xff, 0x97, I32(132), RETURN);
}

TEST(jumps_go_forward_to_forms)
{
	ACCEPTS(JUMP(3), MOV_R11_RAX, RETURN);
	REFUSES(5, JUMP(1), MOV_R11_RAX, RETURN);         /* into the middle */
	REFUSES(5, JUMP(7), LOAD8_RAX(0, 0), RETURN);     /* behind the load of a base */
	REFUSES(0, JUMP(4), MOV_R11_RAX, RETURN);         /* to the end */
	REFUSES(0, JUMP(0x7fffffff), RETURN);
	REFUSES(0, JUMP(-5), RETURN);                     /* to itself */
	REFUSES(3, MOV_R11_RAX, JUMP_ZERO(-9), RETURN);
	REFUSES(3, MOV_R11_RAX);                          /* no return */
	REFUSES(4, RETURN, MOV_R11_RAX, JUMP(0));
}

TEST(what_takes_time_is_counted)
{
	static uint8_t code[(HEL_KERNLET_ACCESSES_MAX + 1) * 14 + 1];
	static const uint8_t access[] = { LOAD32_RAX(0, 0) };
	static const uint8_t call[] = { CALL(HEL_KERNLET_CLOCK_NS) };
	size_t size = 0;

	for (uint32_t i = 1; i < HEL_KERNLET_ACCESSES_MAX; i++) {
		memcpy(code + size, access, sizeof(access));
		size += sizeof(access);
	}
	size_t last = size;

	memcpy(code + size, call, sizeof(call));
	size += sizeof(call);
	code[size] = RETURN;
	CHECK_EQ(refused_at(code, size + 1), -1);
	memcpy(code + size, call, sizeof(call));
	code[size + sizeof(call)] = RETURN;
	CHECK_EQ(refused_at(code, size + sizeof(call) + 1), (int)size);
	memcpy(code + last, access, sizeof(access));
	memcpy(code + last + sizeof(access), access, sizeof(access));
	code[last + 2 * sizeof(access)] = RETURN;
	CHECK_EQ(refused_at(code, last + 2 * sizeof(access) + 1), (int)(last + sizeof(access)));
}

TEST(a_form_that_is_cut_off_is_refused)
{
	for (size_t size = 1; size < sizeof(sample_code); size++) {
		int at = refused_at(sample_code, size);

		/* A return may stand there. */
		CHECK(at >= 0 || sample_code[size - 1] == RETURN);
	}
}

/* ---- the processor's opinion */

/* Pages with a window at their end, or anything; behind them and before them nothing. */
struct arena {
	uint8_t *code;
	uint8_t *windows[2]; /* whole pages */
	struct kernlet kernlet;
	struct bound_kernlet bound;
};

static uint8_t *arena_page(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = 2 * page + align_up_size(HEL_KERNLET_CODE_MAX, page);
	uint8_t *pages = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(pages != MAP_FAILED);
	CHECK_EQ(mprotect(pages + page, size - 2 * page, PROT_READ | PROT_WRITE), 0);
	return pages + page;
}

static void arena_init(struct arena *arena)
{
	*arena = (struct arena){ .code = arena_page() };
	arena->kernlet.n_bindings = ARRAY_SIZE(sample_slots);
	memcpy(arena->kernlet.slots, sample_slots, sizeof(sample_slots));
	/* No io behind the ports: what the code says is not in their range. */
	arena->kernlet.slots[4].size_bytes = 0;
	arena->bound.kernlet = &arena->kernlet;
	struct kernlet_context *context = &arena->bound.context;

	for (unsigned i = 0; i < 2; i++) {
		arena->windows[i] = arena_page();
		memset(arena->windows[i], 0xa5, HEL_KERNLET_CODE_MAX);
		context->bindings[i] =
			(uint64_t)arena->windows[i] + HEL_KERNLET_CODE_MAX - SAMPLE_WINDOW_SIZE;
	}
	CHECK_EQ(mprotect(arena->windows[1], HEL_KERNLET_CODE_MAX, PROT_READ), 0);
	context->bindings[2] = 0x0123456789abcdef;
	context->code = (uint64_t)arena->code;
	context->helpers[HEL_KERNLET_CLOCK_NS] = arch__kernlet_clock_ns;
	context->helpers[HEL_KERNLET_EVENT_RAISE] = arch__kernlet_event_raise;
	context->helpers[HEL_KERNLET_PORT_READ] = arch__kernlet_port_read;
	context->helpers[HEL_KERNLET_PORT_WRITE] = arch__kernlet_port_write;
}

/* Run code; false: it has changed what is not its own. */
static bool arena_run(struct arena *arena, const uint8_t *code, size_t size, uint64_t *out_result)
{
	struct bound_kernlet *bound = &arena->bound;
	struct bound_kernlet before;
	uint8_t *outside = arena->windows[0] + HEL_KERNLET_CODE_MAX - SAMPLE_WINDOW_SIZE - 1024;

	CHECK_EQ(mprotect(arena->code, HEL_KERNLET_CODE_MAX, PROT_READ | PROT_WRITE), 0);
	memcpy(arena->code, code, size);
	CHECK_EQ(mprotect(arena->code, HEL_KERNLET_CODE_MAX, PROT_READ | PROT_EXEC), 0);
	bound->context.stack = 0;
	bound->bindings[3].pending = 0;
	before = *bound;
	*out_result = arch__kernlet_enter(&bound->context, 42, 16);
	before.context.stack = bound->context.stack;
	before.bindings[3].pending = bound->bindings[3].pending;
	for (size_t i = 0; i < 1024; i++) {
		if (outside[i] != 0xa5) {
			return false;
		}
	}
	return memcmp(&before, bound, sizeof(before)) == 0;
}

TEST(sample_runs)
{
	static struct arena arena;
	uint64_t result;

	arena_init(&arena);
	uint32_t *window = (uint32_t *)arena.bound.context.bindings[0];

	memset(window, 0, SAMPLE_WINDOW_SIZE);
	CHECK(arena_run(&arena, sample_code, sizeof(sample_code), &result));
	CHECK_EQ(result, HEL_KERNLET_NACK);
	CHECK_EQ(arena.bound.bindings[3].pending, 0);
	window[0] = 0x70005;
	CHECK(arena_run(&arena, sample_code, sizeof(sample_code), &result));
	CHECK_EQ(result, HEL_KERNLET_ACK);
	CHECK_EQ(arena.bound.bindings[3].pending, 0x70005);
	CHECK_EQ(window[1], 5);
	CHECK_EQ(window[2], 0x89abcdef);
	CHECK_EQ(window[3], 0x01234567);
	CHECK_EQ(window[4], 0x70005);
}

#define OR_RDI(rex, modrm) (rex), 0x09, (modrm)

/* Puts all registers and the frame into the result. */
static const uint8_t look_at_all[] = {
	OR_RDI(0x48, 0xc7),
	OR_RDI(0x48, 0xcf),
	OR_RDI(0x48, 0xd7),
	OR_RDI(0x48, 0xdf),
	OR_RDI(0x48, 0xef),
	OR_RDI(0x48, 0xf7),
	OR_RDI(0x4c, 0xc7),
	OR_RDI(0x4c, 0xcf),
	OR_RDI(0x4c, 0xd7),
	OR_RDI(0x4c, 0xdf),
	OR_RDI(0x4c, 0xe7),
	OR_RDI(0x4c, 0xef),
	FRAME_LOAD_RAX(0),
	OR_RDI(0x48, 0xc7),
	FRAME_LOAD_RAX(8),
	OR_RDI(0x48, 0xc7),
	MOV_R11_RDI,
	RETURN,
};

/* Likewise, behind a call of a helper. */
static const uint8_t look_behind_call[] = {
	MOV_RDI_IMM(7),
	MOV_RSI_IMM(7),
	MOV_R9_IMM(7),
	MOV_R10_IMM(7),
	CALL(HEL_KERNLET_EVENT_RAISE), /* of binding 7: there is none */
	OR_RDI(0x48, 0xc7),
	OR_RDI(0x48, 0xcf),
	OR_RDI(0x48, 0xd7),
	OR_RDI(0x48, 0xf7),
	OR_RDI(0x4c, 0xc7),
	OR_RDI(0x4c, 0xcf),
	OR_RDI(0x4c, 0xd7),
	MOV_R11_RDI,
	RETURN,
};

/* Nothing of the kernel's is in a register or in the frame. */
TEST(code_starts_with_zeros)
{
	static struct arena arena;
	uint64_t result;

	arena_init(&arena);
	CHECK_EQ(refused_at(look_at_all, sizeof(look_at_all)), -1);
	CHECK(arena_run(&arena, look_at_all, sizeof(look_at_all), &result));
	CHECK_EQ(result, 42); /* the sequence */
	CHECK_EQ(refused_at(look_behind_call, sizeof(look_behind_call)), -1);
	CHECK(arena_run(&arena, look_behind_call, sizeof(look_behind_call), &result));
	CHECK_EQ(result, 0);
}

static uint32_t run_if_accepted(struct arena *arena, const uint8_t *code, size_t size)
{
	uint64_t result;

	if (refused_at(code, size) >= 0) {
		return 0;
	}
	CHECK(arena_run(arena, code, size, &result));
	return 1;
}

/* A fault, a trap or a loop would end this program. */
TEST(mutants_that_pass_are_harmless)
{
	static struct arena arena;
	uint8_t code[sizeof(sample_code)];
	struct random random;
	uint32_t n_accepted = 0;

	arena_init(&arena);
	for (size_t bit = 0; bit < 8 * sizeof(sample_code); bit++) {
		memcpy(code, sample_code, sizeof(code));
		code[bit / 8] ^= (uint8_t)(1 << bit % 8);
		n_accepted += run_if_accepted(&arena, code, sizeof(code));
	}
	random_init(&random, test_seed(1));
	for (uint32_t i = 0; i < MUTANTS; i++) {
		memcpy(code, sample_code, sizeof(code));
		for (uint64_t n = 1 + random_below(&random, 4); n > 0; n--) {
			code[random_below(&random, sizeof(code))] = (uint8_t)random_u64(&random);
		}
		n_accepted += run_if_accepted(&arena, code, sizeof(code));
	}
	printf("# %u of %u mutants ran\n", n_accepted, MUTANTS + 8 * (uint32_t)sizeof(code));
	CHECK(n_accepted > MUTANTS / 50);
}

TEST_MAIN()
