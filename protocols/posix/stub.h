/* SPDX-License-Identifier: MIT */
/*
 * The way from a rewritten system call to the shim.  CONTRACT between posix, which writes it into
 * program text (posix/server/rewrite/plan.h), and the shim, which recognises it.
 *
 * It consists of these instructions, in any order that ends with the last:
 *
 *   e9 d32              jmp
 *   eb d8               jmp
 *   b8 n32              mov $number, %eax
 *   48 8d 0d d32        lea return address, %rcx
 *   65 ff 24 25 s32     jmp *%gs:POSIX_STUB_SLOT
 *
 * What they do is a function of the program counter, and touches nothing but eax and rcx.
 */
#ifndef PROTOCOLS_POSIX_STUB_H
#define PROTOCOLS_POSIX_STUB_H

#include <base/types.h>

constexpr uint32_t POSIX_STUB_SLOT = 304; /* posix_thread_page.stub_entry */
constexpr unsigned POSIX_STUB_STEPS_MAX = 8;
constexpr unsigned POSIX_STUB_INSTRUCTION_MAX = 8; /* bytes */

/* A thread on the way. */
struct posix_stub {
	uint64_t ip;
	uint64_t return_address, number;
	bool has_return_address, has_number; /* that were loaded */
	bool has_left;
};

/** posix_stub_size() - bytes of the instruction that begins with @first; 0: none of a stub's */
static inline unsigned posix_stub_size(uint8_t first)
{
	switch (first) {
	case 0xe9:
	case 0xb8: return 5;
	case 0xeb: return 2;
	case 0x48: return 7;
	case 0x65: return 8;
	default: return 0;
	}
}

static inline int32_t posix_stub_field(const uint8_t *bytes)
{
	return (int32_t)(bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
		(uint32_t)bytes[3] << 24);
}

/**
 * posix_stub_step() - what the instruction at stub->ip does
 * @bytes: as many as posix_stub_size() says
 *
 * Return: whether it is one of a stub's.
 */
static inline bool posix_stub_step(struct posix_stub *stub, const uint8_t *bytes)
{
	switch (bytes[0]) {
	case 0xe9: stub->ip += 5 + (uint64_t)(int64_t)posix_stub_field(bytes + 1); return true;
	case 0xeb: stub->ip += 2 + (uint64_t)(int64_t)(int8_t)bytes[1]; return true;
	case 0xb8:
		stub->number = (uint32_t)posix_stub_field(bytes + 1);
		stub->has_number = true;
		stub->ip += 5;
		return true;
	case 0x48:
		stub->ip += 7;
		stub->return_address = stub->ip + (uint64_t)(int64_t)posix_stub_field(bytes + 3);
		stub->has_return_address = true;
		return bytes[1] == 0x8d && bytes[2] == 0x0d;
	case 0x65:
		stub->has_left = true;
		return bytes[1] == 0xff && bytes[2] == 0x24 && bytes[3] == 0x25 &&
			posix_stub_field(bytes + 4) == (int32_t)POSIX_STUB_SLOT;
	default: return false;
	}
}

#endif
