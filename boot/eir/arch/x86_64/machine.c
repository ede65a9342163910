/* SPDX-License-Identifier: MIT */
/* x86-64 for eir: console, stop, randomness, page tables, the jump. */
#include <base/hash.h>
#include <base/string.h>
#include <eir/core/arch.h>
#include <eir/core/boot.h>
#include <eir/core/memory-map.h>

#include "machine.h"

#define COM1             0x3f8
#define DEBUG_EXIT_PORT  0xf4
#define DEBUG_EXIT_PANIC 0x7d

/* The real-mode start of further CPUs needs one page below 1 MiB: see thor's arch/x86_64/smp.c. */
#define TRAMPOLINE_PHYS 0x8000u

#define RELOCATION_RELATIVE 8

ALIGNED(4096) uint64_t eir_pml4[512];
ALIGNED(4096) uint64_t eir_pml3[512];
ALIGNED(4096) uint64_t eir_pml2[6 * 512];
ALIGNED(16) uint8_t eir_stack[EIR_STACK_SIZE];

static void port_write(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t port_read(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void cpuid(uint32_t leaf, uint32_t *out_registers)
{
	__asm__ volatile("cpuid"
		: "=a"(out_registers[0]), "=b"(out_registers[1]), "=c"(out_registers[2]),
		"=d"(out_registers[3])
		: "a"(leaf), "c"(0));
}

/* Only for errors, so the port is set up each time. */
void arch_console_write(const char *text, size_t size)
{
	port_write(COM1 + 1, 0);
	port_write(COM1 + 3, 0x80);
	port_write(COM1 + 0, 1);
	port_write(COM1 + 1, 0);
	port_write(COM1 + 3, 0x03);
	for (size_t i = 0; i < size; i++) {
		for (unsigned tries = 0; tries < 100000 && (port_read(COM1 + 5) & 0x20) == 0;
			tries++) {
		}
		port_write(COM1, (uint8_t)text[i]);
	}
}

void arch_stop(void)
{
	port_write(DEBUG_EXIT_PORT, DEBUG_EXIT_PANIC);
	for (;;) {
		__asm__ volatile("cli; hlt");
	}
}

uint64_t arch_random(void)
{
	static uint64_t state;
	uint32_t registers[4];

	state = hash_combine(state, machine_tsc());
	cpuid(1, registers);
	if ((registers[2] >> 30 & 1) != 0) {
		uint64_t value;
		bool is_valid;

		for (unsigned tries = 0; tries < 16; tries++) {
			__asm__ volatile("rdrand %0" : "=r"(value), "=@ccc"(is_valid));
			if (is_valid) {
				state = hash_combine(state, value);
				break;
			}
		}
	}
	return state != 0 ? state : 1;
}

void arch_reserve(struct memory_map *map)
{
	memory_map_mark(map, 0, MEMORY_PAGE_SIZE, BOOT_MEMORY_RESERVED);
	memory_map_mark(
		map, TRAMPOLINE_PHYS, TRAMPOLINE_PHYS + MEMORY_PAGE_SIZE, BOOT_MEMORY_KERNEL);
}

static uint64_t table_create(struct memory_map *map)
{
	uint64_t phys = memory_map_allocate(map, MEMORY_PAGE_SIZE, BOOT_MEMORY_KERNEL);

	memset((void *)phys, 0, MEMORY_PAGE_SIZE);
	return phys;
}

uint64_t arch_tables_create(struct memory_map *map)
{
	return table_create(map);
}

static bool has_gigabyte_pages(void)
{
	uint32_t registers[4];

	cpuid(0x80000001, registers);
	return (registers[3] >> 26 & 1) != 0;
}

/* The entry for @virt in the table of @level (0: of 4 KiB pages); tables on the way are made. */
static uint64_t *tables_walk(struct memory_map *map, uint64_t root, uint64_t virt, unsigned level)
{
	uint64_t *table = (uint64_t *)root;

	for (unsigned at = 3; at > level; at--) {
		uint64_t *entry = &table[virt >> (12 + 9 * at) & 511];

		if ((*entry & PAGE_PRESENT) == 0) {
			*entry = table_create(map) | PAGE_PRESENT | PAGE_WRITE;
		}
		table = (uint64_t *)(*entry & PAGE_ADDRESS);
	}
	return &table[virt >> (12 + 9 * level) & 511];
}

void arch_tables_map(struct memory_map *map, uint64_t root, uint64_t virt, uint64_t phys,
	uint64_t size, uint32_t flags)
{
	unsigned level_max = has_gigabyte_pages() ? 2 : 1;
	uint64_t bits = PAGE_PRESENT | PAGE_GLOBAL;

	bits |= (flags & ARCH_MAP_WRITE) != 0 ? PAGE_WRITE : 0;
	bits |= (flags & ARCH_MAP_EXECUTE) != 0 ? 0 : PAGE_NO_EXECUTE;
	for (uint64_t done = 0; done < size;) {
		unsigned level = level_max;

		while (level > 0 &&
			(!is_aligned(
				 (virt + done) | (phys + done), UINT64_C(1) << (12 + 9 * level)) ||
				size - done < UINT64_C(1) << (12 + 9 * level))) {
			level--;
		}
		*tables_walk(map, root, virt + done, level) =
			(phys + done) | bits | (level > 0 ? PAGE_LARGE : 0);
		done += UINT64_C(1) << (12 + 9 * level);
	}
}

bool arch_relocate(void *place, uint32_t type, uint64_t base_and_addend)
{
	if (type != RELOCATION_RELATIVE) {
		return false;
	}
	*(uint64_t *)place = base_and_addend;
	return true;
}

/* thor is called as on Linux, whatever the ABI of this file is. */
void arch_enter(uint64_t root, uint64_t entry, uint64_t boot_info, uint64_t direct_map_base)
{
	const uint64_t *table = (const uint64_t *)root;
	uint64_t stack = direct_map_base + (uint64_t)eir_stack + EIR_STACK_SIZE;

	memcpy(&eir_pml4[256], &table[256], 256 * sizeof(uint64_t));
	__asm__ volatile("mov %0, %%rsp\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "push %%rbp\n\t"
			 "jmp *%1"
		:
		: "d"(stack), "a"(entry), "D"(boot_info)
		: "memory");
	__builtin_unreachable();
}
