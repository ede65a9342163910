/* SPDX-License-Identifier: MIT */
/*
 * Frames for large pages: runs of zeros, prepared in slices.
 *
 * Clearing 2 MiB takes 300,000 instructions, too long for one go. Each CPU has at most one run that
 * it prepares: whoever wants one clears a part of it (frame_large_clear()) and tries again, after
 * others had their turn. The run belongs to no one meanwhile, so it does not matter if the next to
 * want one is somebody else; whoever finds it ready takes it.
 *
 * Runs are taken only while so much is free that nobody misses them, and a CPU that runs out of
 * single pages gives its own back.
 */
#include <thor/memory/frame.h>

#include <thor/cpu.h>

constexpr unsigned FRAME_LARGE_ORDER = 9;
constexpr uint32_t FRAME_LARGE_PAGES = 1u << FRAME_LARGE_ORDER;
constexpr uint32_t FRAME_LARGE_SLICE = 16; /* 9,500 instructions */

static_assert(FRAME_LARGE_PAGES == ARCH_LARGE_PAGES);
static_assert(FRAME_LARGE_PAGES % FRAME_LARGE_SLICE == 0);

bool frame_large_begin(void)
{
	struct frame_cache *cache = &arch_this_cpu()->frames;

	if (cache->large_phys == 0 && frame_has_spare(FRAME_LARGE_PAGES)) {
		cache->large_phys = frame_allocate_run(FRAME_LARGE_ORDER, UINT64_MAX);
		cache->n_large_clear = 0;
	}
	return cache->large_phys != 0;
}

bool frame_large_is_ready(void)
{
	const struct frame_cache *cache = &arch_this_cpu()->frames;

	return cache->large_phys != 0 && cache->n_large_clear == FRAME_LARGE_PAGES;
}

void frame_large_clear(void)
{
	struct frame_cache *cache = &arch_this_cpu()->frames;
	uint32_t end = cache->n_large_clear + FRAME_LARGE_SLICE;

	ASSERT(cache->large_phys != 0 && end <= FRAME_LARGE_PAGES);
	for (; cache->n_large_clear < end; cache->n_large_clear++) {
		frame_clear(cache->large_phys + cache->n_large_clear * FRAME_SIZE);
	}
}

uint64_t frame_large_take(void)
{
	struct frame_cache *cache = &arch_this_cpu()->frames;
	uint64_t phys = cache->large_phys;

	ASSERT(frame_large_is_ready());
	cache->large_phys = 0;
	frame_split_run(phys, FRAME_LARGE_ORDER);
	return phys;
}

bool frame_large_drop(void)
{
	struct frame_cache *cache = &arch_this_cpu()->frames;
	uint64_t phys = cache->large_phys;

	cache->large_phys = 0;
	if (phys != 0) {
		frame_free_run(phys, FRAME_LARGE_ORDER);
	}
	return phys != 0;
}
