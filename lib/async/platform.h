/* SPDX-License-Identifier: MIT */
/*
 * What a loop needs from the system below it: time, events, memory for stacks.
 *
 * lib/helix implements this over hel, test-loop.h over virtual time. An implementation embeds
 * `struct async_platform` and finds itself with container_of().
 */
#ifndef ASYNC_PLATFORM_H
#define ASYNC_PLATFORM_H

#include <base/types.h>

struct async_platform;

/** ASYNC_NO_DEADLINE - wait as long as it takes */
#define ASYNC_NO_DEADLINE UINT64_MAX

/*
 * Stacks lie in one region of equal slots. The lowest `guard_size` bytes of each slot must fault
 * when touched; the rest appears, zeroed, page by page as it is used.
 *
 *	base            base + slot_size
 *	| guard | stack | guard | stack | ...
 */
struct async_stacks {
	uint8_t *base;
	size_t slot_size;
	size_t guard_size;
	size_t n_slots;
};

struct async_platform_ops {
	/* Monotonic time in nanoseconds. */
	uint64_t (*now_ns)(struct async_platform *platform);
	/*
	 * Collect events: op_complete() what has finished. Returns when there was at least one
	 * event, at @deadline_ns, or for no reason; 0 does not wait. Called on a pooled stack,
	 * never recursively. Returns false if there can be no event any more (only tests end this
	 * way): the loop then returns from loop_run().
	 */
	bool (*wait)(struct async_platform *platform, uint64_t deadline_ns);
	/* Provide the region that @stacks describes and set `base`. 0 or -ERR_X. */
	int (*map_stacks)(struct async_platform *platform, struct async_stacks *stacks);
	/* Give the region back. */
	void (*unmap_stacks)(struct async_platform *platform, struct async_stacks *stacks);
};

struct async_platform {
	const struct async_platform_ops *ops;
};

#endif
