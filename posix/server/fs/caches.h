/* SPDX-License-Identifier: MIT */
/* The caches of a processor, as it describes them. */
#ifndef POSIX_FS_CACHES_H
#define POSIX_FS_CACHES_H

#include <base/types.h>

enum cache_type : uint32_t { CACHE_DATA = 1, CACHE_INSTRUCTION = 2, CACHE_UNIFIED = 3 };

struct processor_cache {
	enum cache_type type;
	uint32_t level;
	uint32_t line_bytes, n_partitions, n_ways, n_sets;
	uint32_t n_sharing; /* processors with neighbouring numbers that may share it, at most */
};

/**
 * processor_cache() - cache @index, from 0 on, of the processor that this runs on
 *
 * Return: false: it has no more.
 */
bool processor_cache(uint32_t index, struct processor_cache *out_cache);

#endif
