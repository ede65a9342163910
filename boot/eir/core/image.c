/* SPDX-License-Identifier: MIT */
/* Loading thor. */

#include <eir/core/image.h>

#include <base/cpio.h>
#include <base/string.h>
#include <eir/core/arch.h>
#include <eir/core/boot.h>

#define THOR_PATH "boot/hati/thor"

enum dynamic_tag {
	DYNAMIC_NULL = 0,
	DYNAMIC_RELA = 7,
	DYNAMIC_RELA_SIZE = 8,
	DYNAMIC_RELR_SIZE = 35,
	DYNAMIC_RELR = 36,
};

struct dynamic {
	uint64_t rela, rela_size, relr, relr_size;
};

/* The place of a linked address in the loaded image. */
static void *image_at(const struct image *image, uint64_t vaddr, uint64_t size)
{
	uint64_t offset = vaddr - image->elf.vaddr_start;

	if (offset > image->size || size > image->size - offset) {
		boot_fail("thor: a relocation lies outside the image");
	}
	return (void *)(image->phys + offset);
}

static struct dynamic image_read_dynamic(const struct image *image, const void *file)
{
	struct dynamic dynamic = { 0 };
	const struct elf_dynamic *entries =
		(const struct elf_dynamic *)((const uint8_t *)file + image->elf.dynamic.offset);

	for (size_t i = 0;
		i < image->elf.dynamic.size / sizeof(*entries) && entries[i].tag != DYNAMIC_NULL;
		i++) {
		switch (entries[i].tag) {
		case DYNAMIC_RELA: dynamic.rela = entries[i].value; break;
		case DYNAMIC_RELA_SIZE: dynamic.rela_size = entries[i].value; break;
		case DYNAMIC_RELR: dynamic.relr = entries[i].value; break;
		case DYNAMIC_RELR_SIZE: dynamic.relr_size = entries[i].value; break;
		default: break;
		}
	}
	return dynamic;
}

static void image_apply_rela(const struct image *image, const struct dynamic *dynamic)
{
	const struct elf_rela *rela = image_at(image, dynamic->rela, dynamic->rela_size);

	for (size_t i = 0; i < dynamic->rela_size / sizeof(*rela); i++) {
		void *place = image_at(image, rela[i].offset, sizeof(uint64_t));

		if (!arch_relocate(place, (uint32_t)rela[i].info,
			    image->slide + (uint64_t)rela[i].addend)) {
			boot_fail("thor: relocation type %u is not known", (unsigned)rela[i].info);
		}
	}
}

/* An even word names an address; an odd one is a bitmap of the 63 words behind the last. */
static void image_apply_relr(const struct image *image, const struct dynamic *dynamic)
{
	const uint64_t *relr = image_at(image, dynamic->relr, dynamic->relr_size);
	uint64_t where = 0;

	for (size_t i = 0; i < dynamic->relr_size / sizeof(*relr); i++) {
		if ((relr[i] & 1) == 0) {
			*(uint64_t *)image_at(image, relr[i], sizeof(uint64_t)) += image->slide;
			where = relr[i] + sizeof(uint64_t);
			continue;
		}
		for (unsigned bit = 1; bit < 64; bit++) {
			if ((relr[i] >> bit & 1) != 0) {
				uint64_t vaddr = where + (bit - 1) * sizeof(uint64_t);

				*(uint64_t *)image_at(image, vaddr, sizeof(uint64_t)) +=
					image->slide;
			}
		}
		where += 63 * sizeof(uint64_t);
	}
}

static uint64_t image_choose_slide(const struct image *image, uint64_t seed)
{
	uint64_t room = ARCH_KERNEL_END - image->elf.vaddr_end;

	return seed % (room / ARCH_KERNEL_SLIDE_UNIT) * ARCH_KERNEL_SLIDE_UNIT;
}

static void image_place(struct image *image, const void *file)
{
	uint64_t filled_to = image->elf.vaddr_start;

	for (size_t i = 0; i < image->elf.n_segments; i++) {
		const struct elf_segment *segment = &image->elf.segments[i];
		uint64_t end = segment->vaddr + segment->file_size;

		memset(image_at(image, filled_to, segment->vaddr - filled_to), 0,
			segment->vaddr - filled_to);
		memcpy(image_at(image, segment->vaddr, segment->file_size),
			(const uint8_t *)file + segment->offset, segment->file_size);
		filled_to = end;
	}
	memset(image_at(image, filled_to, image->elf.vaddr_end - filled_to), 0,
		image->elf.vaddr_end - filled_to);
}

void image_load(struct image *out_image, struct memory_map *map, const void *initrd,
	size_t initrd_size, uint64_t seed)
{
	struct image *image = out_image;
	struct cpio_entry entry;

	if (!cpio_find(initrd, initrd_size, THOR_PATH, &entry)) {
		boot_fail("the initrd has no " THOR_PATH);
	}
	struct elf_options options = {
		.machine = ELF_MACHINE_NATIVE,
		.file_size = entry.size,
		.vaddr_start = ARCH_KERNEL_BASE,
		.vaddr_end = ARCH_KERNEL_END,
	};
	int error = elf_parse_with(entry.data, entry.size, &options, &image->elf);

	if (error != 0) {
		boot_fail(THOR_PATH " is not a kernel for this machine (error %d)", error);
	}
	image->size = image->elf.vaddr_end - image->elf.vaddr_start;
	image->phys = memory_map_allocate(map, image->size, BOOT_MEMORY_KERNEL);
	image->slide = seed == 0 ? 0 : image_choose_slide(image, seed);
	image_place(image, entry.data);

	struct dynamic dynamic = image_read_dynamic(image, entry.data);

	image_apply_rela(image, &dynamic);
	image_apply_relr(image, &dynamic);
}

void image_map(const struct image *image, struct memory_map *map, uint64_t root)
{
	for (size_t i = 0; i < image->elf.n_segments; i++) {
		const struct elf_segment *segment = &image->elf.segments[i];
		uint64_t start = align_down(segment->vaddr, MEMORY_PAGE_SIZE);
		uint64_t end = align_up(segment->vaddr + segment->memory_size, MEMORY_PAGE_SIZE);
		uint32_t flags = 0;

		if ((segment->flags & ELF_FLAG_WRITE) != 0) {
			flags |= ARCH_MAP_WRITE;
		}
		if ((segment->flags & ELF_FLAG_EXECUTE) != 0) {
			flags |= ARCH_MAP_EXECUTE;
		}
		if (flags == (ARCH_MAP_WRITE | ARCH_MAP_EXECUTE)) {
			boot_fail("thor: a segment is writable and executable");
		}
		arch_tables_map(map, root, start + image->slide,
			image->phys + (start - image->elf.vaddr_start), end - start, flags);
	}
}
