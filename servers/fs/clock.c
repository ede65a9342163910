/* SPDX-License-Identifier: MIT */
/* The wall clock: see clock.h. */
#include "clock.h"

#include <helix/helix.h>

static const struct hel_clock_page *page; /* NULL: it could not be had */

static void map_page(void)
{
	hel_handle memory;
	void *address;

	if (hel_clock_page(&memory) != 0) {
		return;
	}
	if (helix_map(memory, 0, HEL_PAGE_SIZE, HEL_MAP_READ, &address) == 0) {
		page = address;
	}
	hel_close(HEL_THIS, memory);
}

int64_t fs_realtime_ns(void)
{
	static bool is_mapped;
	int64_t now_ns = (int64_t)helix_now_ns();

	if (!is_mapped) {
		is_mapped = true;
		map_page();
	}
	return page == NULL ? now_ns
			    : now_ns + __atomic_load_n(&page->realtime_offset_ns, __ATOMIC_RELAXED);
}
