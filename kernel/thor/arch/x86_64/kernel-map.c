/* SPDX-License-Identifier: MIT */
/*
 * The kernel's half of all address spaces.
 *
 * eir has mapped RAM and thor's image; thor adds one entry of the root for what it maps itself:
 * stacks with guard pages, device registers.  The entries of the root are fixed before the first
 * space is made, so that each space's root is a copy; below them tables are shared, and nothing
 * is ever unmapped, but for windows (window.c).
 *
 * Only the boot CPU maps (before and while it starts the others), so there is no lock. Windows have
 * a part of the addresses, tables and a lock of their own.
 */
#include <base/assert.h>
#include <base/string.h>
#include <thor/memory/memory.h>

#include "kasan.h"
#include "machine.h"
#include "page-entry.h"
#include "registers.h"

#define DYNAMIC_BASE KERNEL_DYNAMIC_BASE
#define DYNAMIC_SIZE GIB(512)

#define STACK_SIZE         (4 * KASAN_STACK_FACTOR * PAGE_SIZE_BYTES)
#define SPECIAL_STACK_SIZE (2 * KASAN_STACK_FACTOR * PAGE_SIZE_BYTES)

static uint64_t kernel_root_phys;
static uint64_t kernel_next_address = DYNAMIC_BASE;

static uint64_t *table_at(uint64_t phys)
{
	return arch_phys_to_virt(phys & PAGE_ADDRESS);
}

uint64_t kernel_map_root(void)
{
	return kernel_root_phys;
}

void kernel_map_init(const struct boot_info *boot)
{
	uint64_t *root = table_at(boot->page_table_phys);
	uint64_t phys = frame_allocate_zeroed();

	ASSERT(phys != 0);
	kernel_root_phys = boot->page_table_phys;
	root[page_index(DYNAMIC_BASE, PAGE_LEVEL_ROOT)] = phys | PAGE_PRESENT | PAGE_WRITE;
}

bool kernel_map_has(uint64_t address)
{
	/* also before kernel_map_init() */
	const uint64_t *table = table_at(cr3_read());

	for (unsigned level = PAGE_LEVEL_ROOT;; level--) {
		uint64_t entry = table[page_index(address, level)];

		if ((entry & PAGE_PRESENT) == 0) {
			return false;
		}
		if (level == 0 || (level < PAGE_LEVEL_ROOT && (entry & PAGE_LARGE) != 0)) {
			return true;
		}
		table = table_at(entry);
	}
}

void kernel_map_fill_root(uint64_t *root)
{
	const uint64_t *from = table_at(kernel_root_phys);

	for (unsigned i = PAGE_ENTRIES / 2; i < PAGE_ENTRIES; i++) {
		if (from[i] != 0) {
			root[i] = from[i];
		}
	}
}

int kernel_map_page(uint64_t address, uint64_t phys, uint64_t bits)
{
	uint64_t *table = table_at(kernel_root_phys);

	for (unsigned level = PAGE_LEVEL_ROOT; level > 0; level--) {
		uint64_t *entry = &table[page_index(address, level)];

		if (*entry == 0) {
			uint64_t new_phys = frame_allocate_zeroed();

			if (new_phys == 0) {
				return -ERR_NO_MEMORY;
			}
			*entry = new_phys | PAGE_PRESENT | PAGE_WRITE;
		}
		table = table_at(*entry);
	}
	kasan_note_mapping(address, phys);
	table[page_index(address, 0)] = phys | bits | PAGE_PRESENT | PAGE_GLOBAL;
	return 0;
}

void kernel_unmap_page(uint64_t address)
{
	uint64_t *table = table_at(kernel_root_phys);

	for (unsigned level = PAGE_LEVEL_ROOT; level > 0; level--) {
		table = table_at(table[page_index(address, level)]);
	}
	table[page_index(address, 0)] = 0;
}

/* Addresses with an unmapped page at the low end. */
static uint64_t kernel_map_reserve(uint64_t size)
{
	uint64_t address = kernel_next_address + PAGE_SIZE_BYTES;

	ASSERT(size < WINDOW_BASE - address);
	kernel_next_address = address + size;
	return address;
}

static void *kernel_map_range(uint64_t phys, uint64_t size, uint64_t caching)
{
	uint64_t start = align_down(phys, PAGE_SIZE_BYTES);
	uint64_t end = align_up(phys + size, PAGE_SIZE_BYTES);
	uint64_t address = kernel_map_reserve(end - start);

	for (uint64_t offset = 0; offset < end - start; offset += PAGE_SIZE_BYTES) {
		if (kernel_map_page(address + offset, start + offset,
			    caching | PAGE_WRITE | PAGE_NO_EXECUTE) != 0) {
			return NULL;
		}
	}
	return (void *)(address + (phys - start));
}

void *kernel_map_device(uint64_t phys, uint64_t size)
{
	return kernel_map_range(phys, size, PAGE_UNCACHED);
}

void *kernel_map_framebuffer(uint64_t phys, uint64_t size)
{
	return kernel_map_range(phys, size, PAGE_WRITE_COMBINE);
}

static int kernel_map_stack(uint64_t size, uint64_t *out_top)
{
	uint64_t address = kernel_map_reserve(size);

	for (uint64_t offset = 0; offset < size; offset += PAGE_SIZE_BYTES) {
		uint64_t phys = frame_allocate_zeroed();

		if (phys == 0 ||
			kernel_map_page(address + offset, phys, PAGE_WRITE | PAGE_NO_EXECUTE) !=
				0) {
			return -ERR_NO_MEMORY;
		}
	}
	*out_top = address + size;
	return 0;
}

int kernel_map_stacks(struct cpu *cpu)
{
	uint64_t stack_top, ist_tops[IST_STACKS];
	int error = kernel_map_stack(STACK_SIZE, &stack_top);

	for (unsigned i = 0; i < IST_STACKS && error == 0; i++) {
		error = kernel_map_stack(SPECIAL_STACK_SIZE, &ist_tops[i]);
	}
	/* The page behind the last stack stays unmapped, too. */
	kernel_map_reserve(0);
	if (error == 0) {
		cpu_set_stacks(cpu, stack_top, ist_tops);
	}
	return error;
}
