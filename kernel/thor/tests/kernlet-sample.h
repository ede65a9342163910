/* SPDX-License-Identifier: MIT */
/*
 * A native kernlet for x86-64 written by hand, with a form of every kind. The machine code of each
 * form is a macro, so that tests put others together.
 */
#ifndef THOR_TESTS_KERNLET_SAMPLE_H
#define THOR_TESTS_KERNLET_SAMPLE_H

#include <abi/hel/kernlet.h>

#define I32(n) (uint8_t)(n), (uint8_t)((n) >> 8), (uint8_t)((n) >> 16), (uint8_t)((n) >> 24)

#define MOV_RAX_IMM64(n)    0x48, 0xb8, I32(n), I32((uint64_t)(n) >> 32)
#define MOV_RDI_IMM(n)      0x48, 0xc7, 0xc7, I32(n)
#define MOV_RSI_IMM(n)      0x48, 0xc7, 0xc6, I32(n)
#define MOV_R9_IMM(n)       0x49, 0xc7, 0xc1, I32(n)
#define MOV_R10_IMM(n)      0x49, 0xc7, 0xc2, I32(n)
#define MOV_R11_IMM(n)      0x49, 0xc7, 0xc3, I32(n)
#define MOV_R11_RAX         0x49, 0x89, 0xc3
#define MOV_R11_RDI         0x49, 0x89, 0xfb
#define BASE(i)             0x4d, 0x8b, 0xb7, I32(8 * (i))
#define LOAD8_RAX(i, at)    BASE(i), 0x41, 0x0f, 0xb6, 0x86, I32(at)
#define LOAD32_RAX(i, at)   BASE(i), 0x41, 0x8b, 0x86, I32(at)
#define LOAD64_RAX(i, at)   BASE(i), 0x49, 0x8b, 0x86, I32(at)
#define STORE8_RAX(i, at)   BASE(i), 0x41, 0x88, 0x86, I32(at)
#define STORE16_RAX(i, at)  BASE(i), 0x66, 0x41, 0x89, 0x86, I32(at)
#define STORE32_RAX(i, at)  BASE(i), 0x41, 0x89, 0x86, I32(at)
#define STORE64_RAX(i, at)  BASE(i), 0x49, 0x89, 0x86, I32(at)
#define FRAME_STORE_RAX(at) 0x48, 0x89, 0x84, 0x24, I32((at) + 8)
#define FRAME_LOAD_RAX(at)  0x48, 0x8b, 0x84, 0x24, I32((at) + 8)
#define PARAMETER_RAX(i)    0x49, 0x8b, 0x87, I32(8 * (i))
#define TEST_RAX            0x48, 0x85, 0xc0
#define JUMP(distance)      0xe9, I32(distance)
#define JUMP_ZERO(distance) 0x0f, 0x84, I32(distance)
#define CALL(helper)        0x41, 0xff, 0x97, I32(8 * (16 + (helper)))
#define RETURN              0xc3

#define SAMPLE_WINDOW_SIZE 64

static const struct hel_kernlet_slot sample_slots[] = {
	{ HEL_KERNLET_WINDOW, HEL_RIGHT_READ | HEL_RIGHT_WRITE, SAMPLE_WINDOW_SIZE, 0 },
	{ HEL_KERNLET_WINDOW, HEL_RIGHT_READ, SAMPLE_WINDOW_SIZE, 0 },
	{ HEL_KERNLET_PARAMETER, 0, 0, 0 },
	{ HEL_KERNLET_EVENT, 0, 0, 0 },
	{ HEL_KERNLET_PORTS, HEL_RIGHT_READ | HEL_RIGHT_WRITE, 8, 0 },
};

/*
 * Acknowledges the interrupt if the 32 bits at 0 of window 0 are not zero: they go to 16 and are
 * raised as bits of event 3. The parameter goes to 8.
 */
static const uint8_t sample_code[] = {
	MOV_RAX_IMM64(0x1122334455667788),
	0x48,
	0x89,
	0xc1,    /* mov rcx, rax */
	0x4c,
	0x01,
	0xc0,    /* add rax, r8 */
	0x48,
	0x81,
	0xe9,
	I32(77),         /* sub rcx, 77 */
	0x40,
	0xc7,
	0xc2,
	I32(5),          /* mov edx, 5 */
	0x49,
	0x0f,
	0xaf,
	0xc0,            /* imul rax, r8 */
	0x48,
	0x69,
	0xc1,
	I32(1000),       /* imul rax, rcx, 1000 */
	0x48,
	0xc1,
	0xe0,
	0x05,            /* shl rax, 5 */
	0x49,
	0xd3,
	0xe8,    /* shr r8, cl */
	0x48,
	0x0f,
	0xb6,
	0xc1,            /* movzx rax, cl */
	0x48,
	0x0f,
	0xb7,
	0xc9,            /* movzx rcx, cx */
	0x48,
	0x0f,
	0xc8,    /* bswap rax */
	0x48,
	0xf7,
	0xd8,    /* neg rax */
	0x48,
	0xf7,
	0xc1,
	I32(3),          /* test rcx, 3 */
	0x48,
	0x89,
	0xc2,
	0x48,
	0x85,
	0xc9,
	0x75,
	0x04, /* divide */
	0x31,
	0xc0,
	0xeb,
	0x05,
	0x31,
	0xd2,
	0x48,
	0xf7,
	0xf1,
	FRAME_STORE_RAX(0),
	FRAME_LOAD_RAX(8),
	LOAD8_RAX(1, 63),
	PARAMETER_RAX(2),
	STORE64_RAX(0, 8),
	LOAD32_RAX(0, 0),
	TEST_RAX,
	JUMP_ZERO(57), /* to where r11 becomes NACK */
	STORE16_RAX(0, 4),
	0x48,
	0x89,
	0xc6,    /* mov rsi, rax */
	0x40,
	0x39,
	0xc0,    /* cmp eax, eax */
	STORE32_RAX(0, 16),
	MOV_RDI_IMM(3),
	CALL(HEL_KERNLET_EVENT_RAISE),
	MOV_R11_IMM(HEL_KERNLET_ACK),
	RETURN,
	MOV_R11_IMM(HEL_KERNLET_NACK),
	RETURN,
};

#endif
