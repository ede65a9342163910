/* SPDX-License-Identifier: MIT */
/* What /proc and sysfs tell of block devices in one line each. */
#include <abi/linux/stat.h>
#include <base/format.h>
#include <hel/hel-calls.h>
#include <posix/server/fs/block.h>
#include <protocols/fs/counters.h>

#include <stdarg.h>

constexpr uint64_t NS_PER_MS = 1000000;

/* Appends to a text that may have been cut already. */
PRINTF_LIKE(4, 5)
static size_t append(char *buffer, size_t size, size_t used, const char *format, ...)
{
	size_t at = min_size(used, size);
	va_list arguments;

	va_start(arguments, format);
	used += vformat_to(buffer + at, size - at, format, arguments);
	va_end(arguments);
	return used;
}

size_t block_partitions_print(char *buffer, size_t size)
{
	size_t used = append(buffer, size, 0, "major minor  #blocks  name\n\n");

	for (struct block *block = block_next(NULL); block != NULL; block = block_next(block)) {
		if (block->is_shown && block_n_sectors(block) > 0) {
			used = append(buffer, size, used, "%4u  %7u %10llu %s\n",
				linux_major(block->volume.rdev), linux_minor(block->volume.rdev),
				(unsigned long long)block_n_sectors(block) / 2,
				block->volume.node_name);
		}
	}
	return used;
}

/* Requests, requests that were merged, sectors, milliseconds. */
static size_t append_kind(
	char *buffer, size_t size, size_t used, uint64_t n, uint64_t n_bytes, uint64_t time_ns)
{
	return append(buffer, size, used, "%llu 0 %llu %llu ", (unsigned long long)n,
		(unsigned long long)n_bytes / BLOCK_SECTOR,
		(unsigned long long)(time_ns / NS_PER_MS));
}

/* What the server has counted; zeros if it does not. */
static struct fs_counters read_counters(const struct block *block)
{
	struct fs_counters counters = { 0 };

	if (block->counters != HEL_NULL &&
		hel_memory_read(block->counters, 0, &counters, sizeof(counters)) != 0) {
		counters = (struct fs_counters){ 0 };
	}
	return counters;
}

/* The 17 numbers of a device. */
static size_t append_counters(char *buffer, size_t size, size_t used, const struct block *block)
{
	const struct fs_counters counters = read_counters(block);
	uint64_t all_ns =
		counters.read_ns + counters.write_ns + counters.discard_ns + counters.flush_ns;

	used = append_kind(
		buffer, size, used, counters.n_reads, counters.n_read_bytes, counters.read_ns);
	used = append_kind(
		buffer, size, used, counters.n_writes, counters.n_written_bytes, counters.write_ns);
	used = append(buffer, size, used, "%llu %llu %llu ",
		(unsigned long long)(counters.n_reads_now + counters.n_writes_now),
		(unsigned long long)(counters.busy_ns / NS_PER_MS),
		(unsigned long long)(all_ns / NS_PER_MS));
	used = append_kind(buffer, size, used, counters.n_discards, counters.n_discarded_bytes,
		counters.discard_ns);
	return append(buffer, size, used, "%llu %llu\n", (unsigned long long)counters.n_flushes,
		(unsigned long long)(counters.flush_ns / NS_PER_MS));
}

size_t block_stat_print(const struct block *block, char *buffer, size_t size)
{
	return append_counters(buffer, size, 0, block);
}

size_t block_in_flight_print(const struct block *block, char *buffer, size_t size)
{
	const struct fs_counters counters = read_counters(block);

	return append(buffer, size, 0, "%8llu %8llu\n", (unsigned long long)counters.n_reads_now,
		(unsigned long long)counters.n_writes_now);
}

size_t block_diskstats_print(char *buffer, size_t size)
{
	size_t used = 0;

	for (struct block *block = block_next(NULL); block != NULL; block = block_next(block)) {
		if (block->is_shown) {
			used = append(buffer, size, used, "%4u %7u %s ",
				linux_major(block->volume.rdev), linux_minor(block->volume.rdev),
				block->volume.node_name);
			used = append_counters(buffer, size, used, block);
		}
	}
	return used;
}
