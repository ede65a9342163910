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

void bragi_write_raw(struct bragi_writer *writer, const void *data, size_t size)
{
	if (writer->error != 0 || size == 0) {
		return;
	}
	if (writer->data != NULL) {
		if (size > writer->size - writer->used) {
			writer->error = -ERR_BUFFER_TOO_SMALL;
			return;
		}
		memcpy(writer->data + writer->used, data, size);
	}
	writer->used += size;
}

/* The lower @size bytes of a value, lowest first. */
static void bragi_write_integer(struct bragi_writer *writer, uint64_t value, size_t size)
{
	uint8_t bytes[sizeof(value)];

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)(value >> (8 * i));
	}
	bragi_write_raw(writer, bytes, size);
}

void bragi_write_uint8(struct bragi_writer *writer, uint8_t value)
{
	bragi_write_integer(writer, value, sizeof(value));
}

void bragi_write_uint16(struct bragi_writer *writer, uint16_t value)
{
	bragi_write_integer(writer, value, sizeof(value));
}

void bragi_write_uint32(struct bragi_writer *writer, uint32_t value)
{
	bragi_write_integer(writer, value, sizeof(value));
}

void bragi_write_uint64(struct bragi_writer *writer, uint64_t value)
{
	bragi_write_integer(writer, value, sizeof(value));
}

void bragi_write_int8(struct bragi_writer *writer, int8_t value)
{
	bragi_write_integer(writer, (uint64_t)value, sizeof(value));
}

void bragi_write_int16(struct bragi_writer *writer, int16_t value)
{
	bragi_write_integer(writer, (uint64_t)value, sizeof(value));
}

void bragi_write_int32(struct bragi_writer *writer, int32_t value)
{
	bragi_write_integer(writer, (uint64_t)value, sizeof(value));
}

void bragi_write_int64(struct bragi_writer *writer, int64_t value)
{
	bragi_write_integer(writer, (uint64_t)value, sizeof(value));
}

void bragi_write_bool(struct bragi_writer *writer, bool value)
{
	bragi_write_integer(writer, value, 1);
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
