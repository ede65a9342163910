/* SPDX-License-Identifier: MIT */
/*
 * The wire runtime of bragi: what generated encoders and decoders are made of.
 *
 * Everything is little-endian and unaligned. A message is
 *
 *	uint32 id, uint32 tail_size, head members, zeros up to the head's fixed size;
 *	tail members (tail_size bytes)
 *
 * integer: 1, 2, 4 or 8 bytes; string: uint32 length, the bytes, a zero byte; array T[N]: N items;
 * T[]: uint32 count, the items; optional: one byte 0 or 1, the value if 1; struct: its members. The
 * tail ends with tagged members, each uint32 tag, uint32 size, value; readers skip tags that they
 * do not know.
 *
 * Writers and readers have sticky errors: after the first failure all further calls do nothing
 * (reads return zeros), and the end of the encoder or decoder reports it. So generated code is a
 * straight list of members. Nothing is allocated but in the caller's arena, for arrays of anything
 * but bytes; strings and bytes point into the message.
 */
#ifndef BRAGI_RT_BRAGI_RT_H
#define BRAGI_RT_BRAGI_RT_H

#include <base/errors.h>
#include <base/types.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are copied as they are");

/** BRAGI_PREAMBLE_SIZE - message id and tail size, at the start of each head */
#define BRAGI_PREAMBLE_SIZE 8

/* ---- values ---------------------------------------------------------------------------------- */

/* A string, borrowed. Decoded ones have a terminator and no zero byte inside. */
struct bragi_string {
	const char *text;
	uint32_t length;
};

/* Bytes, borrowed. */
struct bragi_bytes {
	const void *data;
	uint32_t size;
};

/* Arrays, borrowed; the items of decoded ones are in the arena. */
#define BRAGI_DEFINE_SPAN(span, type) \
	struct span { \
		const type *items; \
		uint32_t count; \
	}

BRAGI_DEFINE_SPAN(bragi_int8_span, int8_t);
BRAGI_DEFINE_SPAN(bragi_int16_span, int16_t);
BRAGI_DEFINE_SPAN(bragi_int32_span, int32_t);
BRAGI_DEFINE_SPAN(bragi_int64_span, int64_t);
BRAGI_DEFINE_SPAN(bragi_uint16_span, uint16_t);
BRAGI_DEFINE_SPAN(bragi_uint32_span, uint32_t);
BRAGI_DEFINE_SPAN(bragi_uint64_span, uint64_t);
BRAGI_DEFINE_SPAN(bragi_string_span, struct bragi_string);

/** BRAGI_LITERAL() - a string literal as a bragi_string */
#define BRAGI_LITERAL(literal) \
	((struct bragi_string){ .text = (literal), .length = sizeof(literal) - 1 })

/** bragi_string_of() - a terminated string as a bragi_string */
struct bragi_string bragi_string_of(const char *text);

/** bragi_string_equals() - whether a string has the same bytes as a terminated one */
bool bragi_string_equals(struct bragi_string string, const char *text);

/* ---- the arena ------------------------------------------------------------------------------- */

/* Memory for decoded arrays: a buffer of the caller, given out from the start. */
struct bragi_arena {
	uint8_t *data;
	size_t size;
	size_t used;
};

/** bragi_arena_init() - give out @size bytes at @buffer, which is borrowed */
void bragi_arena_init(struct bragi_arena *arena, void *buffer, size_t size);

/** bragi_arena_allocate() - @size bytes, aligned to 8; NULL when the arena is full */
void *bragi_arena_allocate(struct bragi_arena *arena, size_t size);

/* ---- messages -------------------------------------------------------------------------------- */

/** bragi_message_id() - the id of a message, 0 (never used) if it is too short to have one */
uint32_t bragi_message_id(const void *message, size_t size);

/** bragi_message_tail_size() - how long a tail the head announces; 0 if it is too short */
uint32_t bragi_message_tail_size(const void *message, size_t size);

/* ---- writing (used by generated code) -------------------------------------------------------- */

struct bragi_writer {
	uint8_t *data; /* NULL: only count */
	size_t size;
	size_t used;
	int error;
};

/** bragi_writer_init() - write to @size bytes at @data, which is not NULL */
void bragi_writer_init(struct bragi_writer *writer, void *data, size_t size);

/** bragi_writer_init_counting() - write nowhere, only count the bytes */
void bragi_writer_init_counting(struct bragi_writer *writer);

/** bragi_write_raw() - @size bytes as they are */
void bragi_write_raw(struct bragi_writer *writer, const void *data, size_t size);

