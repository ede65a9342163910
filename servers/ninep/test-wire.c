/* SPDX-License-Identifier: MIT */
/* Messages of 9P2000.L: what is written, and what is read of a host's replies, if it lies, too. */
#include "options.h"
#include "wire.h"

#include <base/errors.h>
#include <base/random.h>
#include <base/string.h>
#include <base/testing.h>

#include <stdlib.h>

#define REPLY_MAX 512
#define TAG       7
#define MUTATIONS 200000

static uint8_t message[REPLY_MAX];

/* A reply of that type, whose members come from @put; returns its size. */
static size_t reply(uint8_t type, void (*put)(struct wire_writer *writer))
{
	struct wire_writer writer;

	wire_begin(&writer, message, sizeof(message), type + 1, TAG);
	put(&writer);
	CHECK_EQ(wire_end(&writer, 0), 0);
	return writer.used;
}

static void put_qid(struct wire_writer *writer, uint64_t path)
{
	wire_put_u32(writer, 0x11223300); /* type and three bytes of the version */
	writer->used -= 3;
	wire_put_u32(writer, 5);
	wire_put_u64(writer, path);
}

static void put_attributes(struct wire_writer *writer)
{
	wire_put_u64(writer, WIRE_GETATTR_BASIC);
	put_qid(writer, 4711);
	wire_put_u32(writer, 0100644);
	wire_put_u32(writer, 1);
	wire_put_u32(writer, 2);
	wire_put_u64(writer, 3); /* links */
	wire_put_u64(writer, 4); /* device */
	wire_put_u64(writer, 5000);
	wire_put_u64(writer, 4096);
	wire_put_u64(writer, 16);
	for (uint64_t time = 10; time < 14; time++) {
		wire_put_u64(writer, time);
		wire_put_u64(writer, time * 1000);
	}
	wire_put_u64(writer, 0);
	wire_put_u64(writer, 0);
}

static void put_statistics(struct wire_writer *writer)
{
	wire_put_u32(writer, 0xef53);
	wire_put_u32(writer, 4096);
	for (uint64_t value = 1; value <= 6; value++) {
		wire_put_u64(writer, value);
	}
	wire_put_u32(writer, 255);
}

static void put_entry(struct wire_writer *writer, const char *name, size_t length)
{
	uint8_t type = 8;

	put_qid(writer, 99);
	wire_put_u64(writer, 1234);
	wire_put_u16(writer, type);
	writer->used--;
	wire_put_text(writer, name, length);
}

static void put_entries(struct wire_writer *writer)
{
	put_entry(writer, ".", 1);
	put_entry(writer, "file", 4);
}

static void put_version(struct wire_writer *writer)
{
	wire_put_u32(writer, 65536);
	wire_put_text(writer, "9P2000.L", 8);
}

static void put_error(struct wire_writer *writer)
{
	wire_put_u32(writer, 2);
}

static void put_nothing(UNUSED struct wire_writer *writer)
{
}

/* ---- what is written ------------------------------------------------------------------------- */

TEST(a_request_is_what_the_protocol_says)
{
	static const uint8_t walk[] = { 23, 0, 0, 0, 110, 7, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 4, 0,
		'n', 'a', 'm', 'e' };
	struct wire_writer writer;

	wire_begin(&writer, message, sizeof(message), WIRE_WALK, TAG);
	wire_put_u32(&writer, 1);
	wire_put_u32(&writer, 2);
	wire_put_u16(&writer, 1);
	wire_put_text(&writer, "name", 4);
	CHECK_EQ(wire_end(&writer, 0), 0);
	CHECK_EQ(writer.used, sizeof(walk));
	CHECK_MEM_EQ(message, walk, sizeof(walk));
}

TEST(data_count_in_the_size)
{
	struct wire_writer writer;

	wire_begin(&writer, message, sizeof(message), WIRE_WRITE, TAG);
	wire_put_u32(&writer, 1);
	wire_put_u64(&writer, 2);
	wire_put_u32(&writer, 300000);
	CHECK_EQ(wire_end(&writer, 300000), 0);
	uint32_t size;

	memcpy(&size, message, 4);
	CHECK_EQ(size, 23 + 300000);
	CHECK_EQ(wire_end(&writer, UINT32_MAX), -ERR_NO_SPACE);
}

TEST(what_does_not_fit_is_told)
{
	static char text[70000];
	struct wire_writer writer;

	memset(text, 'x', sizeof(text));
	wire_begin(&writer, message, 20, WIRE_WALK, TAG);
	wire_put_text(&writer, text, 12);
	wire_put_u16(&writer, 1);
	CHECK_EQ(wire_end(&writer, 0), -ERR_NO_SPACE);
	wire_begin(&writer, message, sizeof(message), WIRE_WALK, TAG);
	wire_put_text(&writer, text, sizeof(text));
	CHECK_EQ(wire_end(&writer, 0), -ERR_NO_SPACE);
	wire_begin(&writer, message, 5, WIRE_WALK, TAG);
	CHECK_EQ(wire_end(&writer, 0), -ERR_NO_SPACE);
}

