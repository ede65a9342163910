/* SPDX-License-Identifier: MIT */
/*
 * Reader of cpio archives: see cpio.h.
 *
 * An entry is a header of a 6-byte magic and thirteen 8-digit hexadecimal fields, the terminated
 * name, padding to a multiple of 4 (counted from the start of the image), the data, padding. More
 * zeros after the name, which count as a part of it, put the data on a page of their own.
 */
#include <base/cpio.h>
#include <base/string.h>

#define CPIO_MAGIC_SIZE 6
#define CPIO_FIELD_SIZE 8
#define CPIO_ALIGNMENT  4
#define CPIO_TRAILER    "TRAILER!!!"

enum cpio_field {
	CPIO_INO,
	CPIO_MODE,
	CPIO_UID,
	CPIO_GID,
	CPIO_NLINK,
	CPIO_MTIME,
	CPIO_FILE_SIZE,
	CPIO_DEV_MAJOR,
	CPIO_DEV_MINOR,
	CPIO_RDEV_MAJOR,
	CPIO_RDEV_MINOR,
	CPIO_NAME_SIZE,
	CPIO_CHECK,
	CPIO_N_FIELDS,
};

#define CPIO_HEADER_SIZE (CPIO_MAGIC_SIZE + CPIO_N_FIELDS * CPIO_FIELD_SIZE)

void cpio_begin(struct cpio_iterator *iterator, const void *image, size_t size)
{
	*iterator = (struct cpio_iterator){ .image = image, .size = size };
}

/* Read the magic ("070701", or "070702" with checksums) and the fields of a header. */
static bool cpio_parse_header(const uint8_t *header, uint32_t out_fields[CPIO_N_FIELDS])
{
	if (memcmp(header, "070701", CPIO_MAGIC_SIZE) != 0 &&
		memcmp(header, "070702", CPIO_MAGIC_SIZE) != 0) {
		return false;
	}
	const char *digits = (const char *)header + CPIO_MAGIC_SIZE;

	for (size_t i = 0; i < CPIO_N_FIELDS; i++) {
		uint64_t value;
		bool has_prefix = digits[1] == 'x' || digits[1] == 'X';

		if (has_prefix || !parse_u64_span(digits, CPIO_FIELD_SIZE, 16, &value)) {
			return false;
		}
		out_fields[i] = (uint32_t)value;
		digits += CPIO_FIELD_SIZE;
	}
	return true;
}

static void cpio_fill_entry(const uint32_t fields[CPIO_N_FIELDS], struct cpio_entry *out_entry)
{
	*out_entry = (struct cpio_entry){
		.ino = fields[CPIO_INO],
		.mode = fields[CPIO_MODE],
		.uid = fields[CPIO_UID],
		.gid = fields[CPIO_GID],
		.nlink = fields[CPIO_NLINK],
		.mtime = fields[CPIO_MTIME],
		.dev_major = fields[CPIO_DEV_MAJOR],
		.dev_minor = fields[CPIO_DEV_MINOR],
		.rdev_major = fields[CPIO_RDEV_MAJOR],
		.rdev_minor = fields[CPIO_RDEV_MINOR],
		.size = fields[CPIO_FILE_SIZE],
	};
}

/* Decode the entry at the iterator's offset and advance past it; false if there is none. */
static bool cpio_take(struct cpio_iterator *iterator, struct cpio_entry *out_entry)
{
	const uint8_t *header = iterator->image + iterator->offset;
	size_t n_left = iterator->size - iterator->offset;
	uint32_t fields[CPIO_N_FIELDS];

	if (n_left < CPIO_HEADER_SIZE || !cpio_parse_header(header, fields)) {
		return false;
	}
	size_t name_size = fields[CPIO_NAME_SIZE];

	if (name_size == 0 || name_size > n_left - CPIO_HEADER_SIZE) {
		return false;
	}
	const char *name = (const char *)header + CPIO_HEADER_SIZE;
	size_t name_length = strnlen(name, min_size(name_size, CPIO_NAME_MAX));
	size_t data_offset =
		align_up_size(iterator->offset + CPIO_HEADER_SIZE + name_size, CPIO_ALIGNMENT);
	size_t data_size = fields[CPIO_FILE_SIZE];

	if (name_length == min_size(name_size, CPIO_NAME_MAX)) {
		return false;
	}
	if (data_size > 0 &&
		(data_offset > iterator->size || data_size > iterator->size - data_offset)) {
		return false;
	}
	cpio_fill_entry(fields, out_entry);
	out_entry->name = name;
	out_entry->name_length = name_length;
	out_entry->data = data_size > 0 ? iterator->image + data_offset : iterator->image;
	iterator->offset =
		min_size(align_up_size(data_offset + data_size, CPIO_ALIGNMENT), iterator->size);
	return true;
}

/* Pass over the zeros between archives; false at the end of the image. */
static bool cpio_skip_zeros(struct cpio_iterator *iterator)
{
	while (iterator->offset < iterator->size && iterator->image[iterator->offset] == 0) {
		iterator->offset++;
	}
	return iterator->offset < iterator->size;
}

enum cpio_result cpio_iterate(struct cpio_iterator *iterator, struct cpio_entry *out_entry)
{
	for (;;) {
		struct cpio_entry entry;

		if (!iterator->is_in_archive && !cpio_skip_zeros(iterator)) {
			return CPIO_END;
		}
		if (!cpio_take(iterator, &entry)) {
			return CPIO_MALFORMED;
		}
		iterator->is_in_archive = !str_equal(entry.name, CPIO_TRAILER);
		if (iterator->is_in_archive) {
			*out_entry = entry;
			return CPIO_ENTRY;
		}
	}
}

static const char *cpio_plain_name(const char *name)
{
	while (name[0] == '/' || (name[0] == '.' && name[1] == '/')) {
		name++;
	}
	return name;
}

bool cpio_find(const void *image, size_t size, const char *name, struct cpio_entry *out_entry)
{
	struct cpio_iterator iterator;
	struct cpio_entry entry;

	cpio_begin(&iterator, image, size);
	while (cpio_iterate(&iterator, &entry) == CPIO_ENTRY) {
		if (str_equal(cpio_plain_name(entry.name), cpio_plain_name(name))) {
			*out_entry = entry;
			return true;
		}
	}
	return false;
}
