/* SPDX-License-Identifier: MIT */
/* Choosing a structure, a field of it and a value that lies: see hostile.h. */
#include "hostile.h"

#include <stdio.h>
#include <string.h>

#define LIES_MAX 4

static const char *const kind_names[N_STRUCTURE_KINDS] = {
	[STRUCTURE_SUPER] = "super",
	[STRUCTURE_DESCRIPTOR] = "descriptor",
	[STRUCTURE_BLOCK_BITMAP] = "block bitmap",
	[STRUCTURE_INODE_BITMAP] = "inode bitmap",
	[STRUCTURE_INODE] = "inode",
	[STRUCTURE_EXTENT_HEADER] = "extent header",
	[STRUCTURE_EXTENT] = "extent",
	[STRUCTURE_EXTENT_INDEX] = "extent index",
	[STRUCTURE_POINTERS] = "pointers",
	[STRUCTURE_ENTRY] = "entry",
	[STRUCTURE_INDEX_INFO] = "index info",
	[STRUCTURE_INDEX_ENTRIES] = "index entries",
	[STRUCTURE_XATTR_HEADER] = "xattr header",
	[STRUCTURE_XATTR_ENTRY] = "xattr entry",
	[STRUCTURE_ORPHANS] = "orphans",
	[STRUCTURE_JOURNAL_SUPER] = "journal super",
	[STRUCTURE_JOURNAL_DESCRIPTOR] = "journal descriptor",
	[STRUCTURE_JOURNAL_REVOKES] = "journal revokes",
	[STRUCTURE_JOURNAL_COMMIT] = "journal commit",
	[STRUCTURE_JOURNAL_DATA] = "journal data",
	[STRUCTURE_BOOT] = "boot sector",
	[STRUCTURE_BOOT_END] = "boot signature",
	[STRUCTURE_FAT_INFO] = "info sector",
	[STRUCTURE_FAT] = "table",
	[STRUCTURE_SLOT] = "slot",
	[STRUCTURE_LONG_SLOT] = "long slot",
	[STRUCTURE_VOLUME] = "volume",
	[STRUCTURE_RECORD] = "record",
	[STRUCTURE_SYSTEM_USE] = "system use",
	[STRUCTURE_MBR_ENTRY] = "MBR entry",
	[STRUCTURE_GPT_HEADER] = "GPT header",
	[STRUCTURE_GPT_ENTRY] = "GPT entry",
};

struct field {
	uint64_t offset;
	size_t size;
};

static uint64_t field_get(const uint8_t *image, struct field field)
{
	uint64_t value = 0;

	memcpy(&value, image + field.offset, field.size);
	return value;
}

static void field_set(uint8_t *image, struct field field, uint64_t value)
{
	memcpy(image + field.offset, &value, field.size);
}

/* Big-endian structures get big-endian lies. */
static bool is_big_endian(enum structure_kind kind)
{
	return kind >= STRUCTURE_JOURNAL_SUPER && kind <= STRUCTURE_JOURNAL_COMMIT;
}

static uint64_t turn(uint64_t value, size_t size)
{
	return __builtin_bswap64(value) >> (64 - 8 * size);
}

/* A kind first, so that a hundred extents do not hide one superblock. */
static const struct structure *choose_structure(const struct base *base, struct random *random)
{
	size_t n_kinds = 0;

	for (size_t i = 0; i < N_STRUCTURE_KINDS; i++) {
		n_kinds += base->n_of_kind[i] > 0;
	}
	size_t skip = random_below(random, n_kinds), kind = 0;

	while (base->n_of_kind[kind] == 0 || skip-- > 0) {
		kind++;
	}
	skip = random_below(random, base->n_of_kind[kind]);
	for (size_t i = 0;; i++) {
		if (base->structures[i].kind == kind && skip-- == 0) {
			return &base->structures[i];
		}
	}
}

