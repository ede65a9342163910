/* SPDX-License-Identifier: MIT */
/*
 * Tests of generated code and the wire runtime: round trips, the exact bytes, evolution, broken and
 * random messages, calls through a transport of memory.
 */
#include <base/errors.h>
#include <base/random.h>
#include <base/testing.h>
#include <bragi-rt/call.h>

#include "everything.gen.h"

#define ARENA_SIZE 4096

static uint8_t arena_memory[ARENA_SIZE];

static struct bragi_arena fresh_arena(void)
{
	struct bragi_arena arena;

	bragi_arena_init(&arena, arena_memory, sizeof(arena_memory));
	return arena;
}

static void check_string(struct bragi_string string, const char *expected)
{
	CHECK(bragi_string_equals(string, expected));
	CHECK_EQ(string.text[string.length], '\0');
}

TEST(scalars_round_trip)
{
	struct everything_scalars in;
	struct everything_scalars out;
	struct bragi_arena arena = fresh_arena();
	uint8_t buffer[256];
	size_t size;

	everything_scalars_init(&in);
	in.a = 200;
	in.b = -128;
	in.d = -2;
	in.f = INT32_MIN;
	in.g = UINT32_MAX;
	in.h = -3;
	in.i = UINT64_MAX - 1;
	CHECK_EQ(everything_scalars_encode(&in, buffer, sizeof(buffer), &size), 0);
	CHECK_EQ(size, EVERYTHING_SCALARS_HEAD_SIZE);
	CHECK_EQ(everything_scalars_decode(&out, buffer, size, &arena), 0);
	CHECK_EQ(out.a, 200);
	CHECK_EQ(out.b, -128);
	CHECK_EQ(out.d, -2);
	CHECK_EQ(out.f, INT32_MIN);
	CHECK_EQ(out.g, UINT32_MAX);
	CHECK_EQ(out.h, -3);
	CHECK_EQ(out.i, UINT64_MAX - 1);
	CHECK_EQ(out.kind, EVERYTHING_KIND_MUCH);
	CHECK_EQ(out.limit, EVERYTHING_LIMIT_LARGE);
	CHECK_EQ(out.offset, INT64_MIN);
	CHECK_EQ(out.smallest, INT64_MIN);
	CHECK_EQ(out.largest, UINT64_MAX);
	check_string(out.name, "a\"b\\c\n?");
}

TEST(exact_bytes)
{
	static const uint8_t expected[] = {
		0x04,
		0x01,
		0,
		0,
		0,
		0,
		0,
		0, /* id 0x104, no tail */
		0xff,
		0xff,
		0xff,
		0xff,
		2,
		0,
		0,
		0,
	};
	struct everything_add_request request = { .a = -1, .b = 2 };
	uint8_t buffer[sizeof(expected)];
	size_t size;

	CHECK_EQ(everything_add_request_encode(&request, buffer, sizeof(buffer), &size), 0);
	CHECK_EQ(size, sizeof(expected));
	CHECK_MEM_EQ(buffer, expected, sizeof(expected));
	CHECK_EQ(bragi_message_id(buffer, size), EVERYTHING_ADD_REQUEST_ID);
	CHECK_EQ(bragi_message_id(buffer, 3), 0);
}

static const struct everything_point corners[] = {
	{ .x = 1, .y = -1 },
	{ .x = 2, .y = -2, .has_label = true, .label = { .text = "two", .length = 3 } },
};

static void fill_shape(struct everything_shape *shape, enum everything_kind kind)
{
	*shape = (struct everything_shape){
		.kind = kind,
		.corners = { corners, 2 },
		.box = { corners[1], corners[0] },
		.colour = { 1, 2, 3, 4 },
		.weights = { 100, 200, 65535 },
	};
}

