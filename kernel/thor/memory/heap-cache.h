/* SPDX-License-Identifier: MIT */
/*
 * A CPU's own stock of free heap objects: one magazine for each size class of memory/heap.c.
 *
 * Owner CPU only. A magazine is a stack of free objects linked through their first words.
 */
#ifndef THOR_MEMORY_HEAP_CACHE_H
#define THOR_MEMORY_HEAP_CACHE_H

#include <base/types.h>

constexpr uint32_t HEAP_CLASS_COUNT = 19;

struct heap_magazine {
	void *first;
	uint32_t n_objects;
};

struct heap_cache {
	struct heap_magazine magazines[HEAP_CLASS_COUNT];
	/* allocated here less freed here: only the sum over all CPUs has a meaning */
	int64_t used_bytes;
};

#endif
