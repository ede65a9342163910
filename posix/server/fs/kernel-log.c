/* SPDX-License-Identifier: MIT */
/* The kernel's log, for /dev/kmsg. */
#include <hel/hel-calls.h>
#include <helix/log.h>
#include <helix/start.h>
#include <posix/server/fs/kernel-log.h>

void kernel_log_write(const void *text, size_t size)
{
	const char *bytes = text;

	if (size > 3 && bytes[0] == '<' && bytes[2] == '>') {
		bytes += 3;
		size -= 3;
	}
	while (size > 0 && bytes[size - 1] == '\n') {
		size--;
	}
	helix_log(HEL_LOG_INFO, "%.*s", (int)min_size(size, HEL_LOG_MAX), bytes);
}

size_t kernel_log_read(uint64_t *in_out_position, void *buffer, size_t size)
{
	size_t n_bytes;

	if (hel_log_read(helix_start_handle("log"), in_out_position, buffer, size, &n_bytes) < 0) {
		return 0;
	}
	return n_bytes;
}
