/* SPDX-License-Identifier: MIT */
/*
 * Monotonic time without a call: the clock page, mapped when the time is first asked for.
 *
 * A program that cannot map it asks the kernel each time.
 */
#include <helix/await.h>
#include <helix/memory.h>

#include <base/assert.h>

#if defined(HATI_HOST)
#include <helix/arch/sim/ticks.h>
#elif defined(__x86_64__)
#include <helix/arch/x86_64/ticks.h>
#endif

static const struct hel_clock_page *clock_page;
static bool clock_is_initialised;

static void clock_map_page(void)
{
	hel_handle memory;
	void *page;

	clock_is_initialised = true;
	if (hel_clock_page(&memory) != 0) {
		return;
	}
	if (helix_map(memory, 0, HEL_PAGE_SIZE, HEL_MAP_READ, &page) == 0) {
		clock_page = page;
	}
	hel_close(HEL_THIS, memory);
}

static uint64_t clock_read_page(void)
{
	for (;;) {
		uint32_t sequence = __atomic_load_n(&clock_page->sequence, __ATOMIC_ACQUIRE);
		uint64_t base_ns = __atomic_load_n(&clock_page->base_ns, __ATOMIC_RELAXED);
		uint64_t base_tsc = __atomic_load_n(&clock_page->base_tsc, __ATOMIC_RELAXED);
		uint64_t multiplier = __atomic_load_n(&clock_page->multiplier, __ATOMIC_RELAXED);
		uint64_t ticks = helix_ticks() - base_tsc;

		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if ((sequence & 1) == 0 &&
			__atomic_load_n(&clock_page->sequence, __ATOMIC_RELAXED) == sequence) {
			return base_ns + (uint64_t)(((unsigned __int128)ticks * multiplier) >> 32);
		}
	}
}

uint64_t helix_now_ns(void)
{
	uint64_t now_ns;

	if (!clock_is_initialised) {
		clock_map_page();
	}
	if (clock_page != NULL) {
		return clock_read_page();
	}
	int error = hel_clock_get(&now_ns);

	ASSERT(error == 0);
	return now_ns;
}
