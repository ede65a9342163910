/* SPDX-License-Identifier: MIT */
/*
 * The common path: memory map, thor's image, page tables, boot-info.
 *
 * Order matters in one way only: everything that the boot protocol left in memory is marked or
 * copied before the first allocation.
 */

#include <eir/core/boot.h>

#include <base/assert.h>
#include <base/format.h>
#include <base/string.h>
#include <eir/core/arch.h>
#include <eir/core/image.h>
#include <eir/core/memory-map.h>

static struct memory_map boot_map;
static struct image boot_image;
static char boot_command_line[BOOT_COMMAND_LINE_MAX];

static void boot_console_sink(UNUSED void *context, const char *text, size_t size)
{
	arch_console_write(text, size);
}

void boot_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	arch_console_write("eir: ", 5);
	format_sink(boot_console_sink, NULL, format, arguments);
	arch_console_write("\n", 1);
	va_end(arguments);
	arch_stop();
}

void assert_fail(const char *file, int line, const char *expression)
{
	boot_fail("%s:%d: assertion failed: %s", file, line, expression);
}

/* Is the word @option on the command line? */
static bool boot_has_option(const char *option)
{
	size_t size = strlen(option);

	for (const char *at = boot_command_line; (at = strstr(at, option)) != NULL; at += size) {
		bool begins = at == boot_command_line || at[-1] == ' ';

		if (begins && (at[size] == ' ' || at[size] == '\0')) {
			return true;
		}
	}
	return false;
}

/* Whole pages with any byte of the range. */
static void boot_mark(uint64_t address, uint64_t size, enum boot_memory_type type)
{
	memory_map_mark(&boot_map, align_down(address, MEMORY_PAGE_SIZE),
		align_up(address + size, MEMORY_PAGE_SIZE), type);
}

/* RAM shrinks to whole pages, everything else grows to them and wins. */
static void boot_build_map(const struct boot_source *source)
{
	const struct boot_framebuffer *framebuffer = &source->framebuffer;
	uint64_t start, end;

	for (uint32_t i = 0; i < source->n_memory; i++) {
		const struct boot_memory *entry = &source->memory[i];

		if (entry->type == BOOT_MEMORY_FREE) {
			start = align_up(entry->address, MEMORY_PAGE_SIZE);
			end = align_down(entry->address + entry->size_bytes, MEMORY_PAGE_SIZE);
			memory_map_mark(&boot_map, start, end, BOOT_MEMORY_FREE);
		}
	}
	for (uint32_t i = 0; i < source->n_memory; i++) {
		const struct boot_memory *entry = &source->memory[i];

		if (entry->type != BOOT_MEMORY_FREE) {
			boot_mark(entry->address, entry->size_bytes,
				(enum boot_memory_type)entry->type);
		}
	}
	boot_mark(framebuffer->address_phys, (uint64_t)framebuffer->pitch * framebuffer->height,
		BOOT_MEMORY_RESERVED);
	boot_mark(source->initrd_phys, source->initrd_size, BOOT_MEMORY_INITRD);
	arch_image_range(&start, &end);
	memory_map_mark(&boot_map, start, end, BOOT_MEMORY_RECLAIM);
	arch_reserve(&boot_map);
}

static uint64_t boot_choose_direct_map(uint64_t seed, uint64_t size)
{
	uint64_t room =
		ARCH_DIRECT_MAP_END - ARCH_DIRECT_MAP_BASE - align_up(size, ARCH_DIRECT_MAP_UNIT);

	return ARCH_DIRECT_MAP_BASE + seed % (room / ARCH_DIRECT_MAP_UNIT) * ARCH_DIRECT_MAP_UNIT;
}

/* Where the root pointer of ACPI is in memory that thor keeps, and lets servers read. */
static uint64_t boot_place_rsdp(const struct boot_source *source)
{
	if (source->rsdp_phys != 0 || source->rsdp_size == 0) {
		return source->rsdp_phys;
	}
	uint64_t phys = memory_map_allocate(&boot_map, MEMORY_PAGE_SIZE, BOOT_MEMORY_ACPI);

	memset((void *)phys, 0, MEMORY_PAGE_SIZE);
	memcpy((void *)phys, source->rsdp, source->rsdp_size);
	return phys;
}

/* The last step: after the copy of the memory map nothing may be allocated any more. */
static uint64_t boot_fill_info(
	const struct boot_source *source, uint64_t direct_map_base, uint64_t root, bool is_random)
{
	uint64_t rsdp_phys = boot_place_rsdp(source);
	uint64_t phys =
		memory_map_allocate(&boot_map, sizeof(struct boot_info), BOOT_MEMORY_KERNEL);
	struct boot_info *info = (struct boot_info *)phys;

	memset(info, 0, sizeof(*info));
	info->magic = BOOT_INFO_MAGIC;
	info->version = BOOT_INFO_VERSION;
	info->size_bytes = sizeof(*info);
	info->direct_map_base = direct_map_base;
	info->kernel_base = boot_image.elf.vaddr_start + boot_image.slide;
	info->kernel_phys = boot_image.phys;
	info->kernel_size = boot_image.size;
	info->kernel_slide = boot_image.slide;
	info->page_table_phys = root;
	info->rsdp_phys = rsdp_phys;
	info->initrd_phys = source->initrd_phys;
	info->initrd_size = source->initrd_size;
	for (size_t i = 0; i < ARRAY_SIZE(info->random_seed) && is_random; i++) {
		info->random_seed[i] = arch_random();
	}
	info->tsc_at_entry = source->tsc_at_entry;
	info->framebuffer = source->framebuffer;
	info->n_memory = boot_map.n_entries;
	memcpy(info->memory, boot_map.entries, boot_map.n_entries * sizeof(boot_map.entries[0]));
	memcpy(info->command_line, boot_command_line, sizeof(boot_command_line));
	return phys;
}

void boot_run(struct boot_source *source)
{
	const char *why = boot_source_check(source);

	if (why != NULL) {
		boot_fail("%s", why);
	}
	str_copy(boot_command_line, sizeof(boot_command_line),
		source->command_line != NULL ? source->command_line : "");
	boot_build_map(source);

	bool is_random = !boot_has_option("nokaslr");
	uint64_t direct_map_size = max_u64(memory_map_top(&boot_map), GIB(4));
	uint64_t direct_map_base = is_random
		? boot_choose_direct_map(arch_random(), direct_map_size)
		: ARCH_DIRECT_MAP_BASE;
	uint64_t root = arch_tables_create(&boot_map);

	image_load(&boot_image, &boot_map, (const void *)source->initrd_phys, source->initrd_size,
		is_random ? arch_random() : 0);
	image_map(&boot_image, &boot_map, root);
	arch_tables_map(&boot_map, root, direct_map_base, 0, direct_map_size, ARCH_MAP_WRITE);

	uint64_t info = boot_fill_info(source, direct_map_base, root, is_random);

	arch_enter(root, boot_image.elf.entry + boot_image.slide, direct_map_base + info,
		direct_map_base);
}
