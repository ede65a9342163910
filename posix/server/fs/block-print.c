/* SPDX-License-Identifier: MIT */
/* What /proc and sysfs tell of block devices in one line each. */
#include <abi/linux/stat.h>
#include <base/format.h>
#include <posix/server/fs/block.h>

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

/* The 17 numbers of a device; `separator` is what stands between them and what was before. */
static size_t append_counters(
	char *buffer, size_t size, size_t used, const struct block_counters *counters)
{
	uint64_t busy_ns =
		counters->read_ns + counters->write_ns + counters->discard_ns + counters->flush_ns;
	unsigned long long busy_ms = busy_ns / NS_PER_MS;

	used = append_kind(
		buffer, size, used, counters->n_reads, counters->n_read_bytes, counters->read_ns);
	used = append_kind(buffer, size, used, counters->n_writes, counters->n_written_bytes,
		counters->write_ns);
	used = append(buffer, size, used, "0 %llu %llu ", busy_ms, busy_ms);
	used = append_kind(buffer, size, used, counters->n_discards, counters->n_discarded_bytes,
		counters->discard_ns);
	return append(buffer, size, used, "%llu %llu\n", (unsigned long long)counters->n_flushes,
		(unsigned long long)(counters->flush_ns / NS_PER_MS));
}

size_t block_stat_print(const struct block *block, char *buffer, size_t size)
{
	return append_counters(buffer, size, 0, &block->counters);
}

size_t block_diskstats_print(char *buffer, size_t size)
{
	size_t used = 0;

	for (struct block *block = block_next(NULL); block != NULL; block = block_next(block)) {
		if (block->is_shown) {
			used = append(buffer, size, used, "%4u %7u %s ",
				linux_major(block->volume.rdev), linux_minor(block->volume.rdev),
				block->volume.node_name);
			used = append_counters(buffer, size, used, &block->counters);
		}
	}
	return used;
}
