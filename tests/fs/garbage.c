/* SPDX-License-Identifier: MIT */
/*
 * Requests whose frames are good and whose members are anything: ids of nodes that there are, that
 * were, and that never will be; sizes and flags at random; and some that are cut off.
 *
 * `find` and `parent` are left out, which give ids of nodes outside the folder, and what ends the
 * session or makes it read-only.
 */
#include "garbage.h"

#include <base/errors.h>
#include <base/format.h>
#include <base/random.h>
#include <base/string.h>

#define S_IFDIR     0040000u
#define S_IFREG     0100000u
#define IDS_BEHIND  12 /* that the server may have given since */
#define TAIL_MAX    600
#define FRAME_BYTES 8
#define NEVER_GIVEN UINT64_C(0x123456789abc)

static const struct {
	uint32_t id, head_size;
	uint32_t n_strings;
	uint32_t n_bytes; /* of plain members behind them */
} kinds[] = {
	{ FS_LOOKUP_REQUEST_ID, FS_LOOKUP_REQUEST_HEAD_SIZE, 1, 0 },
	{ FS_READ_DIRECTORY_REQUEST_ID, FS_READ_DIRECTORY_REQUEST_HEAD_SIZE, 0, 0 },
	{ FS_CREATE_REQUEST_ID, FS_CREATE_REQUEST_HEAD_SIZE, 2, 0 },
	{ FS_LINK_REQUEST_ID, FS_LINK_REQUEST_HEAD_SIZE, 1, 0 },
	{ FS_UNLINK_REQUEST_ID, FS_UNLINK_REQUEST_HEAD_SIZE, 1, 0 },
	{ FS_RENAME_REQUEST_ID, FS_RENAME_REQUEST_HEAD_SIZE, 2, 0 },
	{ FS_READ_LINK_REQUEST_ID, FS_READ_LINK_REQUEST_HEAD_SIZE, 0, 0 },
	{ FS_FORGET_REQUEST_ID, FS_FORGET_REQUEST_HEAD_SIZE, 0, 0 },
	{ FS_GET_ATTRIBUTES_REQUEST_ID, FS_GET_ATTRIBUTES_REQUEST_HEAD_SIZE, 0, 0 },
	{ FS_SET_ATTRIBUTES_REQUEST_ID, FS_SET_ATTRIBUTES_REQUEST_HEAD_SIZE, 0, 112 },
	{ FS_GET_XATTR_REQUEST_ID, FS_GET_XATTR_REQUEST_HEAD_SIZE, 1, 0 },
	{ FS_SET_XATTR_REQUEST_ID, FS_SET_XATTR_REQUEST_HEAD_SIZE, 1, 4 },
	{ FS_REMOVE_XATTR_REQUEST_ID, FS_REMOVE_XATTR_REQUEST_HEAD_SIZE, 1, 0 },
	{ FS_LIST_XATTRS_REQUEST_ID, FS_LIST_XATTRS_REQUEST_HEAD_SIZE, 0, 0 },
	{ FS_CONTENTS_REQUEST_ID, FS_CONTENTS_REQUEST_HEAD_SIZE, 0, 0 },
	{ FS_RESERVE_REQUEST_ID, FS_RESERVE_REQUEST_HEAD_SIZE, 0, 0 },
	{ FS_ALLOCATE_REQUEST_ID, FS_ALLOCATE_REQUEST_HEAD_SIZE, 0, 0 },
	{ FS_MAP_REQUEST_ID, FS_MAP_REQUEST_HEAD_SIZE, 0, 0 },
	{ FS_TRANSFER_REQUEST_ID, FS_TRANSFER_REQUEST_HEAD_SIZE, 0, 0 },
	{ FS_SYNC_NODE_REQUEST_ID, FS_SYNC_NODE_REQUEST_HEAD_SIZE, 0, 0 },
	{ FS_STATISTICS_REQUEST_ID, FS_STATISTICS_REQUEST_HEAD_SIZE, 0, 0 },
};

struct garbage {
	struct random random;
	uint64_t first_id; /* of the folder */
	uint8_t bytes[128 + TAIL_MAX];
	size_t size;
};

static void put(struct garbage *garbage, const void *data, size_t size)
{
	memcpy(garbage->bytes + garbage->size, data, size);
	garbage->size += size;
}

