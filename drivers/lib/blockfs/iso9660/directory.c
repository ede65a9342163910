/* SPDX-License-Identifier: MIT */
/*
 * Directories: records one behind the other, none across two sectors.
 *
 * A file of 4 GiB and more, or one that was written in pieces, has several records with the same
 * name, all but the last of which say so: its sections.
 */
#include <base/string.h>
#include <drivers/lib/blockfs/iso9660/iso9660.h>
#include <drivers/lib/blockfs/utf16.h>

#define COOKIE_FIRST 2u /* "." and ".." are before */

/* ---- one record ------------------------------------------------------------------------------ */

/* The next record at or behind *position; a length of 0 means that the sector has no more. */
static int read_record(struct task *task, struct iso *fs, uint64_t *position, uint64_t end,
	struct iso_record *out_record, uint8_t *out_rest)
{
	while (*position < end) {
		BUFFER_AUTO struct buffer *buffer = NULL;
		uint64_t sector = *position / ISO_SECTOR_SIZE;
		uint32_t inside = (uint32_t)(*position % ISO_SECTOR_SIZE);

		if (inside == 0) {
			cache_read_ahead(&fs->cache, sector,
				min_u64(16, div_round_up(end - *position, ISO_SECTOR_SIZE)));
		}
		int error = cache_read(task, &fs->cache, sector, &buffer);

		if (error != 0) {
			return error;
		}
		const uint8_t *data = buffer->data + inside;

		if (data[0] == 0) {
			*position = (sector + 1) * ISO_SECTOR_SIZE;
			continue;
		}
		if (data[0] <= sizeof(*out_record) || data[0] > ISO_SECTOR_SIZE - inside ||
			data[0] > end - *position) {
			return iso_corrupt(fs, "a directory record at byte %llu is wrong",
				(unsigned long long)*position);
		}
		memcpy(out_record, data, sizeof(*out_record));
		memcpy(out_rest, data + sizeof(*out_record), data[0] - sizeof(*out_record));
		if (out_record->name_length == 0 ||
			out_record->name_length > data[0] - sizeof(*out_record)) {
			return iso_corrupt(fs, "a directory record at byte %llu has a wrong name",
				(unsigned long long)*position);
		}
		return 0;
	}
	return BLOCKFS_E_END;
}

