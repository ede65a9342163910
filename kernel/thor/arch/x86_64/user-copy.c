/* SPDX-License-Identifier: MIT */
/* User copies: the checks before user-copy-asm.S touches anything. */
#include <thor/arch.h>

int arch__user_copy(void *to, const void *from, size_t size);
int arch__user_load_u32(uint64_t address, uint32_t *out_value);

static bool user_range_is_valid(uint64_t address, size_t size)
{
	return address >= ARCH_USER_LOW && address < ARCH_USER_HIGH &&
		size <= ARCH_USER_HIGH - address;
}

int arch_copy_from_user(void *to, uint64_t from, size_t size)
{
	if (size == 0) {
		return 0;
	}
	if (!user_range_is_valid(from, size)) {
		return -ERR_FAULT;
	}
	return arch__user_copy(to, (const void *)from, size);
}

int arch_copy_to_user(uint64_t to, const void *from, size_t size)
{
	if (size == 0) {
		return 0;
	}
	if (!user_range_is_valid(to, size)) {
		return -ERR_FAULT;
	}
	return arch__user_copy((void *)to, from, size);
}

int arch_user_load_u32(uint64_t address, uint32_t *out_value)
{
	if (!user_range_is_valid(address, sizeof(*out_value))) {
		return -ERR_FAULT;
	}
	return arch__user_load_u32(address, out_value);
}
