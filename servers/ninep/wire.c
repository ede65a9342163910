/* SPDX-License-Identifier: MIT */
/* Messages of 9P2000.L: see wire.h. */
#include "wire.h"

#include <base/errors.h>
#include <base/string.h>

#define VERSION           "9P2000.L"
#define MESSAGE_BYTES_MIN 4096
#define NS_PER_SECOND     1000000000u
#define ENTRY_HEAD_BYTES  18 /* of an entry of fs.bragi, before its name */

/* ---- writing --------------------------------------------------------------------------------- */

static void put(struct wire_writer *writer, const void *data, size_t size)
{
	if (writer->is_full || size > writer->size - writer->used) {
		writer->is_full = true;
		return;
	}
	memcpy(writer->bytes + writer->used, data, size);
	writer->used += size;
}

void wire_begin(struct wire_writer *writer, void *bytes, size_t size, uint8_t type, uint16_t tag)
{
	*writer = (struct wire_writer){ .bytes = bytes, .size = size };
	wire_put_u32(writer, 0);
	put(writer, &type, sizeof(type));
	wire_put_u16(writer, tag);
}

void wire_put_u16(struct wire_writer *writer, uint16_t value)
{
	put(writer, &value, sizeof(value));
}

void wire_put_u32(struct wire_writer *writer, uint32_t value)
{
	put(writer, &value, sizeof(value));
}

void wire_put_u64(struct wire_writer *writer, uint64_t value)
{
	put(writer, &value, sizeof(value));
}

void wire_put_text(struct wire_writer *writer, const char *text, size_t length)
{
	if (length > UINT16_MAX) {
		writer->is_full = true;
		return;
	}
	wire_put_u16(writer, (uint16_t)length);
	put(writer, text, length);
}

