/* SPDX-License-Identifier: MIT */
/*
 * Kernlets: native code that thor checks and runs in interrupt context. CONTRACT.
 *
 * A kernlet is what hel_kernlet_create takes: a struct hel_kernlet_header, n_bindings times struct
 * hel_kernlet_slot, code_size bytes of code, and nothing else. It works on *bindings*: what they
 * are is part of the code (slots), which objects they are is said by hel_kernlet_bind.
 *
 * The code is a function, uint64_t (uint64_t sequence): it gets the sequence that the driver's
 * event will have and returns an enum hel_kernlet_verdict. thor does not trust who made it: the
 * code consists of the forms below and nothing else, which is checked in one pass
 * (docs/internals/kernlets.md says why that is enough). Constants are little-endian.
 *
 * x86-64. "v", "w" are any of rax rcx rdx rbx rbp rsi rdi r8 to r13; r14 is the window's address,
 * r15 the context's. Every form starts with a REX prefix unless it is marked (-); REX.W chooses 64
 * or 32 bits. After entry r11 and the unmentioned registers are 0; flags are undefined.
 *
 *	mov add sub and or xor cmp test v, w    89 01 29 21 09 31 39 85 /r
 *	mov add sub and or xor cmp v, imm32     C7 /0, 81 /0 /5 /4 /1 /6 /7
 *	test v, imm32; neg v                    F7 /0; F7 /3
 *	mov v, imm64                            B8+v, REX.W
 *	imul v, w; imul v, w, imm32             0F AF /r; 69 /r
 *	shl shr sar v, imm8; v, cl              C1 /4 /5 /7; D3 /4 /5 /7
 *	movzx v, w of 8 or 16 bits              0F B6 /r, 0F B7 /r
 *	bswap v                                 0F C8+v
 *	rax, rdx = rax / rcx, rax % rcx         KERNLET_X86_DIVIDE; by 0: 0, rax
 *	load v from window i + d                mov r14, [r15 + 8 * i]; then with [r14 + d]:
 *	                                        0F B6, 0F B7, 8B (32, 64 bits) /r
 *	store v to window i + d                 likewise; 88, 66 89, 89 (32, 64 bits) /r
 *	load, store of frame byte d             the same with [rsp + 8 + d]
 *	load parameter i                        8B /r, REX.W: mov v, [r15 + 8 * i]
 *	jump, jump if                           (-) E9, 0F 80 to 8F; forward, to where a form starts
 *	call helper h                           (-) 41 FF 97: call [r15 + HELPERS + 8 * h]
 *	return r11                              (-) C3
 *
 * All displacements are 32 bits wide, also those that would fit 8; [rsp] needs a SIB byte, 24. The
 * last form is a return. A helper takes rdi, rsi, r9, r10, returns r11, and leaves rax rcx rdx rsi
 * rdi r8 r9 r10 zero and the others as they were.
 */
#ifndef ABI_HEL_KERNLET_H
#define ABI_HEL_KERNLET_H

#include <abi/hel/types.h>

constexpr uint32_t HEL_KERNLET_MAGIC = 0x4c4e524b; /* "KRNL" */
constexpr uint16_t HEL_KERNLET_VERSION = 1;
constexpr uint32_t HEL_KERNLET_BINDINGS_MAX = 16;
constexpr uint32_t HEL_KERNLET_WINDOW_MAX = 0x10000; /* bytes of one memory binding */
constexpr uint32_t HEL_KERNLET_CODE_MAX = 0x2000;    /* bytes */
constexpr uint32_t HEL_KERNLET_FRAME_MAX = 512;      /* bytes */
/* Accesses of windows and calls of helpers that stand in the code: what takes time. */
constexpr uint32_t HEL_KERNLET_ACCESSES_MAX = 64;

enum hel_kernlet_arch : uint16_t {
	HEL_KERNLET_X86_64 = 1,
};

enum hel_kernlet_kind : uint32_t {
	HEL_KERNLET_WINDOW = 1,    /* of memory: loads, and stores with WRITE */
	HEL_KERNLET_PORTS = 2,     /* I/O ports, by helpers */
	HEL_KERNLET_EVENT = 3,     /* by helper */
	HEL_KERNLET_PARAMETER = 4, /* a number that never changes */
};

/* What the code needs of one binding. */
struct hel_kernlet_slot {
	uint32_t kind;       /* enum hel_kernlet_kind */
	uint32_t rights;     /* WINDOW, PORTS: READ, or READ and WRITE; else 0 */
	uint32_t size_bytes; /* WINDOW: the code accesses no more; PORTS: of them; else 0 */
	uint32_t reserved;
};

struct hel_kernlet_header {
	uint32_t magic;
	uint16_t version;
	uint16_t arch; /* enum hel_kernlet_arch */
	uint32_t code_size;
	uint32_t frame_size; /* bytes, zero at the start */
	uint32_t n_bindings;
	uint32_t reserved;
};

/* What a binding is for one bound kernlet: hel_kernlet_bind. */
struct hel_kernlet_binding {
	hel_handle object; /* memory, io, event; a parameter: HEL_NULL */
	/* WINDOW: where it begins in the memory, a multiple of 8. PARAMETER: the number. Else 0. */
	uint64_t value;
};

enum hel_kernlet_verdict : uint32_t {
	HEL_KERNLET_NONE = 0, /* the driver gets the interrupt's event and answers; as all others */
	HEL_KERNLET_ACK = 1, /* answered; the driver does not see it */
	HEL_KERNLET_NACK = 2, /* not the device's */
};

enum hel_kernlet_helper : uint32_t {
	HEL_KERNLET_CLOCK_NS = 0, /* () - monotonic nanoseconds */
	HEL_KERNLET_EVENT_RAISE = 1, /* (binding, bits) - when the kernlet has returned */
	/* (binding, offset, width of 1, 2, 4) - all ones if that is not in the range */
	HEL_KERNLET_PORT_READ = 2,
	HEL_KERNLET_PORT_WRITE = 3, /* (binding, offset, width, value) - nothing, likewise */
	HEL_KERNLET_HELPER_COUNT,
};

/* The context's layout, in bytes from r15. */
constexpr uint32_t HEL_KERNLET_CONTEXT_BINDINGS = 0;
constexpr uint32_t HEL_KERNLET_CONTEXT_HELPERS = 8 * HEL_KERNLET_BINDINGS_MAX;

/* mov rdx, rax; test rcx, rcx; jnz 1f; xor eax, eax; jmp 2f; 1: xor edx, edx; div rcx; 2: */
#define KERNLET_X86_DIVIDE \
	{ 0x48, 0x89, 0xc2, 0x48, 0x85, 0xc9, 0x75, 0x04, 0x31, 0xc0, 0xeb, 0x05, 0x31, 0xd2, \
		0x48, 0xf7, 0xf1 }

#endif
