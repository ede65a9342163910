/* SPDX-License-Identifier: MIT */
/* How much memory the machine has. */
#include <hel/hel-calls.h>
#include <helix/start.h>
#include <posix/server/vfs/memory-size.h>

constexpr uint64_t MEMORY_SIZE_GUESS = MIB(256);

uint64_t memory_size_bytes(void)
{
	static uint64_t size;
	struct hel_kernel_stats stats;

	if (size == 0) {
		size = MEMORY_SIZE_GUESS;
		if (hel_kernel_stats(helix_start_handle("statistics"), &stats) == 0) {
			size = stats.memory_total_bytes;
		}
	}
	return size;
}
