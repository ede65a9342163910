/* SPDX-License-Identifier: MIT */
/*
 * Reading the tags of Multiboot 2.
 *
 * The information begins with its size, the tags follow, each on a multiple of 8 bytes. A tag
 * begins with its type and its size, which counts this head but not the padding.
 */
#include "tags.h"

#include <base/string.h>

#define TAG_ALIGNMENT 8

enum tag_type : uint32_t {
	TAG_END = 0,
	TAG_COMMAND_LINE = 1,
	TAG_MODULE = 3,
	TAG_MEMORY = 6,
	TAG_FRAMEBUFFER = 8,
	TAG_ACPI_OLD = 14,
	TAG_ACPI_NEW = 15,
};

enum tag_memory_type : uint32_t { TAG_MEMORY_RAM = 1, TAG_MEMORY_ACPI = 3 };

struct info_head {
	uint32_t size;
	uint32_t reserved;
};

struct tag {
	uint32_t type;
	uint32_t size;
};

struct tag_module {
	struct tag tag;
	uint32_t start, end;
};

struct tag_memory {
	struct tag tag;
	uint32_t entry_size;
	uint32_t entry_version;
};

struct tag_memory_entry {
	uint64_t address;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

#define TAG_FRAMEBUFFER_RGB 1

struct tag_framebuffer {
	struct tag tag;
	uint64_t address;
	uint32_t pitch, width, height;
	uint8_t bits_per_pixel;
	uint8_t type;
	uint16_t reserved;
};

static const char *tags_read_command_line(
	const uint8_t *data, size_t size, struct boot_source *source)
{
	const char *text = (const char *)data + sizeof(struct tag);

	if (strnlen(text, size - sizeof(struct tag)) == size - sizeof(struct tag)) {
		return "the command line has no end";
	}
	source->command_line = text;
	return NULL;
}

static const char *tags_read_module(const uint8_t *data, size_t size, struct boot_source *source)
{
	struct tag_module module;

	if (size < sizeof(module)) {
		return "the tag of a module is too short";
	}
	memcpy(&module, data, sizeof(module));
	if (module.end < module.start) {
		return "a module ends before it begins";
	}
	if (source->initrd_size != 0) {
		return "there is more than one module";
	}
	source->initrd_phys = module.start;
	source->initrd_size = module.end - module.start;
	return NULL;
}

static const char *tags_read_memory(const uint8_t *data, size_t size, struct boot_source *source)
{
	struct tag_memory head;
	struct tag_memory_entry entry;

	if (size < sizeof(head)) {
		return "the tag of the memory map is too short";
	}
	memcpy(&head, data, sizeof(head));
	if (head.entry_size < sizeof(entry)) {
		return "entries of the memory map are too short";
	}
	for (size_t at = sizeof(head); size - at >= head.entry_size; at += head.entry_size) {
		uint32_t type = BOOT_MEMORY_RESERVED;

		memcpy(&entry, &data[at], sizeof(entry));
		if (entry.type == TAG_MEMORY_RAM) {
			type = BOOT_MEMORY_FREE;
		} else if (entry.type == TAG_MEMORY_ACPI) {
			type = BOOT_MEMORY_ACPI;
		}
		if (!boot_source_add(source, entry.address, entry.size, type)) {
			return "the memory map has too many entries";
		}
	}
	return NULL;
}

/* Text modes have a tag, too. */
static const char *tags_read_framebuffer(
	const uint8_t *data, size_t size, struct boot_source *source)
{
	struct tag_framebuffer tag;

	if (size < sizeof(tag)) {
		return "the tag of the framebuffer is too short";
	}
	memcpy(&tag, data, sizeof(tag));
	if (tag.type == TAG_FRAMEBUFFER_RGB) {
		source->framebuffer = (struct boot_framebuffer){
			.address_phys = tag.address,
			.width = tag.width,
			.height = tag.height,
			.pitch = tag.pitch,
			.bits_per_pixel = tag.bits_per_pixel,
		};
	}
	return NULL;
}

/* A copy of the table; the new one (ACPI 2.0), which is longer, counts if there are both. */
static const char *tags_read_acpi(const uint8_t *data, size_t size, struct boot_source *source)
{
	size_t n = min_size(size - sizeof(struct tag), sizeof(source->rsdp));

	if (n > source->rsdp_size) {
		memcpy(source->rsdp, data + sizeof(struct tag), n);
		source->rsdp_size = (uint32_t)n;
	}
	return NULL;
}

static const char *tags_read_one(
	uint32_t type, const uint8_t *data, size_t size, struct boot_source *source)
{
	switch (type) {
	case TAG_COMMAND_LINE: return tags_read_command_line(data, size, source);
	case TAG_MODULE: return tags_read_module(data, size, source);
	case TAG_MEMORY: return tags_read_memory(data, size, source);
	case TAG_FRAMEBUFFER: return tags_read_framebuffer(data, size, source);
	case TAG_ACPI_OLD:
	case TAG_ACPI_NEW: return tags_read_acpi(data, size, source);
	default: return NULL;
	}
}

const char *tags_read(const void *info, size_t size_max, struct boot_source *source)
{
	const uint8_t *data = info;
	struct info_head head;
	const char *why = NULL;

	if (size_max < sizeof(head)) {
		return "there is no room for the information";
	}
	memcpy(&head, data, sizeof(head));
	if (head.size < sizeof(head) || head.size > size_max) {
		return "the size of the information is wrong";
	}
	for (uint64_t at = sizeof(head); why == NULL;) {
		struct tag tag;

		if (at > head.size || head.size - at < sizeof(tag)) {
			return "the tags have no end";
		}
		memcpy(&tag, &data[at], sizeof(tag));
		if (tag.type == TAG_END) {
			break;
		}
		if (tag.size < sizeof(tag) || tag.size > head.size - at) {
			return "the size of a tag is wrong";
		}
		why = tags_read_one(tag.type, &data[at], tag.size, source);
		at += align_up(tag.size, TAG_ALIGNMENT);
	}
	return why;
}
