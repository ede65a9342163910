/* SPDX-License-Identifier: MIT */
/* Writing messages: see bragi-rt.h. */
#include <base/assert.h>
#include <base/string.h>
#include <bragi-rt/bragi-rt.h>

void bragi_writer_init(struct bragi_writer *writer, void *data, size_t size)
{
	ASSERT(data != NULL);
	*writer = (struct bragi_writer){ .data = data, .size = size };
}

void bragi_writer_init_counting(struct bragi_writer *writer)
{
	*writer = (struct bragi_writer){ 0 };
}

/* Room for the next @size bytes; NULL after an error, or when only counting. */
static uint8_t *bragi_reserve(struct bragi_writer *writer, size_t size)
{
	if (unlikely(writer->error != 0)) {
		return NULL;
	}
	uint8_t *room = NULL;

	if (likely(writer->data != NULL)) {
		if (unlikely(size > writer->size - writer->used)) {
			writer->error = -ERR_BUFFER_TOO_SMALL;
			return NULL;
		}
		room = writer->data + writer->used;
	}
	writer->used += size;
	return room;
}

void bragi_write_raw(struct bragi_writer *writer, const void *data, size_t size)
{
	uint8_t *room = bragi_reserve(writer, size);

	if (room != NULL && size > 0) {
		memcpy(room, data, size);
	}
}

/* One store, unaligned: memory and wire have the same byte order. */
#define BRAGI_DEFINE_WRITE(kind) \
	void bragi_write_##kind(struct bragi_writer *writer, kind##_t value) \
	{ \
		uint8_t *room = bragi_reserve(writer, sizeof(value)); \
		if (likely(room != NULL)) { \
			__builtin_memcpy(room, &value, sizeof(value)); \
		} \
	}

BRAGI_DEFINE_WRITE(uint8)
BRAGI_DEFINE_WRITE(uint16)
BRAGI_DEFINE_WRITE(uint32)
BRAGI_DEFINE_WRITE(uint64)
BRAGI_DEFINE_WRITE(int8)
BRAGI_DEFINE_WRITE(int16)
BRAGI_DEFINE_WRITE(int32)
BRAGI_DEFINE_WRITE(int64)

void bragi_write_bool(struct bragi_writer *writer, bool value)
{
	bragi_write_uint8(writer, value);
}

void bragi_write_string(struct bragi_writer *writer, struct bragi_string value)
{
	bragi_write_uint32(writer, value.length);
	bragi_write_raw(writer, value.text, value.length);
	bragi_write_uint8(writer, 0);
}

void bragi_write_bytes(struct bragi_writer *writer, struct bragi_bytes value)
{
	bragi_write_uint32(writer, value.size);
	bragi_write_raw(writer, value.data, value.size);
}

#define BRAGI_DEFINE_WRITE_SPAN(kind) \
	void bragi_write_##kind##_span( \
		struct bragi_writer *writer, struct bragi_##kind##_span span) \
	{ \
		bragi_write_uint32(writer, span.count); \
		for (uint32_t i = 0; i < span.count; i++) { \
			bragi_write_##kind(writer, span.items[i]); \
		} \
	}

BRAGI_DEFINE_WRITE_SPAN(int8)
BRAGI_DEFINE_WRITE_SPAN(int16)
BRAGI_DEFINE_WRITE_SPAN(int32)
BRAGI_DEFINE_WRITE_SPAN(int64)
BRAGI_DEFINE_WRITE_SPAN(uint16)
BRAGI_DEFINE_WRITE_SPAN(uint32)
BRAGI_DEFINE_WRITE_SPAN(uint64)
BRAGI_DEFINE_WRITE_SPAN(string)

void bragi_write_preamble(struct bragi_writer *writer, uint32_t id, size_t tail_size)
{
	if (tail_size > UINT32_MAX) {
		writer->error = -ERR_OUT_OF_BOUNDS;
	}
	bragi_write_uint32(writer, id);
	bragi_write_uint32(writer, (uint32_t)tail_size);
}

void bragi_write_padding(struct bragi_writer *writer, size_t head_size)
{
	static const uint8_t zeros[32];

	if (writer->used > head_size) {
		writer->error = -ERR_OUT_OF_BOUNDS;
	}
	while (writer->error == 0 && writer->used < head_size) {
		bragi_write_raw(writer, zeros, min_size(sizeof(zeros), head_size - writer->used));
	}
}

size_t bragi_begin_tag(struct bragi_writer *writer, uint32_t tag)
{
	bragi_write_uint32(writer, tag);
	bragi_write_uint32(writer, 0);
	return writer->used;
}

void bragi_end_tag(struct bragi_writer *writer, size_t begin)
{
	if (writer->error == 0 && writer->data != NULL) {
		struct bragi_writer size_field;

		bragi_writer_init(&size_field, writer->data + begin - 4, 4);
		bragi_write_uint32(&size_field, (uint32_t)(writer->used - begin));
	}
}
