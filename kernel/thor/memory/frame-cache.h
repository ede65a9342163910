/* SPDX-License-Identifier: MIT */
/*
 * A CPU's own stock of free pages, so that most allocations and frees take no lock.
 *
 * Owner CPU only (thor runs with interrupts off). Filled and emptied in batches by memory/frame.c.
 */
#ifndef THOR_MEMORY_FRAME_CACHE_H
#define THOR_MEMORY_FRAME_CACHE_H

#include <base/types.h>

constexpr uint32_t FRAME_CACHE_MAX = 64;
constexpr uint32_t FRAME_CACHE_BATCH_ORDER = 5; /* 32 pages go to and fro at once */
constexpr uint32_t FRAME_CACHE_BATCH = 1u << FRAME_CACHE_BATCH_ORDER;

struct frame_cache {
	uint32_t n_frames;
	uint32_t n_large_clear; /* pages of `large_phys` that are zero already */
	uint64_t large_phys; /* see frame-large.c; 0: none */
	uint32_t frames[FRAME_CACHE_MAX]; /* page numbers; the last one is taken first */
};

#endif
