/* SPDX-License-Identifier: MIT */
/* libFuzzer target: what a host answers by 9P, and mount options. All that is told lies in it. */
#include <base/assert.h>
#include <servers/ninep/options.h>
#include <servers/ninep/wire.h>

#include <stdlib.h>

#define ENTRIES_SIZE 4096
#define TAG          0x2a2a /* of a reply that begins with a size and "x**" */

void assert_fail(UNUSED const char *file, UNUSED int line, UNUSED const char *expression)
{
	abort();
}

static void read_listing(struct wire_reader *reader)
{
	static uint8_t entries[ENTRIES_SIZE];
	size_t left = reader->size - reader->at;
	uint64_t cookie;
	size_t used;

	if (wire_translate(reader, entries, sizeof(entries), &used, &cookie) == 0) {
		ASSERT(used <= left);
	}
}

static void read_text(struct wire_reader *reader)
{
	struct wire_text text = wire_get_text(reader);
	const uint8_t *start = (const uint8_t *)text.text;

	ASSERT(text.length == 0 ||
		(start >= reader->bytes && start + text.length <= reader->bytes + reader->size));
}

static void read_members(const struct wire_reader *at)
{
	struct wire_attributes attributes;
	struct wire_statistics statistics;
	struct wire_reader reader = *at;
	uint32_t count;

	if (wire_read_attributes(&reader, &attributes) == 0) {
		ASSERT(attributes.size <= INT64_MAX);
		ASSERT(attributes.ctime.nanoseconds < 1000000000);
	}
	reader = *at;
	(void)!wire_read_statistics(&reader, &statistics);
	reader = *at;
	(void)!wire_read_version(&reader, &count);
	reader = *at;
	if (wire_read_count(&reader, 1000, &count) == 0) {
		ASSERT(count <= 1000);
	}
	reader = *at;
	read_text(&reader);
	reader = *at;
	read_listing(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader reader = { .bytes = data, .size = size };
	struct mount_options options;

	read_members(&reader);
	for (uint8_t type = WIRE_LERROR; type < 128; type += 2) {
		if (wire_open(data, size, type, TAG, &reader) == 0) {
			ASSERT(reader.size <= size);
			read_members(&reader);
		}
	}
	if (mount_options_parse((const char *)data, size, &options) == 0) {
		ASSERT(options.message_bytes <= OPTIONS_MESSAGE_BYTES);
	}
	return 0;
}
