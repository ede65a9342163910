/* SPDX-License-Identifier: MIT */
/* The clock page: see clock-page.h. */
#include <thor/time/clock-page.h>

#include <thor/arch.h>
#include <thor/memory/memory.h>

static struct memory *clock_memory;

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
	arch_clock_fill_page(arch_phys_to_virt(phys));
	return 0;
}

struct memory *clock_page_memory(void)
{
	return clock_memory;
}
