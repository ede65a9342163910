/* SPDX-License-Identifier: MIT */
/*
 * Counters of a volume, in memory that clients read (protocols/fs/counters.h).
 *
 * They are the owner of the volume's device, by which requests are counted; a partition's count for
 * the whole disk as well.
 */
#ifndef FS_COUNTERS_H
#define FS_COUNTERS_H

#include <drivers/lib/blockfs/device.h>
#include <helix/helix.h>
#include <protocols/fs/counters.h>

struct counters {
	hel_handle memory;
	struct fs_counters *values; /* NULL: there are none */
	uint64_t busy_since_ns;
};

/** counters_init() - 0 or -ERR_NO_MEMORY */
MUST_USE int counters_init(struct counters *counters);

/** counters_deinit() - no request of the owner is under way; harmless without counters */
void counters_deinit(struct counters *counters);

/** counters_begin() - a request is under way; @counters: NULL: nobody's */
void counters_begin(
	struct counters *counters, const struct device_request *request, uint64_t now_ns);

/** counters_end() - it is over: @took_ns ago it was begun */
void counters_end(struct counters *counters, const struct device_request *request, uint64_t now_ns,
	uint64_t took_ns);

#endif
