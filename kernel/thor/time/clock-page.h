/* SPDX-License-Identifier: MIT */
/* The page from which user mode reads the time without a call: struct hel_clock_page. */
#ifndef THOR_TIME_CLOCK_PAGE_H
#define THOR_TIME_CLOCK_PAGE_H

#include <base/types.h>

struct memory;

/** clock_page_init() - make the page; after the clock is calibrated; -ERR_NO_MEMORY */
MUST_USE int clock_page_init(void);

/** clock_page_memory() - its memory object; borrowed, lives for ever */
struct memory *clock_page_memory(void);

/** clock_page_set_realtime() - what is to be added to the monotonic clock for wall-clock time */
void clock_page_set_realtime(int64_t offset_ns);

#endif
