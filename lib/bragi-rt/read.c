/* SPDX-License-Identifier: MIT */
/*
 * Reading messages: see bragi-rt.h.
 *
 * Invariant of a reader: position <= size. All bytes pass through bragi_take(), the one place where
 * a length from the message meets the bounds.
 */
#include <base/string.h>
#include <bragi-rt/bragi-rt.h>

struct bragi_string bragi_string_of(const char *text)
{
	return (struct bragi_string){ .text = text, .length = (uint32_t)strlen(text) };
}

bool bragi_string_equals(struct bragi_string string, const char *text)
{
	return strlen(text) == string.length && memcmp(string.text, text, string.length) == 0;
}

void bragi_arena_init(struct bragi_arena *arena, void *buffer, size_t size)
{
	size_t n_skipped = (size_t)(-(uintptr_t)buffer & 7);

	n_skipped = min_size(n_skipped, size);
	*arena = (struct bragi_arena){
		.data = (uint8_t *)buffer + n_skipped,
		.size = size - n_skipped,
	};
}

void *bragi_arena_allocate(struct bragi_arena *arena, size_t size)
{
	size_t n_free = arena->size - arena->used;

	if (size > n_free) {
		return NULL;
	}
	void *memory = arena->data + arena->used;

	arena->used += min_size(align_up_size(size, 8), n_free);
	return memory;
}

/* The next @size bytes of the message; NULL with the error set if there are not so many. */
static const uint8_t *bragi_take(struct bragi_reader *reader, size_t size)
{
	if (reader->error == 0 && size > reader->size - reader->position) {
		reader->error = -ERR_PROTOCOL;
	}
	if (reader->error != 0) {
		return NULL;
	}
	const uint8_t *bytes = reader->data + reader->position;

	reader->position += size;
	return bytes;
}