static uint64_t pick_number(struct garbage *garbage)
{
	struct random *random = &garbage->random;

	switch (random_below(random, 8)) {
	case 0: return random_u64(random);
	case 1: return NEVER_GIVEN;
	case 2: return random_below(random, 8);
	case 3: return random_below(random, MIB(4));
	case 4: return align_down(random_below(random, MIB(4)), HEL_PAGE_SIZE);
	default: return garbage->first_id + random_below(random, IDS_BEHIND);
	}
}

/* The first member is a node in all of them. */
static uint64_t pick_node(struct garbage *garbage)
{
	return random_chance(&garbage->random, 16)
		? NEVER_GIVEN
		: garbage->first_id + random_below(&garbage->random, IDS_BEHIND);
}

static void put_string(struct garbage *garbage)
{
	static const char *const texts[] = {
		"a",
		"b",
		"c",
		"d",
		"user.x",
		"user.",
		"security.capability",
		"",
		".",
		"..",
		"a/b",
	};
	const char *text = texts[random_below(&garbage->random, ARRAY_SIZE(texts))];
	uint32_t length = (uint32_t)strlen(text);

	put(garbage, &length, sizeof(length));
	put(garbage, text, length + 1);
}

static void make_request(struct garbage *garbage)
{
	size_t kind = random_below(&garbage->random, ARRAY_SIZE(kinds));
	uint32_t zero = 0;

	garbage->size = 0;
	put(garbage, &kinds[kind].id, 4);
	put(garbage, &zero, 4);
	for (bool is_first = true; garbage->size < kinds[kind].head_size; is_first = false) {
		uint64_t number = is_first ? pick_node(garbage) : pick_number(garbage);

		put(garbage, &number,
			min_size(sizeof(number), kinds[kind].head_size - garbage->size));
	}
	for (uint32_t i = 0; i < kinds[kind].n_strings; i++) {
		put_string(garbage);
	}
	for (uint32_t i = 0; i < kinds[kind].n_bytes; i += 4) {
		uint32_t word = (uint32_t)random_below(&garbage->random, 70);

		put(garbage, &word, sizeof(word));
	}
	if (random_chance(&garbage->random, 20)) {
		garbage->size = max_u64(random_below(&garbage->random, garbage->size), 8);
	}
	uint32_t tail_size = garbage->size > kinds[kind].head_size
		? (uint32_t)garbage->size - kinds[kind].head_size
		: 0;

	memcpy(garbage->bytes + 4, &tail_size, sizeof(tail_size));
}

static int send_request(struct task *task, struct garbage *garbage, hel_handle lane, uint8_t *reply)
{
	static const uint8_t frame[FRAME_BYTES];

	put(garbage, frame, sizeof(frame));
	struct helix_call call = {
		.lane = lane,
		.request = garbage->bytes,
		.request_size = garbage->size,
		.reply = reply,
		.reply_size_max = FS_BUFFER_BYTES,
	};

	return helix_call(task, &call);
}

/* The server is there, and the folder as well; what is in it goes. */
static bool clear_folder(struct task *task, struct fs_client *session, uint64_t folder)
{
	static const char *const names[] = { "a", "b", "c", "d", "user.x", "user.",
		"security.capability" };
	struct bragi_bytes entries;
	uint64_t cookie = 0;

	for (size_t round = 0; round < 16; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			(void)!fs_unlink(task, session, folder, names[i], 0, round % 2 == 0);
		}
	}
	return fs_read_directory(task, session, folder, &cookie, &entries) == 0;
}

bool send_garbage(struct task *task, struct fs_client *session, const char *name, uint64_t seed,
	uint32_t n_requests)
{
	static struct garbage garbage;
	struct fs_node folder, file;
	uint32_t n_answered = 0;

	random_init(&garbage.random, seed);
	if (fs_create(task, session, session->root.id, name, S_IFDIR | 0700, NULL, &folder) != 0 ||
		fs_create(task, session, folder.id, "a", S_IFREG | 0600, NULL, &file) != 0) {
		return false;
	}
	garbage.first_id = folder.id;
	for (uint32_t i = 0; i < n_requests; i++) {
		make_request(&garbage);
		n_answered +=
			send_request(task, &garbage, session->client.lane, session->buffer) == 0;
		if (i % 64 == 0 && /* it may have been forgotten */
			fs_lookup(task, session, session->root.id, name, &folder) != 0) {
			return false;
		}
	}
	helix_log(HEL_LOG_INFO, "%s: seed %llu, %u of %u requests were answered", name,
		(unsigned long long)seed, n_answered, n_requests);
	return n_answered > n_requests / 2 && clear_folder(task, session, folder.id);
}