static int add_section(struct iso *fs, struct iso_entry *entry, const struct iso_record *record)
{
	uint64_t place =
		((uint64_t)iso_get_32(record->block) + record->n_attribute_blocks) * fs->block_size;
	uint64_t size = iso_get_32(record->size);

	if (size == 0) {
		return 0;
	}
	if (entry->n_sections == ISO_SECTIONS_MAX || place > fs->device->size ||
		size > fs->device->size - place || record->unit_size != 0 ||
		(entry->n_sections > 0 &&
			entry->sections[entry->n_sections - 1].size % ISO_SECTOR_SIZE != 0)) {
		return iso_corrupt(fs, "the contents of the record at byte %llu cannot be there",
			(unsigned long long)entry->position);
	}
	entry->sections[entry->n_sections++] = (struct iso_section){ place, size };
	return 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* As Linux' map=normal: small letters, without the version. */
static void name_plain(struct iso_entry *entry)
{
	size_t n = entry->record.name_length;

	if (n > 2 && entry->rest[n - 2] == ';' && entry->rest[n - 1] == '1') {
		n -= 2;
	}
	if (n > 1 && entry->rest[n - 1] == '.') {
		n--;
	}
	for (size_t i = 0; i < n; i++) {
		uint8_t c = entry->rest[i];

		entry->name[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32)
			: c == ';'                    ? '.'
			: c == '/' || c == 0          ? '?'
						      : (char)c;
	}
	entry->name_length = n;
}

static void name_joliet(struct iso_entry *entry)
{
	uint16_t units[ISO_RECORD_MAX / 2];
	size_t n = entry->record.name_length / 2u;

	for (size_t i = 0; i < n; i++) {
		units[i] = (uint16_t)(entry->rest[i * 2] << 8 | entry->rest[i * 2 + 1]);
	}
	if (n > 2 && units[n - 2] == ';' && units[n - 1] == '1') {
		n -= 2;
	}
	entry->name_length = utf16_decode(units, n, entry->name, sizeof(entry->name));
}

size_t iso_entry_field(
	const struct iso *fs, const struct iso_entry *entry, const uint8_t **out_field)
{
	size_t begin = (entry->record.name_length | 1u) + (size_t)fs->rock_skip;
	size_t end = entry->record.length - sizeof(struct iso_record);

	*out_field = entry->rest + min_size(begin, end);
	return begin < end ? end - begin : 0;
}

static bool is_dot(const struct iso_entry *entry)
{
	return entry->record.name_length == 1 && entry->rest[0] <= 1;
}

static int read_name(struct task *task, struct iso *fs, struct iso_entry *entry)
{
	const uint8_t *field;

	if (fs->names == ISO_NAMES_ROCK) {
		size_t size = iso_entry_field(fs, entry, &field);
		int error = iso_rock_read(task, fs, field, size, &entry->rock);

		if (error != 0) {
			return error;
		}
	}
	if (entry->rock.name_length > 0) {
		entry->name_length = entry->rock.name_length;
		memcpy(entry->name, entry->rock.name, entry->name_length);
	} else if (fs->names == ISO_NAMES_JOLIET) {
		name_joliet(entry);
	} else {
		name_plain(entry);
	}
	entry->name[entry->name_length] = 0;
	entry->is_hidden = is_dot(entry) || entry->rock.is_relocated || entry->name_length == 0 ||
		(entry->record.flags & ISO_FLAG_ASSOCIATED) != 0 || str_equal(entry->name, ".") ||
		str_equal(entry->name, "..");
	return 0;
}

int iso_entry_read(struct task *task, struct iso *fs, uint64_t position, uint64_t end,
	struct iso_entry *out_entry)
{
	struct iso_record record;
	uint8_t rest[ISO_RECORD_MAX];

	*out_entry = (struct iso_entry){ 0 };
	int error = read_record(task, fs, &position, end, &out_entry->record, out_entry->rest);

	out_entry->position = position;
	record = out_entry->record;
	error = error != 0 ? error : add_section(fs, out_entry, &record);
	while (error == 0 && (record.flags & ISO_FLAG_MORE) != 0) {
		position += record.length;
		error = read_record(task, fs, &position, end, &record, rest);
		error = error == BLOCKFS_E_END ? iso_corrupt(fs, "a file has no last section")
			: error != 0           ? error
					       : add_section(fs, out_entry, &record);
	}
	out_entry->next_position = position + record.length;
	return error != 0 ? error : read_name(task, fs, out_entry);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Only Joliet does not care about case. */
static bool name_is(const struct iso *fs, const struct iso_entry *entry, struct blockfs_name name)
{
	if (entry->name_length != name.length) {
		return false;
	}
	for (size_t i = 0; i < name.length; i++) {
		if (entry->name[i] != name.text[i] &&
			(fs->names != ISO_NAMES_JOLIET ||
				lower(entry->name[i]) != lower(name.text[i]))) {
			return false;
		}
	}
	return true;
}

int iso_find(struct task *task, struct iso_inode *directory, struct blockfs_name name,
	struct iso_entry *entry)
{
	struct iso *fs = directory->fs;
	uint64_t position = directory->sections[0].place;
	uint64_t end = position + directory->sections[0].size;
	int error;

	while ((error = iso_entry_read(task, fs, position, end, entry)) == 0) {
		if (!entry->is_hidden && name_is(fs, entry, name)) {
			return 0;
		}
		position = entry->next_position;
	}
	return error == BLOCKFS_E_END ? -ERR_NOT_FOUND : error;
}

static uint8_t type_of(const struct iso_entry *entry)
{
	if (entry->rock.has_child || (entry->record.flags & ISO_FLAG_DIRECTORY) != 0) {
		return 4;
	}
	return entry->rock.has_attributes ? (uint8_t)(entry->rock.mode >> 12 & 15) : 8;
}

static bool emit_dots(
	struct iso_inode *directory, uint64_t *cookie, blockfs_emit_fn emit, void *context)
{
	const struct iso_inode *parent = directory->parent != NULL ? directory->parent : directory;

	for (; *cookie < COOKIE_FIRST; (*cookie)++) {
		struct blockfs_entry entry = {
			.node_number = *cookie == 0 ? directory->node.number : parent->node.number,
			.type = 4,
			.name = "..",
			.name_length = (size_t)*cookie + 1,
			.next_cookie = *cookie + 1,
		};

		if (!emit(context, &entry)) {
			return false;
		}
	}
	return true;
}

static int list_entries(struct task *task, struct iso_inode *directory, uint64_t position,
	struct iso_entry *entry, blockfs_emit_fn emit, void *context)
{
	struct iso *fs = directory->fs;
	uint64_t start = directory->sections[0].place;
	uint64_t end = start + directory->sections[0].size;
	int error;

	while ((error = iso_entry_read(task, fs, position, end, entry)) == 0) {
		struct blockfs_entry emitted = {
			.node_number = iso_inode_key(fs, entry),
			.type = type_of(entry),
			.name = entry->name,
			.name_length = entry->name_length,
			.next_cookie = entry->next_position - start + COOKIE_FIRST,
		};

		if (!entry->is_hidden && !emit(context, &emitted)) {
			return 0;
		}
		position = entry->next_position;
	}
	return error == BLOCKFS_E_END ? 0 : error;
}

int iso_list(struct task *task, struct iso_inode *directory, uint64_t cookie, blockfs_emit_fn emit,
	void *context)
{
	const struct iso_section *extent = &directory->sections[0];

	if (!emit_dots(directory, &cookie, emit, context) ||
		cookie - COOKIE_FIRST >= extent->size) {
		return 0;
	}
	struct iso_entry *entry = blockfs_allocate(sizeof(*entry));

	if (entry == NULL) {
		return -ERR_NO_MEMORY;
	}
	int error = list_entries(
		task, directory, extent->place + cookie - COOKIE_FIRST, entry, emit, context);

	blockfs_free(entry);
	return error;
}
