/* SPDX-License-Identifier: MIT */
/*
 * Memory of the program's for one call, where a vector has to be in one piece: what goes as one
 * message or record, and has more parts than a request.
 */
#include "calls.h"

constexpr uint64_t PROT_READ_WRITE = 3, MAP_PRIVATE_ANONYMOUS = 0x22, NR_MMAP = 9, NR_MUNMAP = 11;

int64_t shim_scratch_map(uint64_t size)
{
	return shim_mmap(0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, ~(uint64_t)0, 0, NR_MMAP);
}

void shim_scratch_unmap(uint64_t address, uint64_t size)
{
	(void)shim_munmap(address, size, 0, 0, 0, 0, NR_MUNMAP);
}

int64_t shim_scratch_copy(uint64_t to, uint64_t from, uint64_t size)
{
	uint8_t bytes[512];

	for (uint64_t done = 0; done < size;) {
		uint64_t n = size - done < sizeof(bytes) ? size - done : sizeof(bytes);

		if (shim_get(bytes, from + done, n) || shim_put(to + done, bytes, n)) {
			return -LINUX_EFAULT;
		}
		done += n;
	}
	return 0;
}