static void check_shape(const struct everything_shape *shape, enum everything_kind kind)
{
	CHECK_EQ(shape->kind, kind);
	CHECK_EQ(shape->corners.count, 2);
	CHECK_EQ(shape->corners.items[0].y, -1);
	CHECK(!shape->corners.items[0].has_label);
	check_string(shape->corners.items[1].label, "two");
	check_string(shape->box[0].label, "two");
	CHECK_EQ(shape->box[1].x, 1);
	CHECK_EQ(shape->colour[3], 4);
	CHECK_EQ(shape->weights[2], 65535);
}

static void fill_arrays(struct everything_arrays *message, const struct everything_shape shapes[2])
{
	static const int8_t i8[] = { -1, 127 };
	static const int16_t i16[] = { -300 };
	static const int32_t i32[] = { 1, -70000, 3 };
	static const int64_t i64[] = { INT64_MIN };
	static const uint16_t u16[] = { 65535 };
	static const uint32_t u32[] = { 1, 2, 3, 4, 5 };
	static const uint64_t u64[] = { UINT64_MAX };
	static const struct bragi_string strings[] = {
		{ .text = "alpha", .length = 5 },
		{ .text = "", .length = 0 },
	};
	static const enum everything_kind kinds[] = {
		EVERYTHING_KIND_NOTHING,
		EVERYTHING_KIND_MUCH,
	};
	static const enum everything_flavour flavours[] = { EVERYTHING_FLAVOUR_SOUR };
	static const uint64_t limits[] = { 12345 };

	everything_arrays_init(message);
	message->bytes = (struct bragi_bytes){ "bytes\0!", 7 };
	message->i8 = (struct bragi_int8_span){ i8, ARRAY_SIZE(i8) };
	message->i16 = (struct bragi_int16_span){ i16, ARRAY_SIZE(i16) };
	message->i32 = (struct bragi_int32_span){ i32, ARRAY_SIZE(i32) };
	message->i64 = (struct bragi_int64_span){ i64, ARRAY_SIZE(i64) };
	message->u16 = (struct bragi_uint16_span){ u16, ARRAY_SIZE(u16) };
	message->u32 = (struct bragi_uint32_span){ u32, ARRAY_SIZE(u32) };
	message->u64 = (struct bragi_uint64_span){ u64, ARRAY_SIZE(u64) };
	message->strings = (struct bragi_string_span){ strings, ARRAY_SIZE(strings) };
	message->kinds = (struct everything_kind_span){ kinds, ARRAY_SIZE(kinds) };
	message->flavours = (struct everything_flavour_span){ flavours, ARRAY_SIZE(flavours) };
	message->limits = (struct everything_limit_span){ limits, ARRAY_SIZE(limits) };
	message->shapes = (struct everything_shape_span){ shapes, 2 };
	message->shape = shapes[1];
	message->pair[0] = BRAGI_LITERAL("left");
	message->pair[1] = BRAGI_LITERAL("right");
	message->two_kinds[1] = EVERYTHING_KIND_MUCH;
}

/* Encode the big message into a heap block of exactly its size. */
static uint8_t *encode_arrays(size_t *out_size)
{
	struct everything_shape shapes[2];
	struct everything_arrays message;

	fill_shape(&shapes[0], EVERYTHING_KIND_NOTHING);
	fill_shape(&shapes[1], EVERYTHING_KIND_MUCH);
	fill_arrays(&message, shapes);
	size_t size = everything_arrays_encoded_size(&message);
	uint8_t *buffer = malloc(size);

	CHECK_EQ(everything_arrays_encode(&message, buffer, size - 1, out_size),
		-ERR_BUFFER_TOO_SMALL);
	CHECK_EQ(everything_arrays_encode(&message, buffer, size, out_size), 0);
	CHECK_EQ(*out_size, size);
	return buffer;
}