/* One load, unaligned: memory and wire have the same byte order. */
#define BRAGI_DEFINE_READ(kind) \
	kind##_t bragi_read_##kind(struct bragi_reader *reader) \
	{ \
		const uint8_t *bytes = bragi_take(reader, sizeof(kind##_t)); \
		kind##_t value = 0; \
		if (likely(bytes != NULL)) { \
			__builtin_memcpy(&value, bytes, sizeof(value)); \
		} \
		return value; \
	}

BRAGI_DEFINE_READ(uint8)
BRAGI_DEFINE_READ(uint16)
BRAGI_DEFINE_READ(uint32)
BRAGI_DEFINE_READ(uint64)
BRAGI_DEFINE_READ(int8)
BRAGI_DEFINE_READ(int16)
BRAGI_DEFINE_READ(int32)
BRAGI_DEFINE_READ(int64)

uint32_t bragi_message_id(const void *message, size_t size)
{
	struct bragi_reader reader = { .data = message, .size = size };

	return bragi_read_uint32(&reader);
}

uint32_t bragi_message_tail_size(const void *message, size_t size)
{
	struct bragi_reader reader = { .data = message, .size = size };

	bragi_read_uint32(&reader);
	return bragi_read_uint32(&reader);
}

int bragi_open(const void *head, size_t head_size_given, const void *tail, size_t tail_size,
	uint32_t id, size_t head_size, struct bragi_arena *arena, struct bragi_reader *out_head,
	struct bragi_reader *out_tail)
{
	if (head_size_given != head_size || bragi_message_id(head, head_size) != id ||
		bragi_message_tail_size(head, head_size) != tail_size) {
		return -ERR_PROTOCOL;
	}
	*out_head = (struct bragi_reader){
		.data = head,
		.size = head_size,
		.position = BRAGI_PREAMBLE_SIZE,
		.arena = arena,
	};
	*out_tail = (struct bragi_reader){ .data = tail, .size = tail_size, .arena = arena };
	return 0;
}

void bragi_check(struct bragi_reader *reader, bool is_acceptable)
{
	if (!is_acceptable && reader->error == 0) {
		reader->error = -ERR_PROTOCOL;
	}
}

void bragi_read_raw(struct bragi_reader *reader, void *out_data, size_t size)
{
	const uint8_t *bytes = bragi_take(reader, size);

	if (bytes != NULL) {
		memcpy(out_data, bytes, size);
	} else {
		memset(out_data, 0, size);
	}
}

bool bragi_read_bool(struct bragi_reader *reader)
{
	uint8_t value = bragi_read_uint8(reader);

	bragi_check(reader, value <= 1);
	return value == 1;
}

struct bragi_string bragi_read_string(struct bragi_reader *reader)
{
	uint32_t length = bragi_read_uint32(reader);
	const char *text = (const char *)bragi_take(reader, (size_t)length + 1);

	bragi_check(reader, text != NULL && strnlen(text, (size_t)length + 1) == length);
	if (reader->error != 0) {
		return BRAGI_LITERAL("");
	}
	return (struct bragi_string){ .text = text, .length = length };
}

struct bragi_bytes bragi_read_bytes(struct bragi_reader *reader)
{
	uint32_t size = bragi_read_uint32(reader);
	const uint8_t *data = bragi_take(reader, size);

	return (struct bragi_bytes){ .data = data, .size = data != NULL ? size : 0 };
}

void *bragi_read_items(
	struct bragi_reader *reader, size_t item_size, size_t wire_size_min, uint32_t *out_count)
{
	uint32_t count = bragi_read_uint32(reader);
	void *items = NULL;

	bragi_check(reader, count <= (reader->size - reader->position) / wire_size_min);
	if (reader->error == 0 && count > 0) {
		items = reader->arena != NULL
			? bragi_arena_allocate(reader->arena, count * item_size)
			: NULL;
		if (items == NULL) {
			reader->error = -ERR_NO_MEMORY;
		}
	}
	*out_count = reader->error == 0 ? count : 0;
	return items;
}

#define BRAGI_DEFINE_READ_SPAN(kind, type, wire_size_min) \
	struct bragi_##kind##_span bragi_read_##kind##_span(struct bragi_reader *reader) \
	{ \
		struct bragi_##kind##_span span; \
		type *items = bragi_read_items(reader, sizeof(type), wire_size_min, &span.count); \
		for (uint32_t i = 0; i < span.count; i++) { \
			items[i] = bragi_read_##kind(reader); \
		} \
		span.items = items; \
		return span; \
	}

BRAGI_DEFINE_READ_SPAN(int8, int8_t, 1)
BRAGI_DEFINE_READ_SPAN(int16, int16_t, 2)
BRAGI_DEFINE_READ_SPAN(int32, int32_t, 4)
BRAGI_DEFINE_READ_SPAN(int64, int64_t, 8)
BRAGI_DEFINE_READ_SPAN(uint16, uint16_t, 2)
BRAGI_DEFINE_READ_SPAN(uint32, uint32_t, 4)
BRAGI_DEFINE_READ_SPAN(uint64, uint64_t, 8)
BRAGI_DEFINE_READ_SPAN(string, struct bragi_string, 5)

bool bragi_read_tag(struct bragi_reader *reader, uint32_t *out_tag, struct bragi_reader *out_value)
{
	if (reader->error != 0 || reader->position == reader->size) {
		return false;
	}
	*out_tag = bragi_read_uint32(reader);
	struct bragi_bytes value = bragi_read_bytes(reader);

	*out_value = (struct bragi_reader){
		.data = value.data,
		.size = value.size,
		.arena = reader->arena,
	};
	return reader->error == 0;
}

void bragi_skip(struct bragi_reader *reader)
{
	reader->position = reader->size;
}

void bragi_skip_tags(struct bragi_reader *reader)
{
	struct bragi_reader value;
	uint32_t tag;

	while (bragi_read_tag(reader, &tag, &value)) {
	}
}

void bragi_close_tag(struct bragi_reader *reader, const struct bragi_reader *value)
{
	if (value->error != 0) {
		reader->error = value->error;
	}
	bragi_check(reader, value->position == value->size);
}