static struct field choose_field(const struct structure *structure, struct random *random)
{
	const char *layout = structure->layout;
	size_t period = 0, n_fields = strlen(layout);

	for (size_t i = 0; i < n_fields; i++) {
		period += (size_t)(layout[i] - '0');
	}
	size_t n_periods = max_size(1, structure->size / period);
	uint64_t offset = structure->offset + random_below(random, n_periods) * period;
	size_t field = random_below(random, n_fields);

	for (size_t i = 0; i < field; i++) {
		offset += (size_t)(layout[i] - '0');
	}
	return (struct field){ offset, (size_t)(layout[field] - '0') };
}

static uint64_t choose_value(const struct base *base, const struct structure *structure,
	uint64_t value, size_t size, struct random *random)
{
	uint64_t largest = UINT64_MAX >> (64 - 8 * size);

	switch (random_below(random, 18)) {
	case 0: return 0;
	case 1: return 1;
	case 2: return largest;
	case 3: return largest - random_below(random, 16);
	case 4: return largest / 2 + random_below(random, 2);
	case 5:
	case 6: return value + 1;
	case 7:
	case 8: return value - 1;
	case 9: return value ^ (UINT64_C(1) << random_below(random, 8 * size));
	case 10: return value << random_between(random, 1, 4);
	case 11: return value >> random_between(random, 1, 4);
	case 12: return structure->block;
	case 13: return structure->owner;
	case 14: return random_below(random, 64);
	case 15: return random_u64(random);
	default: return base->numbers[random_below(random, base->n_numbers)];
	}
}

/* All of a structure becomes another one of its kind, or nothing. */
static void replace(const struct base *base, const struct structure *structure, uint8_t *image,
	struct random *random)
{
	const struct structure *other = structure;

	for (int i = 0; i < 20 && (other == structure || other->kind != structure->kind); i++) {
		other = choose_structure(base, random);
	}
	uint8_t *place = image + structure->offset;

	if (other->kind == structure->kind && other != structure) {
		memmove(place, image + other->offset, min_size(structure->size, other->size));
	} else {
		memset(place, random_chance(random, 2) ? 0 : 0xff, structure->size);
	}
}

static void lie(const struct base *base, const struct structure *structure, uint8_t *image,
	struct random *random, char *text, size_t size)
{
	if (random_chance(random, 12)) {
		replace(base, structure, image, random);
		snprintf(text, size, " %s at %#llx replaced;", kind_names[structure->kind],
			(unsigned long long)structure->offset);
		return;
	}
	struct field field = choose_field(structure, random);
	bool is_big = is_big_endian(structure->kind);
	uint64_t old = field_get(image, field);
	uint64_t value = choose_value(
		base, structure, is_big ? turn(old, field.size) : old, field.size, random);

	field_set(image, field, is_big ? turn(value, field.size) : value);
	snprintf(text, size, " %s at %#llx+%u: %#llx -> %#llx;", kind_names[structure->kind],
		(unsigned long long)structure->offset, (unsigned)(field.offset - structure->offset),
		(unsigned long long)old, (unsigned long long)field_get(image, field));
}

void hostile_mutate(
	const struct base *base, uint8_t *image, struct random *random, char *out_text, size_t size)
{
	uint64_t n = random_chance(random, 2) ? 1 : random_between(random, 1, LIES_MAX);
	bool repairs = base->repair != NULL && random_chance(random, 2);
	size_t length = (size_t)snprintf(out_text, size, "%s:", repairs ? "repaired" : "bare");
	const struct structure *structure = choose_structure(base, random);

	for (uint64_t i = 0; i < n; i++) {
		/* several lies in one place, or in several */
		if (i > 0 && random_chance(random, 2)) {
			structure = choose_structure(base, random);
		}
		if (length < size) {
			lie(base, structure, image, random, out_text + length, size - length);
			length += strlen(out_text + length);
		}
		if (repairs) {
			base->repair(base, image, structure);
		}
	}
}