/* ---- what is read ---------------------------------------------------------------------------- */

TEST(attributes_are_read)
{
	struct wire_attributes attributes;
	struct wire_reader reader;
	size_t size = reply(WIRE_GETATTR, put_attributes);

	CHECK_EQ(wire_open(message, size, WIRE_GETATTR, TAG, &reader), 0);
	CHECK_EQ(wire_read_attributes(&reader, &attributes), 0);
	CHECK_EQ(attributes.qid.path, 4711);
	CHECK_EQ(attributes.mode, 0100644);
	CHECK_EQ(attributes.n_links, 3);
	CHECK_EQ(attributes.size, 5000);
	CHECK_EQ(attributes.n_sectors, 16);
	CHECK_EQ(attributes.mtime.seconds, 11);
	CHECK_EQ(attributes.mtime.nanoseconds, 11000);
}

TEST(statistics_and_version_are_read)
{
	struct wire_statistics statistics;
	struct wire_reader reader;
	uint32_t bytes;
	size_t size = reply(WIRE_STATFS, put_statistics);

	CHECK_EQ(wire_open(message, size, WIRE_STATFS, TAG, &reader), 0);
	CHECK_EQ(wire_read_statistics(&reader, &statistics), 0);
	CHECK_EQ(statistics.block_bytes, 4096);
	CHECK_EQ(statistics.id, 6);
	CHECK_EQ(statistics.name_max, 255);
	size = reply(WIRE_VERSION, put_version);
	CHECK_EQ(wire_open(message, size, WIRE_VERSION, TAG, &reader), 0);
	CHECK_EQ(wire_read_version(&reader, &bytes), 0);
	CHECK_EQ(bytes, 65536);
	message[size - 1] = 'u';
	CHECK_EQ(wire_open(message, size, WIRE_VERSION, TAG, &reader), 0);
	CHECK_EQ(wire_read_version(&reader, &bytes), -ERR_UNSUPPORTED);
}

TEST(headers_have_to_fit_the_request)
{
	struct wire_reader reader;
	size_t size = reply(WIRE_CLUNK, put_nothing);

	CHECK_EQ(wire_open(message, size, WIRE_CLUNK, TAG, &reader), 0);
	CHECK_EQ(wire_open(message, size, WIRE_CLUNK, TAG + 1, &reader), -ERR_PROTOCOL);
	CHECK_EQ(wire_open(message, size, WIRE_READ, TAG, &reader), -ERR_PROTOCOL);
	CHECK_EQ(wire_open(message, size - 1, WIRE_CLUNK, TAG, &reader), -ERR_PROTOCOL);
	message[0] = 6;
	CHECK_EQ(wire_open(message, size, WIRE_CLUNK, TAG, &reader), -ERR_PROTOCOL);
}

TEST(errors_of_the_host_are_told)
{
	struct wire_reader reader;
	size_t size = reply(WIRE_LERROR, put_error);

	CHECK_EQ(wire_open(message, size, WIRE_CLUNK, TAG, &reader), 2);
	message[WIRE_HEADER_BYTES] = 0;
	CHECK_EQ(wire_open(message, size, WIRE_CLUNK, TAG, &reader), -ERR_PROTOCOL);
	message[WIRE_HEADER_BYTES + 3] = 0x80;
	CHECK_EQ(wire_open(message, size, WIRE_CLUNK, TAG, &reader), -ERR_PROTOCOL);
}

static int translate(size_t size, uint8_t *entries, size_t entries_size, size_t *out_used)
{
	struct wire_reader reader = { .bytes = message, .size = size };
	uint64_t cookie = 0;

	return wire_translate(&reader, entries, entries_size, out_used, &cookie);
}

TEST(listings_are_translated)
{
	struct wire_writer writer = { .bytes = message, .size = sizeof(message) };
	uint8_t entries[REPLY_MAX];
	size_t used = 0;

	put_entries(&writer);
	CHECK_EQ(translate(writer.used, entries, sizeof(entries), &used), 0);
	CHECK_EQ(used, 2 * 18 + 5);
	CHECK_EQ(entries[0], 99);
	CHECK_EQ(entries[16], 8);
	CHECK_EQ(entries[17], 1);
	CHECK_MEM_EQ(entries + 19 + 18, "file", 4);
	CHECK_EQ(translate(writer.used - 1, entries, sizeof(entries), &used), -ERR_PROTOCOL);
	CHECK_EQ(translate(writer.used, entries, 40, &used), -ERR_PROTOCOL);
	CHECK_EQ(translate(0, entries, 0, &used), 0);
	CHECK_EQ(used, 0);
}

TEST(names_that_cannot_be_are_refused)
{
	static const struct wire_text names[] = { { "", 0 }, { "a/b", 3 }, { "a\0b", 3 } };
	uint8_t entries[REPLY_MAX];
	size_t used;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct wire_writer writer = { .bytes = message, .size = sizeof(message) };

		put_entry(&writer, names[i].text, names[i].length);
		CHECK_EQ(translate(writer.used, entries, sizeof(entries), &used), -ERR_PROTOCOL);
	}
}