void bragi_write_uint8(struct bragi_writer *writer, uint8_t value);
void bragi_write_uint16(struct bragi_writer *writer, uint16_t value);
void bragi_write_uint32(struct bragi_writer *writer, uint32_t value);
void bragi_write_uint64(struct bragi_writer *writer, uint64_t value);
void bragi_write_int8(struct bragi_writer *writer, int8_t value);
void bragi_write_int16(struct bragi_writer *writer, int16_t value);
void bragi_write_int32(struct bragi_writer *writer, int32_t value);
void bragi_write_int64(struct bragi_writer *writer, int64_t value);
void bragi_write_bool(struct bragi_writer *writer, bool value);
void bragi_write_string(struct bragi_writer *writer, struct bragi_string value);
void bragi_write_bytes(struct bragi_writer *writer, struct bragi_bytes value);
void bragi_write_int8_span(struct bragi_writer *writer, struct bragi_int8_span span);
void bragi_write_int16_span(struct bragi_writer *writer, struct bragi_int16_span span);
void bragi_write_int32_span(struct bragi_writer *writer, struct bragi_int32_span span);
void bragi_write_int64_span(struct bragi_writer *writer, struct bragi_int64_span span);
void bragi_write_uint16_span(struct bragi_writer *writer, struct bragi_uint16_span span);
void bragi_write_uint32_span(struct bragi_writer *writer, struct bragi_uint32_span span);
void bragi_write_uint64_span(struct bragi_writer *writer, struct bragi_uint64_span span);
void bragi_write_string_span(struct bragi_writer *writer, struct bragi_string_span span);

/** bragi_write_preamble() - begin a head */
void bragi_write_preamble(struct bragi_writer *writer, uint32_t id, size_t tail_size);

/**
 * bragi_write_padding() - fill the head with zeros up to its size; an error if it is over already
 */
void bragi_write_padding(struct bragi_writer *writer, size_t head_size);

/** bragi_begin_tag() - begin a tagged value; the result is for bragi_end_tag() */
size_t bragi_begin_tag(struct bragi_writer *writer, uint32_t tag);

/** bragi_end_tag() - fill in the size of the tagged value */
void bragi_end_tag(struct bragi_writer *writer, size_t begin);

/* ---- reading (used by generated code) -------------------------------------------------------- */

struct bragi_reader {
	const uint8_t *data;
	size_t size;
	size_t position; /* at most size */
	int error;
	struct bragi_arena *arena; /* may be NULL if there are no arrays to decode */
};

/**
 * bragi_open() - check a message's frame and set up readers for its head and its tail
 * @id, @head_size: what the message type says
 *
 * Return: 0, or -ERR_PROTOCOL if the id or a size is another one.
 */
MUST_USE int bragi_open(const void *head, size_t head_size_given, const void *tail,
	size_t tail_size, uint32_t id, size_t head_size, struct bragi_arena *arena,
	struct bragi_reader *out_head, struct bragi_reader *out_tail);

/** bragi_check() - the decoded value is acceptable, or the message is malformed */
void bragi_check(struct bragi_reader *reader, bool is_acceptable);

/** bragi_read_raw() - @size bytes as they are */
void bragi_read_raw(struct bragi_reader *reader, void *out_data, size_t size);

uint8_t bragi_read_uint8(struct bragi_reader *reader);
uint16_t bragi_read_uint16(struct bragi_reader *reader);
uint32_t bragi_read_uint32(struct bragi_reader *reader);
uint64_t bragi_read_uint64(struct bragi_reader *reader);
int8_t bragi_read_int8(struct bragi_reader *reader);
int16_t bragi_read_int16(struct bragi_reader *reader);
int32_t bragi_read_int32(struct bragi_reader *reader);
int64_t bragi_read_int64(struct bragi_reader *reader);
bool bragi_read_bool(struct bragi_reader *reader);
struct bragi_string bragi_read_string(struct bragi_reader *reader);
struct bragi_bytes bragi_read_bytes(struct bragi_reader *reader);
struct bragi_int8_span bragi_read_int8_span(struct bragi_reader *reader);
struct bragi_int16_span bragi_read_int16_span(struct bragi_reader *reader);
struct bragi_int32_span bragi_read_int32_span(struct bragi_reader *reader);
struct bragi_int64_span bragi_read_int64_span(struct bragi_reader *reader);
struct bragi_uint16_span bragi_read_uint16_span(struct bragi_reader *reader);
struct bragi_uint32_span bragi_read_uint32_span(struct bragi_reader *reader);
struct bragi_uint64_span bragi_read_uint64_span(struct bragi_reader *reader);
struct bragi_string_span bragi_read_string_span(struct bragi_reader *reader);

/**
 * bragi_read_items() - read the count of an array and get memory for its items
 * @item_size: of one item in memory
 * @wire_size_min: of one item in the message, not 0; bounds the count before anything is allocated
 * @out_count: 0 after an error
 *
 * Return: uninitialised items in the arena; NULL if there are none.
 */
void *bragi_read_items(
	struct bragi_reader *reader, size_t item_size, size_t wire_size_min, uint32_t *out_count);

/**
 * bragi_read_tag() - the next tagged value of a tail
 * @out_value: a reader for just this value
 *
 * Return: false at the end or after an error.
 */
bool bragi_read_tag(struct bragi_reader *reader, uint32_t *out_tag, struct bragi_reader *out_value);

/** bragi_skip() - a tag that this program does not know: ignore the value */
void bragi_skip(struct bragi_reader *reader);

/** bragi_skip_tags() - check and ignore tagged values up to the end of the tail */
void bragi_skip_tags(struct bragi_reader *reader);

/** bragi_close_tag() - the value is read: it must have been all of it */
void bragi_close_tag(struct bragi_reader *reader, const struct bragi_reader *value);

#endif
