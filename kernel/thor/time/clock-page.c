/* SPDX-License-Identifier: MIT */
/* The clock page: see clock-page.h. */
#include <thor/time/clock-page.h>

#include <thor/arch.h>
#include <thor/init/init.h>
#include <thor/memory/memory.h>
#include <thor/panic.h>

static struct memory *clock_memory;
static struct hel_clock_page *clock_page;

int clock_page_init(void)
{
	uint64_t phys;
	int error = memory_create_allocated(HEL_PAGE_SIZE, HEL_ALLOCATE_CONTIGUOUS, &clock_memory);

	if (error != 0) {
		return error;
	}
	error = memory_get_frame(clock_memory, 0, true, &phys);
	if (error != 0) {
		return error;
	}
	/* The reference to the frame is kept: the kernel may write it at any time. */
	clock_page = arch_phys_to_virt(phys);
	arch_clock_fill_page(clock_page);
	return 0;
}

void clock_page_set_realtime(int64_t offset_ns)
{
	/* One word that belongs to no other field, so readers need no new sequence. */
	__atomic_store_n(&clock_page->realtime_offset_ns, offset_ns, __ATOMIC_RELAXED);
}

struct memory *clock_page_memory(void)
{
	return clock_memory;
}

static void clock_page_start(UNUSED const struct boot_info *boot)
{
	if (clock_page_init() != 0) {
		panic("start: no memory for the clock page");
	}
}
INIT_TASK(clock_page, "clock-page", .run = clock_page_start, .needs = { "memory", "clock" },
	.provides = { "ready" });