/* ---- hosts that lie -------------------------------------------------------------------------- */

static void read_reply(const uint8_t *bytes, size_t size, uint8_t type)
{
	struct wire_attributes attributes;
	struct wire_statistics statistics;
	uint8_t entries[REPLY_MAX];
	struct wire_reader reader;
	uint64_t cookie = 0;
	size_t used = 0;
	uint32_t count;

	if (wire_open(bytes, size, type, TAG, &reader) != 0) {
		return;
	}
	switch (type) {
	case WIRE_GETATTR:
		if (wire_read_attributes(&reader, &attributes) == 0) {
			CHECK(attributes.size <= INT64_MAX);
			CHECK(attributes.mtime.nanoseconds < 1000000000);
		}
		break;
	case WIRE_STATFS: (void)!wire_read_statistics(&reader, &statistics); break;
	case WIRE_VERSION: (void)!wire_read_version(&reader, &count); break;
	case WIRE_READLINK: {
		struct wire_text text = wire_get_text(&reader);

		CHECK(text.length == 0 ||
			((const uint8_t *)text.text >= bytes &&
				(const uint8_t *)text.text + text.length <= bytes + size));
		break;
	}
	default:
		if (wire_read_count(&reader, 100, &count) == 0) {
			CHECK(count <= 100);
		}
		if (wire_translate(&reader, entries, sizeof(entries), &used, &cookie) == 0) {
			CHECK(used <= size);
		}
	}
}

static void put_link(struct wire_writer *writer)
{
	wire_put_text(writer, "a/target", 8);
}

static void put_count(struct wire_writer *writer)
{
	wire_put_u32(writer, 40);
	put_entries(writer);
}

/* Each reply on the heap, as long as it is, so the sanitizer sees who reads behind it. */
TEST(nothing_is_read_that_is_not_there)
{
	static const struct {
		uint8_t type;
		void (*put)(struct wire_writer *writer);
	} replies[] = {
		{ WIRE_GETATTR, put_attributes },
		{ WIRE_STATFS, put_statistics },
		{ WIRE_VERSION, put_version },
		{ WIRE_READLINK, put_link },
		{ WIRE_READDIR, put_count },
	};
	struct random random;

	random_init(&random, test_seed(1));
	for (uint32_t i = 0; i < MUTATIONS; i++) {
		uint32_t which = (uint32_t)(random_u64(&random) % ARRAY_SIZE(replies));
		size_t size = reply(replies[which].type, replies[which].put);
		uint32_t n_changes = (uint32_t)(random_u64(&random) % 4);

		for (uint32_t change = 0; change < n_changes; change++) {
			message[random_u64(&random) % size] = (uint8_t)random_u64(&random);
		}
		size = random_u64(&random) % 3 == 0 ? random_u64(&random) % (size + 1) : size;
		uint8_t *copy = malloc(size + (size == 0));

		memcpy(copy, message, size);
		read_reply(copy, size, replies[which].type);
		free(copy);
	}
}

/* ---- options --------------------------------------------------------------------------------- */

static int parse(const char *text, struct mount_options *out_options)
{
	return mount_options_parse(text, strlen(text), out_options);
}

TEST(options_of_linux_are_taken)
{
	struct mount_options options;

	CHECK_EQ(parse("", &options), 0);
	CHECK_EQ(options.message_bytes, OPTIONS_MESSAGE_BYTES);
	CHECK_STR_EQ(options.tree, "");
	CHECK_EQ(parse("trans=virtio,version=9p2000.L,msize=8192,cache=mmap,access=client",
			 &options),
		0);
	CHECK_EQ(options.message_bytes, 8192);
	CHECK_EQ(parse("aname=/a/tree,uname=root,dfltuid=1000,access=1000,,", &options), 0);
	CHECK_STR_EQ(options.tree, "/a/tree");
	CHECK_EQ(parse("msize=4294967295", &options), 0);
	CHECK_EQ(options.message_bytes, OPTIONS_MESSAGE_BYTES);
}

TEST(other_options_are_refused)
{
	static const char *const texts[] = { "trans=tcp", "version=9p2000", "msize=4095",
		"msize=", "msize=1k", "msize=99999999999999999999", "cache=some", "cache",
		"access=nobody", "dfltuid=x", "unheard=of", "=", "trans", "trans=virtio,x" };
	struct mount_options options;
	char tree[OPTIONS_TREE_SIZE + 16] = "aname=";

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		CHECK_EQ(parse(texts[i], &options), -ERR_ILLEGAL_ARGS);
	}
	memset(tree + 6, 'x', OPTIONS_TREE_SIZE);
	CHECK_EQ(parse(tree, &options), -ERR_ILLEGAL_ARGS);
}

TEST_MAIN()
