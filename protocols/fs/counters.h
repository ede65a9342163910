/* SPDX-License-Identifier: MIT */
/*
 * What was transferred from and to a volume: the start of the memory that `counters` of the
 * protocol `volume` gives (fs.bragi). The server writes it, who reads it may see a state between
 * two.
 */
#ifndef PROTOCOLS_FS_COUNTERS_H
#define PROTOCOLS_FS_COUNTERS_H

#include <stdint.h>

/* Requests, bytes and the time that requests took, each from when it was asked until it ended. */
struct fs_counters {
	uint64_t n_reads, n_read_bytes, read_ns;
	uint64_t n_writes, n_written_bytes, write_ns; /* also of zeros */
	uint64_t n_discards, n_discarded_bytes, discard_ns;
	uint64_t n_flushes, flush_ns;
	uint64_t n_reads_now, n_writes_now; /* under way; all but reads are writes here */
	uint64_t busy_ns; /* while any was under way, until the last one ended */
};

#endif