TEST(arrays_round_trip)
{
	struct everything_arrays out;
	struct bragi_arena arena = fresh_arena();
	size_t size;
	uint8_t *buffer = encode_arrays(&size);

	CHECK_EQ(everything_arrays_decode(&out, buffer, size, &arena), 0);
	CHECK_EQ(out.bytes.size, 7);
	CHECK_MEM_EQ(out.bytes.data, "bytes\0!", 7);
	CHECK_EQ(out.i8.items[0], -1);
	CHECK_EQ(out.i16.items[0], -300);
	CHECK_EQ(out.i32.items[1], -70000);
	CHECK_EQ(out.i64.items[0], INT64_MIN);
	CHECK_EQ(out.u16.items[0], 65535);
	CHECK_EQ(out.u32.count, 5);
	CHECK_EQ(out.u32.items[4], 5);
	CHECK_EQ(out.u64.items[0], UINT64_MAX);
	check_string(out.strings.items[0], "alpha");
	check_string(out.strings.items[1], "");
	CHECK_EQ(out.kinds.items[1], EVERYTHING_KIND_MUCH);
	CHECK_EQ(out.flavours.items[0], EVERYTHING_FLAVOUR_SOUR);
	CHECK_EQ(out.limits.items[0], 12345);
	CHECK_EQ(out.shapes.count, 2);
	check_shape(&out.shapes.items[0], EVERYTHING_KIND_NOTHING);
	check_shape(&out.shapes.items[1], EVERYTHING_KIND_MUCH);
	check_shape(&out.shape, EVERYTHING_KIND_MUCH);
	check_string(out.pair[1], "right");
	CHECK_EQ(out.two_kinds[0], EVERYTHING_KIND_SOMETHING);
	free(buffer);
}

TEST(head_and_tail_in_two_places)
{
	struct everything_arrays out;
	struct bragi_arena arena = fresh_arena();
	size_t size;
	uint8_t *buffer = encode_arrays(&size);
	size_t tail_size = size - EVERYTHING_ARRAYS_HEAD_SIZE;
	uint8_t *tail = malloc(tail_size);

	memcpy(tail, buffer + EVERYTHING_ARRAYS_HEAD_SIZE, tail_size);
	CHECK_EQ(bragi_message_tail_size(buffer, EVERYTHING_ARRAYS_HEAD_SIZE), tail_size);
	CHECK_EQ(everything_arrays_decode_parts(
			 &out, buffer, EVERYTHING_ARRAYS_HEAD_SIZE, tail, tail_size, &arena),
		0);
	check_shape(&out.shape, EVERYTHING_KIND_MUCH);
	free(tail);
	free(buffer);
}

TEST(arena_limits_decoding)
{
	struct everything_arrays out;
	size_t size;
	uint8_t *buffer = encode_arrays(&size);

	for (size_t arena_size = 0; arena_size < 1000; arena_size += 8) {
		struct bragi_arena arena;

		bragi_arena_init(&arena, arena_memory, arena_size);
		int error = everything_arrays_decode(&out, buffer, size, &arena);

		CHECK(error == 0 || error == -ERR_NO_MEMORY);
		CHECK(error == 0 || arena_size < 800);
	}
	CHECK_EQ(everything_arrays_decode(&out, buffer, size, NULL), -ERR_NO_MEMORY);
	free(buffer);
}

TEST(tags_present_and_absent)
{
	struct everything_tags in;
	struct everything_tags out;
	struct bragi_arena arena = fresh_arena();
	uint8_t buffer[256];
	size_t size;

	everything_tags_init(&in);
	in.early = BRAGI_LITERAL("early");
	CHECK_EQ(everything_tags_encode(&in, buffer, sizeof(buffer), &size), 0);
	CHECK_EQ(everything_tags_decode(&out, buffer, size, &arena), 0);
	check_string(out.early, "early");
	CHECK(!out.has_late && !out.has_points && !out.has_number && !out.has_words);
	check_string(out.late, "late");
	CHECK_EQ(out.number, 5);
	CHECK_EQ(out.kind, EVERYTHING_KIND_NOTHING);
	CHECK_EQ(out.pair[1], 2);
	CHECK_EQ(out.words.count, 2);
	CHECK_EQ(out.flavours.count, 3);
	CHECK_EQ(out.flavours.items[1], EVERYTHING_FLAVOUR_SWEET);

	in.has_points = true;
	in.points = (struct everything_point_span){ corners, 2 };
	in.has_pair = true;
	in.pair[0] = 77;
	in.has_number = true;
	in.number = 6;
	CHECK_EQ(everything_tags_encode(&in, buffer, sizeof(buffer), &size), 0);
	CHECK_EQ(everything_tags_decode(&out, buffer, size, &arena), 0);
	CHECK(out.has_points && out.has_pair && out.has_number && !out.has_kind);
	check_string(out.points.items[1].label, "two");
	CHECK_EQ(out.pair[0], 77);
	CHECK_EQ(out.number, 6);
}

