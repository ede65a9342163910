/* SPDX-License-Identifier: MIT */
/*
 * Windows of the simulated machine: its memory, mapped a second time. Kernlets are code of the
 * host's processor, which has to be the right one.
 */
#include <thor/arch/sim/sim.h>

#include <base/assert.h>
#include <thor/kernlet/context.h>
#include <thor/memory/memory.h>

#include <sys/mman.h>

const uint8_t arch_kernlet_filler = 0xcc;

static uint32_t window_n_pages; /* that are mapped */

uint32_t sim_window_pages(void)
{
	return window_n_pages;
}

static int window_protection(uint32_t flags)
{
	return PROT_READ | ((flags & ARCH_PAGE_WRITE) != 0 ? PROT_WRITE : 0) |
		((flags & ARCH_PAGE_EXECUTE) != 0 ? PROT_EXEC : 0);
}

int arch_window_map(const uint64_t *phys, uint32_t n_pages, uint32_t flags, uint64_t *out_address)
{
	size_t size = (n_pages + 1) * HEL_PAGE_SIZE;
	uint8_t *window =
		mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(window != MAP_FAILED);
	for (uint32_t i = 0; i < n_pages; i++) {
		if (!sim_has_memory(phys[i])) {
			munmap(window, size);
			return -ERR_UNSUPPORTED;
		}
		/* A size of 0 maps shared memory once more. */
		void *page = mremap(sim_memory + phys[i], 0, HEL_PAGE_SIZE,
			MREMAP_MAYMOVE | MREMAP_FIXED, window + i * HEL_PAGE_SIZE);

		ASSERT(page != MAP_FAILED);
		int failed = mprotect(page, HEL_PAGE_SIZE, window_protection(flags));

		ASSERT(failed == 0);
	}
	window_n_pages += n_pages;
	*out_address = (uint64_t)window;
	return 0;
}

void arch_window_unmap(uint64_t address, uint32_t n_pages)
{
	window_n_pages -= n_pages;
	munmap((void *)address, (n_pages + 1) * HEL_PAGE_SIZE);
}

uint64_t arch_kernlet_run(struct kernlet_context *context, uint64_t sequence, uint32_t frame_size)
{
	return arch__kernlet_enter(context, sequence, frame_size);
}