int wire_end(struct wire_writer *writer, size_t n_data)
{
	size_t size = writer->used + n_data;
	uint32_t size_bytes = (uint32_t)size;

	if (writer->is_full || writer->used < WIRE_HEADER_BYTES || size != size_bytes) {
		return -ERR_NO_SPACE;
	}
	memcpy(writer->bytes, &size_bytes, sizeof(size_bytes));
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void get(struct wire_reader *reader, void *out_data, size_t size)
{
	if (reader->is_short || size > reader->size - reader->at) {
		reader->is_short = true;
		memset(out_data, 0, size);
		return;
	}
	memcpy(out_data, reader->bytes + reader->at, size);
	reader->at += size;
}

uint8_t wire_get_u8(struct wire_reader *reader)
{
	uint8_t value;

	get(reader, &value, sizeof(value));
	return value;
}

uint16_t wire_get_u16(struct wire_reader *reader)
{
	uint16_t value;

	get(reader, &value, sizeof(value));
	return value;
}

uint32_t wire_get_u32(struct wire_reader *reader)
{
	uint32_t value;

	get(reader, &value, sizeof(value));
	return value;
}

uint64_t wire_get_u64(struct wire_reader *reader)
{
	uint64_t value;

	get(reader, &value, sizeof(value));
	return value;
}

struct wire_text wire_get_text(struct wire_reader *reader)
{
	size_t length = wire_get_u16(reader);

	if (reader->is_short || length > reader->size - reader->at) {
		reader->is_short = true;
		return (struct wire_text){ .text = "" };
	}
	reader->at += length;
	return (struct wire_text){
		.text = (const char *)reader->bytes + reader->at - length,
		.length = length,
	};
}

struct wire_qid wire_get_qid(struct wire_reader *reader)
{
	struct wire_qid qid;

	qid.type = wire_get_u8(reader);
	qid.version = wire_get_u32(reader);
	qid.path = wire_get_u64(reader);
	return qid;
}

static int result_of(const struct wire_reader *reader)
{
	return reader->is_short ? -ERR_PROTOCOL : 0;
}

int wire_open(
	const void *bytes, size_t size, uint8_t type, uint16_t tag, struct wire_reader *out_reader)
{
	struct wire_reader reader = { .bytes = bytes, .size = size };
	uint32_t own_size = wire_get_u32(&reader);
	uint8_t own_type = wire_get_u8(&reader);
	uint16_t own_tag = wire_get_u16(&reader);

	if (reader.is_short || own_size < WIRE_HEADER_BYTES || own_size > size || own_tag != tag) {
		return -ERR_PROTOCOL;
	}
	reader.size = own_size;
	if (own_type == WIRE_LERROR + 1) {
		uint32_t error = wire_get_u32(&reader);

		return reader.is_short || error == 0 || error > WIRE_ERRNO_MAX ? -ERR_PROTOCOL
									       : (int)error;
	}
	if (own_type != type + 1) {
		return -ERR_PROTOCOL;
	}
	*out_reader = reader;
	return 0;
}

static struct wire_time get_time(struct wire_reader *reader)
{
	uint64_t seconds = wire_get_u64(reader);
	uint64_t nanoseconds = wire_get_u64(reader);

	reader->is_short |= nanoseconds >= NS_PER_SECOND;
	return (struct wire_time){ .seconds = seconds, .nanoseconds = (uint32_t)nanoseconds };
}

int wire_read_attributes(struct wire_reader *reader, struct wire_attributes *out_attributes)
{
	uint64_t valid = wire_get_u64(reader);

	out_attributes->qid = wire_get_qid(reader);
	out_attributes->mode = wire_get_u32(reader);
	out_attributes->uid = wire_get_u32(reader);
	out_attributes->gid = wire_get_u32(reader);
	out_attributes->n_links = wire_get_u64(reader);
	out_attributes->device = wire_get_u64(reader);
	out_attributes->size = wire_get_u64(reader);
	(void)wire_get_u64(reader); /* what it would like as a block */
	out_attributes->n_sectors = wire_get_u64(reader);
	out_attributes->atime = get_time(reader);
	out_attributes->mtime = get_time(reader);
	out_attributes->ctime = get_time(reader);
	if ((valid & WIRE_GETATTR_BASIC) != WIRE_GETATTR_BASIC ||
		out_attributes->size > INT64_MAX) {
		return -ERR_PROTOCOL;
	}
	return result_of(reader);
}

int wire_read_statistics(struct wire_reader *reader, struct wire_statistics *out_statistics)
{
	out_statistics->type = wire_get_u32(reader);
	out_statistics->block_bytes = wire_get_u32(reader);
	out_statistics->n_blocks = wire_get_u64(reader);
	out_statistics->n_free = wire_get_u64(reader);
	out_statistics->n_available = wire_get_u64(reader);
	out_statistics->n_files = wire_get_u64(reader);
	out_statistics->n_files_free = wire_get_u64(reader);
	out_statistics->id = wire_get_u64(reader);
	out_statistics->name_max = wire_get_u32(reader);
	return result_of(reader);
}

int wire_read_count(struct wire_reader *reader, uint32_t max, uint32_t *out_count)
{
	uint32_t count = wire_get_u32(reader);

	if (reader->is_short || count > max) {
		return -ERR_PROTOCOL;
	}
	*out_count = count;
	return 0;
}

int wire_read_version(struct wire_reader *reader, uint32_t *out_message_bytes)
{
	uint32_t bytes = wire_get_u32(reader);
	struct wire_text version = wire_get_text(reader);

	if (reader->is_short || bytes < MESSAGE_BYTES_MIN) {
		return -ERR_PROTOCOL;
	}
	if (version.length != strlen(VERSION) ||
		memcmp(version.text, VERSION, version.length) != 0) {
		return -ERR_UNSUPPORTED;
	}
	*out_message_bytes = bytes;
	return 0;
}

static bool is_name(const struct wire_text *name)
{
	return name->length > 0 && name->length <= WIRE_NAME_MAX &&
		memchr(name->text, '/', name->length) == NULL &&
		memchr(name->text, '\0', name->length) == NULL;
}

int wire_read_entry(struct wire_reader *reader, struct wire_entry *out_entry)
{
	if (!reader->is_short && reader->at == reader->size) {
		return 0;
	}
	out_entry->qid = wire_get_qid(reader);
	out_entry->cookie = wire_get_u64(reader);
	out_entry->type = wire_get_u8(reader);
	out_entry->name = wire_get_text(reader);
	return reader->is_short || !is_name(&out_entry->name) ? -ERR_PROTOCOL : 1;
}

static size_t put_entry(uint8_t *at, const struct wire_entry *entry)
{
	memcpy(at, &entry->qid.path, 8);
	memcpy(at + 8, &entry->cookie, 8);
	at[16] = entry->type;
	at[17] = (uint8_t)entry->name.length;
	memcpy(at + ENTRY_HEAD_BYTES, entry->name.text, entry->name.length);
	return ENTRY_HEAD_BYTES + entry->name.length;
}

int wire_translate(struct wire_reader *reader, uint8_t *entries, size_t size, size_t *out_used,
	uint64_t *in_out_cookie)
{
	struct wire_entry entry;
	size_t used = 0;
	int result;

	while ((result = wire_read_entry(reader, &entry)) == 1) {
		if (size - used < ENTRY_HEAD_BYTES + entry.name.length) {
			return -ERR_PROTOCOL;
		}
		used += put_entry(entries + used, &entry);
		*in_out_cookie = entry.cookie;
	}
	*out_used = used;
	return result;
}