/* Append a tag with a one-byte value to an encoded message and correct its tail size. */
static size_t append_tag(uint8_t *buffer, size_t size, uint32_t tag)
{
	uint8_t extra[9] = { (uint8_t)tag, 0, 0, 0, 1, 0, 0, 0, 0xff };

	memcpy(buffer + size, extra, sizeof(extra));
	buffer[4] = (uint8_t)(buffer[4] + sizeof(extra));
	return size + sizeof(extra);
}

TEST(unknown_tags_are_skipped_and_double_ones_refused)
{
	struct everything_tags in;
	struct everything_tags out;
	struct everything_ping ping;
	uint8_t buffer[256];
	size_t size;

	everything_tags_init(&in);
	CHECK_EQ(everything_tags_encode(&in, buffer, sizeof(buffer), &size), 0);
	size = append_tag(buffer, size, 99);
	CHECK_EQ(everything_tags_decode(&out, buffer, size, NULL), 0);
	size = append_tag(buffer, size, 2); /* kind -1 */
	CHECK_EQ(everything_tags_decode(&out, buffer, size, NULL), 0);
	CHECK(out.has_kind);
	CHECK_EQ(out.kind, EVERYTHING_KIND_NOTHING);
	size = append_tag(buffer, size, 2);
	CHECK_EQ(everything_tags_decode(&out, buffer, size, NULL), -ERR_PROTOCOL);
	everything_ping_init(&ping);
	CHECK_EQ(everything_ping_encode(&ping, buffer, sizeof(buffer), &size), 0);
	size = append_tag(buffer, size, 1);
	CHECK_EQ(everything_ping_decode(&ping, buffer, size, NULL), 0);
	CHECK_EQ(everything_ping_decode(&ping, buffer, size - 1, NULL), -ERR_PROTOCOL);
}

