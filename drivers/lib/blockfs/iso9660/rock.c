/* SPDX-License-Identifier: MIT */
/*
 * Rock Ridge: what is in the system use fields of records.
 *
 * A field is a row of entries: two letters, a length, a version, data. CE says where more of them
 * are; each continuation is inside one sector, and there are at most CONTINUATIONS_MAX for one
 * record. Entries that are too short, or not known, are skipped.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/iso9660/iso9660.h>

#define CONTINUATIONS_MAX 32u
#define HEAD_SIZE         4u

struct continuation {
	uint32_t block, offset, size;
};

static bool is(const uint8_t *entry, const char *signature)
{
	return entry[0] == (uint8_t)signature[0] && entry[1] == (uint8_t)signature[1];
}

static void take_attributes(const uint8_t *entry, size_t size, struct iso_rock *rock)
{
	if (size >= 36) {
		rock->has_attributes = true;
		rock->mode = iso_get_32(entry + 4);
		rock->n_links = iso_get_32(entry + 12);
		rock->uid = iso_get_32(entry + 20);
		rock->gid = iso_get_32(entry + 28);
	}
}

/* Some writers have the whole number of Linux in the low half. */
static void take_device(const uint8_t *entry, size_t size, struct iso_rock *rock)
{
	if (size >= 20) {
		uint32_t high = iso_get_32(entry + 4), low = iso_get_32(entry + 12);

		rock->device_number = high == 0 && (low & ~0xffu) != 0
			? (uint64_t)(low >> 8 & 0xfff) << 32 | (low & 0xff)
			: (uint64_t)high << 32 | low;
	}
}

static void take_name(const uint8_t *entry, size_t size, struct iso_rock *rock)
{
	if (size < 5 || (entry[4] & (ISO_NAME_CURRENT | ISO_NAME_PARENT)) != 0) {
		return;
	}
	for (size_t i = 5; i < size && rock->name_length < BLOCKFS_NAME_MAX; i++) {
		rock->name[rock->name_length++] =
			entry[i] == '/' || entry[i] == 0 ? '?' : (char)entry[i];
	}
	rock->name[rock->name_length] = 0;
}

static void target_put(struct iso_rock *rock, const void *text, size_t length)
{
	length = min_size(length, ISO_TARGET_MAX - rock->target_length);
	if (rock->target != NULL) {
		memcpy(rock->target + rock->target_length, text, length);
	}
	rock->target_length += length;
}

static void take_component(const uint8_t *component, size_t size, struct iso_rock *rock)
{
	uint8_t flags = component[0];
	bool is_root = (flags & ISO_NAME_ROOT) != 0;

	if (rock->has_target && !rock->adds_to_component) {
		target_put(rock, "/", 1);
	}
	if ((flags & ISO_NAME_CURRENT) != 0) {
		target_put(rock, ".", 1);
	} else if ((flags & ISO_NAME_PARENT) != 0) {
		target_put(rock, "..", 2);
	} else if (is_root) {
		target_put(rock, "/", 1);
	} else {
		target_put(rock, component + 2, size);
	}
	rock->has_target = true;
	rock->adds_to_component = is_root || (flags & ISO_NAME_CONTINUES) != 0;
}

static void take_target(const uint8_t *entry, size_t size, struct iso_rock *rock)
{
	for (size_t at = 5; at + 2 <= size && entry[at + 1] <= size - at - 2;
		at += 2u + entry[at + 1]) {
		take_component(entry + at, entry[at + 1], rock);
	}
}

static void take_times(const uint8_t *entry, size_t size, struct iso_rock *rock)
{
	if (size < 5) {
		return;
	}
	size_t n = (entry[4] & ISO_TIME_LONG) != 0 ? 17 : 7;
	size_t at = 5;

	for (size_t i = 0; i < ARRAY_SIZE(rock->times); i++) {
		if ((entry[4] >> i & 1) == 0) {
			continue;
		}
		if (at + n > size) {
			return;
		}
		rock->has_time[i] = true;
		rock->times[i] = n == 17 ? iso_time_long(entry + at) : iso_time_short(entry + at);
		at += n;
	}
}

static void take_entry(const uint8_t *entry, size_t size, struct iso_rock *rock)
{
	if (is(entry, "PX")) {
		take_attributes(entry, size, rock);
	} else if (is(entry, "PN")) {
		take_device(entry, size, rock);
	} else if (is(entry, "NM")) {
		take_name(entry, size, rock);
	} else if (is(entry, "SL")) {
		take_target(entry, size, rock);
	} else if (is(entry, "TF")) {
		take_times(entry, size, rock);
	} else if (is(entry, "RE")) {
		rock->is_relocated = true;
	} else if (is(entry, "CL") && size >= 12) {
		rock->has_child = true;
		rock->child_block = iso_get_32(entry + 4);
	}
}

/* All entries of a field; where it goes on, if it does. */
static bool take_field(
	const uint8_t *field, size_t size, struct iso_rock *rock, struct continuation *out_next)
{
	bool has_next = false;

	for (size_t at = 0; at + HEAD_SIZE <= size;) {
		const uint8_t *entry = field + at;
		size_t length = entry[2];

		if (length < HEAD_SIZE || length > size - at || is(entry, "ST")) {
			break;
		}
		if (is(entry, "CE") && length >= 28) {
			has_next = true;
			*out_next = (struct continuation){
				.block = iso_get_32(entry + 4),
				.offset = iso_get_32(entry + 12),
				.size = iso_get_32(entry + 20),
			};
		} else {
			take_entry(entry, length, rock);
		}
		at += length;
	}
	return has_next;
}

int iso_rock_read(
	struct task *task, struct iso *fs, const uint8_t *field, size_t size, struct iso_rock *rock)
{
	struct continuation next;
	bool has_next = take_field(field, size, rock, &next);

	for (uint32_t i = 0; has_next; i++) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		uint64_t place = (uint64_t)next.block * fs->block_size + next.offset;
		uint32_t inside = (uint32_t)(place % ISO_SECTOR_SIZE);

		if (i == CONTINUATIONS_MAX || next.size > ISO_SECTOR_SIZE - inside) {
			return iso_corrupt(fs, "a system use field is continued in a wrong place");
		}
		int error = cache_read(task, &fs->cache, place / ISO_SECTOR_SIZE, &buffer);

		if (error != 0) {
			return error;
		}
		has_next = take_field(buffer->data + inside, next.size, rock, &next);
	}
	return 0;
}

bool iso_rock_find(const struct iso_entry *dot, uint32_t *out_skip)
{
	size_t used = sizeof(struct iso_record) + (dot->record.name_length | 1u);
	const uint8_t *field = dot->rest + (dot->record.name_length | 1u);

	if (dot->record.length < used + 7 || !is(field, "SP") || field[2] < 7 || field[4] != 0xbe ||
		field[5] != 0xef) {
		return false;
	}
	*out_skip = field[6];
	return true;
}
