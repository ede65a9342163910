/* SPDX-License-Identifier: MIT */
/*
 * Windows: pages that the kernel maps for itself for a while, for kernlets.
 *
 * Unlike what kernel-map.c maps these go again, and their addresses are used for others. Only
 * kernlets use them, so no CPU has to be told when a window goes: one whose TLB may be older than
 * a window forgets everything before it runs a kernlet (arch_kernlet_run()). Windows come and go
 * with drivers, so that is rare.
 *
 * The tables below the root's entry are made as they are needed and stay. They are others than
 * kernel-map.c's, and the address space is so small that they cost little.
 */
#include <base/bitmap.h>
#include <thor/cpu.h>
#include <thor/kernlet/context.h>
#include <thor/memory/memory.h>

#include "machine.h"
#include "page-entry.h"
#include "registers.h"

#define WINDOW_PAGES (MIB(16) / PAGE_SIZE_BYTES) /* so few that a search is short */

const uint8_t arch_kernlet_filler = 0xcc; /* int3 */

static struct spinlock window_lock = { .rank = LOCK_RANK_WINDOWS };
static uint64_t window_used[BITMAP_WORDS(WINDOW_PAGES)]; /* guarded by window_lock */
/* Counts windows that were made. */
static _Atomic uint64_t window_generation;

static uint64_t window_bits(uint32_t flags)
{
	uint64_t bits = 0;

	bits |= (flags & ARCH_PAGE_WRITE) != 0 ? PAGE_WRITE : 0;
	bits |= (flags & ARCH_PAGE_EXECUTE) != 0 ? 0 : PAGE_NO_EXECUTE;
	bits |= (flags & ARCH_PAGE_UNCACHED) != 0 ? PAGE_UNCACHED : 0;
	bits |= (flags & ARCH_PAGE_WRITE_COMBINE) != 0 ? PAGE_WRITE_COMBINE : 0;
	return bits;
}

static void window_unmap_locked(uint64_t address, uint32_t n_pages)
{
	for (uint32_t i = 0; i < n_pages; i++) {
		kernel_unmap_page(address + i * PAGE_SIZE_BYTES);
	}
}

int arch_window_map(const uint64_t *phys, uint32_t n_pages, uint32_t flags, uint64_t *out_address)
{
	int error = 0;

	spinlock_acquire(&window_lock);
	/* One more, which stays unmapped. */
	size_t first = bitmap_find_clear_run(window_used, WINDOW_PAGES, n_pages + 1);
	uint64_t address = WINDOW_BASE + first * PAGE_SIZE_BYTES;

	if (first == BITMAP_NONE) {
		error = -ERR_NO_SPACE;
	}
	for (uint32_t i = 0; i < n_pages && error == 0; i++) {
		error = kernel_map_page(address + i * PAGE_SIZE_BYTES, phys[i], window_bits(flags));
		if (error != 0) {
			window_unmap_locked(address, i);
		}
	}
	if (error == 0) {
		for (uint32_t i = 0; i <= n_pages; i++) {
			bitmap_set(window_used, first + i);
		}
		atomic_fetch_add_explicit(&window_generation, 1, memory_order_release);
		*out_address = address;
	}
	spinlock_release(&window_lock);
	return error;
}

void arch_window_unmap(uint64_t address, uint32_t n_pages)
{
	size_t first = (address - WINDOW_BASE) / PAGE_SIZE_BYTES;

	spinlock_acquire(&window_lock);
	window_unmap_locked(address, n_pages);
	for (uint32_t i = 0; i <= n_pages; i++) {
		bitmap_clear(window_used, first + i);
	}
	spinlock_release(&window_lock);
}

/* Forget all translations, the kernel's, too. */
static void window_flush(void)
{
	uint64_t cr4 = cr4_read();

	cr4_write(cr4 & ~CR4_PGE);
	cr4_write(cr4);
}

uint64_t arch_kernlet_run(struct kernlet_context *context, uint64_t sequence, uint32_t frame_size)
{
	struct arch_cpu *cpu = &arch_this_cpu()->arch;
	uint64_t generation = atomic_load_explicit(&window_generation, memory_order_acquire);

	if (cpu->window_generation != generation) {
		window_flush();
		cpu->window_generation = generation;
	}
	return arch__kernlet_enter(context, sequence, frame_size);
}