TEST(head_overflow_is_an_error)
{
	struct everything_scalars in;
	uint8_t buffer[256];
	size_t size = 77;

	everything_scalars_init(&in);
	in.name = BRAGI_LITERAL("this name is much too long for what the head has left for it");
	CHECK_EQ(everything_scalars_encode(&in, buffer, sizeof(buffer), &size), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(size, 77);
}

TEST(strings_hide_no_zero_bytes)
{
	struct everything_tags in;
	struct everything_tags out;
	uint8_t buffer[64];
	size_t size;

	everything_tags_init(&in);
	in.early = BRAGI_LITERAL("ab");
	CHECK_EQ(everything_tags_encode(&in, buffer, sizeof(buffer), &size), 0);
	CHECK_EQ(everything_tags_decode(&out, buffer, size, NULL), 0);
	/* "ab", terminator, absent `flavours` */
	buffer[size - 3] = '\0';
	CHECK_EQ(everything_tags_decode(&out, buffer, size, NULL), -ERR_PROTOCOL);
	buffer[size - 3] = 'b';
	buffer[size - 2] = 'c'; /* no terminator */
	CHECK_EQ(everything_tags_decode(&out, buffer, size, NULL), -ERR_PROTOCOL);
}

/* Decode copies of exact size, so that ASan sees any excess; read all that comes out. */
static int decode_copy(const uint8_t *message, size_t size)
{
	struct everything_arrays out;
	struct bragi_arena arena = fresh_arena();
	uint8_t *copy = malloc(size);
	uint64_t sum = 0;

	memcpy(copy, message, size);
	int error = everything_arrays_decode(&out, copy, size, &arena);

	if (error == 0) {
		for (uint32_t i = 0; i < out.bytes.size; i++) {
			sum += ((const uint8_t *)out.bytes.data)[i];
		}
		for (uint32_t i = 0; i < out.strings.count; i++) {
			CHECK_EQ(strlen(out.strings.items[i].text), out.strings.items[i].length);
		}
		for (uint32_t i = 0; i < out.shapes.count; i++) {
			for (uint32_t j = 0; j < out.shapes.items[i].corners.count; j++) {
				sum += (uint64_t)out.shapes.items[i].corners.items[j].x;
			}
		}
	}
	free(copy);
	return sum == 0x1234567 ? 0 : error;
}

TEST(truncated_anywhere)
{
	size_t size;
	uint8_t *buffer = encode_arrays(&size);

	for (size_t cut = 0; cut < size; cut++) {
		CHECK_EQ(decode_copy(buffer, cut), -ERR_PROTOCOL);
	}
	free(buffer);
}

TEST(random_mutations)
{
	struct random random;
	size_t size;
	uint8_t *good = encode_arrays(&size);
	uint8_t *bad = malloc(size);
	size_t n_accepted = 0;

	random_init(&random, test_seed(8));
	for (int round = 0; round < 20000; round++) {
		size_t cut = random_chance(&random, 4) ? random_below(&random, size) + 1 : size;

		memcpy(bad, good, size);
		for (uint64_t n = random_between(&random, 1, 6); n > 0; n--) {
			bad[random_below(&random, cut)] = (uint8_t)random_u64(&random);
		}
		if (cut >= 8 && random_chance(&random, 2)) { /* good sizes get deeper */
			uint32_t tail_size = (uint32_t)(cut - EVERYTHING_ARRAYS_HEAD_SIZE);

			memcpy(bad, good, 4);
			memcpy(bad + 4, &tail_size, 4);
		}
		n_accepted += decode_copy(bad, cut) == 0;
	}
	CHECK(n_accepted > 100 && n_accepted < 19000);
	free(bad);
	free(good);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int n_pings;

static int serve_add(struct bragi_call *call, const struct everything_add_request *request,
	struct everything_add_reply *out_reply)
{
	CHECK(call->server == &n_pings);
	if (__builtin_add_overflow(request->a, request->b, &out_reply->sum)) {
		return -ERR_OUT_OF_BOUNDS;
	}
	return 0;
}

static int serve_concatenate(struct bragi_call *call, const struct everything_join_request *request,
	struct everything_join_reply *out_reply)
{
	char *sentence = bragi_arena_allocate(&call->arena, 64);

	sentence[0] = '\0';
	for (uint32_t i = 0; i < request->words.count; i++) {
		strcat(sentence, request->words.items[i].text);
	}
	out_reply->sentence = bragi_string_of(sentence);
	out_reply->words = request->words;
	if (!bragi_handles_add(&call->to_send, 42)) {
		return -ERR_NO_SPACE;
	}
	return 0;
}

static int serve_ping(UNUSED struct bragi_call *call, UNUSED const struct everything_ping *request)
{
	n_pings++;
	return 0;
}

static const struct everything_calculator_ops calculator_ops = {
	.add = serve_add,
	.concatenate = serve_concatenate,
	.ping = serve_ping,
};

/* A transport without distance: the server is called from inside. */
static int memory_transact(
	struct task *task, UNUSED struct bragi_client *client, struct bragi_exchange *exchange)
{
	static uint8_t server_memory[1024];
	struct bragi_call call = {
		.server = &n_pings,
		.task = task,
		.request = exchange->buffer,
		.request_size = exchange->request_size,
	};

	bragi_arena_init(&call.arena, server_memory, sizeof(server_memory));
	call.reply = bragi_exchange_reply(exchange, &call.reply_size_max);
	int error = everything_calculator_dispatch(&calculator_ops, &call);

	exchange->reply_size = call.reply_size;
	exchange->received = call.to_send;
	return error;
}

static struct bragi_client memory_client = { .transact = memory_transact };

static int concatenate(struct bragi_exchange *exchange,
	const struct everything_join_request *request, struct everything_join_reply *out_reply)
{
	return everything_calculator_concatenate(
		NULL, &memory_client, exchange, request, out_reply);
}

TEST(calls_reach_the_handlers)
{
	uint8_t buffer[512];
	struct bragi_exchange exchange;
	struct everything_add_request add = { .a = 40, .b = 2 };
	struct everything_add_reply sum;
	struct bragi_string words[] = { BRAGI_LITERAL("to"), BRAGI_LITERAL("gether") };
	struct everything_join_request join = { .words = { words, 2 } };
	struct everything_join_reply sentence;
	struct everything_ping ping = { 0 };

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	CHECK_EQ(everything_calculator_add(NULL, &memory_client, &exchange, &add, &sum), 0);
	CHECK_EQ(sum.sum, 42);
	add.a = INT32_MAX;
	CHECK_EQ(everything_calculator_add(NULL, &memory_client, &exchange, &add, &sum),
		-ERR_OUT_OF_BOUNDS);
	CHECK_EQ(concatenate(&exchange, &join, &sentence), 0);
	check_string(sentence.sentence, "together");
	check_string(sentence.words.items[1], "gether");
	CHECK_EQ(bragi_handles_take(&exchange.received, 0), 42);
	CHECK_EQ(bragi_handles_take(&exchange.received, 0), HEL_NULL);
	CHECK_EQ(bragi_handles_take(&exchange.received, 1), HEL_NULL);
	CHECK_EQ(everything_calculator_ping(NULL, &memory_client, &exchange, &ping), 0);
	CHECK_EQ(n_pings, 1);
}

TEST(too_long_a_reply_becomes_an_error)
{
	uint8_t buffer[80];
	struct bragi_exchange exchange;
	struct bragi_string word = BRAGI_LITERAL("a word that fits once but not twice");
	struct everything_join_request join = { .words = { &word, 1 } };
	struct everything_join_reply sentence;

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	CHECK_EQ(concatenate(&exchange, &join, &sentence), -ERR_BUFFER_TOO_SMALL);
}

static int dispatch_raw(const void *request, size_t size, struct everything_add_reply *out_reply)
{
	uint8_t reply[64];
	struct bragi_call call = {
		.server = &n_pings,
		.request = request,
		.request_size = size,
		.reply = reply,
		.reply_size_max = sizeof(reply),
		.arena = fresh_arena(),
	};
	int error = everything_calculator_dispatch(&calculator_ops, &call);

	if (error != 0 || call.reply_size == 0) {
		return error;
	}
	return everything_add_reply_decode(out_reply, reply, call.reply_size, NULL);
}

TEST(malformed_requests_get_an_error_reply)
{
	struct everything_add_request request = { .a = 1, .b = 2 };
	struct everything_add_reply reply;
	uint8_t buffer[EVERYTHING_ADD_REQUEST_HEAD_SIZE];
	size_t size;

	CHECK_EQ(everything_add_request_encode(&request, buffer, sizeof(buffer), &size), 0);
	CHECK_EQ(dispatch_raw(buffer, size, &reply), 0);
	CHECK_EQ(reply.sum, 3);
	CHECK_EQ(dispatch_raw(buffer, size - 1, &reply), 0);
	CHECK_EQ(reply.error, -ERR_PROTOCOL);
	CHECK_EQ(dispatch_raw(buffer, 2, &reply), -ERR_PROTOCOL);
	buffer[0] = 0xee;
	CHECK_EQ(dispatch_raw(buffer, size, &reply), -ERR_PROTOCOL);
}

TEST_MAIN()
