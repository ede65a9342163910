/* SPDX-License-Identifier: MIT */
/* Direct transfers: a process that keeps to the rules, and one that does not. See direct.h. */
#include "direct.h"

#include "channel.h"

#include <base/errors.h>
#include <base/random.h>
#include <base/string.h>

#define DISK_BYTES MIB(8)
#define BLOCK      4096u
#define SECTOR     512u
#define ALL        UINT64_MAX
#define SLOTS      FS_DIRECT_SLOTS

static struct fs_client volume, session;
static struct channel channel;

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_channel_is_opened(struct task *task)
{
	struct fs_client reader;
	hel_handle memory, event;
	uint64_t id;
	char name[96];

	CHECK(helix_command_line_option("fs.name", name, sizeof(name)));
	CHECK(fs_volume_find(task, &volume, name) == 0);
	CHECK(fs_open(task, &volume, &session, true) == 0);
	CHECK(fs_open_direct(task, &session, true, HEL_NULL, &id, &event) == -ERR_BAD_HANDLE);
	CHECK(hel_memory_allocate(FS_DIRECT_SIZE, 0, &memory) == 0);
	CHECK(fs_open_direct(task, &session, true, memory, &id, &event) == -ERR_UNSUPPORTED);
	hel_close(HEL_THIS, memory);
	CHECK(hel_memory_allocate(FS_DIRECT_SIZE - BLOCK, HEL_ALLOCATE_CONTIGUOUS, &memory) == 0);
	CHECK(fs_open_direct(task, &session, true, memory, &id, &event) == -ERR_OUT_OF_BOUNDS);
	hel_close(HEL_THIS, memory);
	CHECK(channel_open(task, &session, true, &channel) == 0);
	CHECK(hel_transfer(HEL_THIS, channel.memory, HEL_THIS,
		      HEL_RIGHT_READ | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE, &memory) == 0);
	CHECK(fs_open_direct(task, &session, true, memory, &id, &event) == -ERR_NO_RIGHTS);
	hel_close(HEL_THIS, memory);
	CHECK(fs_open(task, &volume, &reader, false) == 0);
	CHECK(fs_open_direct(task, &reader, true, channel.memory, &id, &event) ==
		FS_ERROR_READ_ONLY);
	CHECK(fs_unmount(task, &reader) == 0);
}

static void test_bytes_are_moved(struct task *task UNUSED)
{
	uint8_t *bytes = channel_unit(&channel, 5);

	CHECK(channel_transfer(&channel, 5, 0, BLOCK, BLOCK) == 0);
	CHECK(channel_is_filled(bytes, BLOCK, BLOCK, 0));
	channel_fill(bytes, BLOCK, BLOCK, 8);
	CHECK(channel_transfer(&channel, 5, FS_DIRECT_WRITE, BLOCK, BLOCK) == 0);
	memset(bytes, 0, BLOCK);
	CHECK(channel_transfer(&channel, 5, 0, BLOCK, SECTOR) == 0);
	CHECK(channel_is_filled(bytes, BLOCK, SECTOR, 8) && bytes[SECTOR] == 0);
	CHECK(channel_transfer(&channel, 32, 0, DISK_BYTES - MIB(1), MIB(1)) == 0);
	CHECK(channel_is_filled(channel_unit(&channel, 32), DISK_BYTES - MIB(1), MIB(1), 0));
	channel_fill(channel_unit(&channel, 0), 0, MIB(1), 8);
	CHECK(channel_transfer(&channel, 0, FS_DIRECT_WRITE, 0, MIB(1)) == 0);
	CHECK(channel_transfer(&channel, 63, 0, MIB(1), SECTOR) == 0);
	CHECK(channel_is_filled(channel_unit(&channel, 63), MIB(1), SECTOR, 0));
}

/* Pages of the same bytes that are in memory, dirty or not. */
static void test_pages_agree(struct task *task)
{
	struct fs_mapped mapped;
	uint8_t *bytes = channel_unit(&channel, 1);

	CHECK(fs_map(task, &session, session.root.id, DISK_BYTES, true, &mapped) == 0);
	CHECK(channel_is_filled(mapped.bytes, 0, BLOCK, 8));
	CHECK(channel_transfer(&channel, 1, 0, 0, BLOCK) == 0);
	CHECK(channel_is_filled(bytes, 0, BLOCK, 8));
	channel_fill(mapped.bytes + MIB(2), MIB(2), BLOCK, 3); /* dirty */
	CHECK(channel_transfer(&channel, 1, 0, MIB(2), BLOCK) == 0);
	CHECK(channel_is_filled(bytes, MIB(2), BLOCK, 3));
	channel_fill(bytes, MIB(2), BLOCK, 0);
	CHECK(channel_transfer(&channel, 1, FS_DIRECT_WRITE, MIB(2), BLOCK) == 0);
	CHECK(channel_is_filled(mapped.bytes + MIB(2), MIB(2), BLOCK, 0));
	channel_fill(mapped.bytes + MIB(2) + BLOCK, MIB(2) + BLOCK, BLOCK, 4);
	CHECK(channel_transfer(&channel, 1, FS_DIRECT_WRITE, MIB(2), BLOCK) == 0); /* beside it */
	CHECK(channel_is_filled(mapped.bytes + MIB(2) + BLOCK, MIB(2) + BLOCK, BLOCK, 4));
	CHECK(fs_sync(task, &session) == 0);
	fs_unmap(&mapped);
}

static void test_nonsense_is_refused(struct task *task)
{
	static const struct {
		uint32_t index, flags, length;
		uint64_t offset;
	} wrong[] = {
		{ 0, 0, 0, 0 },
		{ 0, 0, 1, 0 },
		{ 0, 0, SECTOR, 1 },
		{ 0, 4, SECTOR, 0 },
		{ 0, UINT32_MAX, SECTOR, 0 },
		{ 0, 0, FS_DIRECT_LENGTH_MAX + SECTOR, 0 },
		{ 0, 0, UINT32_MAX & ~(SECTOR - 1), 0 },
		{ 63, 0, FS_DIRECT_UNIT + SECTOR, 0 },
		{ 33, 0, FS_DIRECT_LENGTH_MAX, 0 },
		{ 0, 0, SECTOR, DISK_BYTES },
		{ 0, 0, 2 * SECTOR, DISK_BYTES - SECTOR },
		{ 0, FS_DIRECT_WRITE, SECTOR, DISK_BYTES },
		{ 0, 0, SECTOR, UINT64_MAX & ~(uint64_t)(SECTOR - 1) },
		{ 0, FS_DIRECT_WRITE, BLOCK, UINT64_MAX - BLOCK + 1 },
	};
	struct fs_client reader;
	struct channel reading;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		CHECK(channel_transfer(&channel, wrong[i].index, wrong[i].flags, wrong[i].offset,
			      wrong[i].length) == -ERR_ILLEGAL_ARGS);
	}
	CHECK(fs_open(task, &volume, &reader, false) == 0);
	CHECK(channel_open(task, &reader, false, &reading) == 0);
	CHECK(channel_transfer(&reading, 0, FS_DIRECT_WRITE, 0, SECTOR) == FS_ERROR_READ_ONLY);
	CHECK(channel_transfer(&reading, 0, 0, 0, SECTOR) == 0);
	CHECK(channel_is_filled(channel_unit(&reading, 0), 0, SECTOR, 8));
	CHECK(fs_close_direct(task, &reader, reading.id) == 0);
	CHECK(fs_unmount(task, &reader) == 0);
	channel_drop(&reading);
}

/* All slots at once, some of them about the same bytes; read back in another order. */
static void test_many_are_under_way(struct task *task)
{
	struct fs_mapped mapped;

	CHECK(fs_map(task, &session, session.root.id, DISK_BYTES, true, &mapped) == 0);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < SLOTS; i++) {
			uint64_t offset = MIB(4) + (uint64_t)(i / 2) * BLOCK;

			channel_fill(channel_unit(&channel, i), offset, BLOCK, round);
			channel_describe(&channel, i, FS_DIRECT_WRITE, offset, BLOCK);
		}
		channel_submit(&channel, ALL);
		(void)channel_pattern(
			mapped.bytes[MIB(4) + round * BLOCK], 0); /* a page comes in */
		for (uint32_t i = 0; i < SLOTS; i++) {
			CHECK(channel_is_done(&channel, i) &&
				fs_direct_slot(channel.shared, i)->error == 0);
		}
		for (uint32_t i = 0; i < SLOTS; i++) {
			channel_describe(&channel, i, 0,
				MIB(4) + (uint64_t)((i * 7 + 3) % 32) * BLOCK, BLOCK);
		}
		channel_submit(&channel, ALL);
		for (uint32_t i = 0; i < SLOTS; i++) {
			CHECK(channel_is_done(&channel, i) &&
				fs_direct_slot(channel.shared, i)->error == 0);
			CHECK(channel_is_filled(channel_unit(&channel, i),
				MIB(4) + (uint64_t)((i * 7 + 3) % 32) * BLOCK, BLOCK, round));
		}
		CHECK(channel_is_filled(mapped.bytes + MIB(4), MIB(4), 32 * BLOCK, round));
	}
	fs_unmap(&mapped);
}

/* Anything anywhere in the first pages, while transfers are under way; behind 5 MiB only. */
static void test_anything_is_survived(struct task *task)
{
	struct random random;
	struct channel hostile;
	uint64_t *words;

	random_init(&random, 7);
	CHECK(channel_open(task, &session, true, &hostile) == 0);
	words = (uint64_t *)hostile.shared;
	for (uint32_t round = 0; round < 4000; round++) {
		for (uint32_t i = 0; i < 8; i++) {
			uint64_t at = random_below(&random, FS_DIRECT_DATA / 8);
			bool is_offset = at >= 512 && at % 8 == 0;

			words[at] = is_offset ? MIB(5) + random_below(&random, MIB(2)) / 512 * 512
					      : random_u64(&random);
		}
		for (uint32_t i = 0; i < 4; i++) {
			channel_describe(&hostile, (uint32_t)random_below(&random, SLOTS),
				(uint32_t)random_below(&random, 2),
				MIB(5) + random_below(&random, 4000) * SECTOR,
				(uint32_t)random_below(&random, 70) * SECTOR);
		}
		channel_submit(&hostile, random_u64(&random));
		(void)!hel_event_raise(hostile.event, (uint32_t)random_u64(&random) | 1);
	}
	CHECK(channel_transfer(&channel, 0, 0, 0, BLOCK) == 0);
	CHECK(channel_is_filled(channel_unit(&channel, 0), 0, BLOCK, 8));
	CHECK(fs_close_direct(task, &session, hostile.id) == 0);
	CHECK(fs_close_direct(task, &session, hostile.id) == -ERR_NOT_FOUND);
	channel_drop(&hostile);
}

static void describe_all(const struct channel *of, uint32_t flags)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		uint64_t offset = MIB(6) + (uint64_t)i * FS_DIRECT_UNIT / 2;

		channel_fill(channel_unit(of, i), offset, BLOCK, 9);
		channel_describe(of, i, flags, offset, FS_DIRECT_UNIT / 2);
	}
}

/* When it is answered everything is over, and nothing begins any more. */
static void test_channel_is_closed_under_load(struct task *task)
{
	for (uint32_t round = 0; round < 30; round++) {
		struct channel loaded;
		uint32_t n_asked = 0;

		CHECK(channel_open(task, &session, true, &loaded) == 0);
		describe_all(&loaded, round % 2 == 0 ? 0 : FS_DIRECT_WRITE);
		channel_submit(&loaded, ALL);
		CHECK(fs_close_direct(task, &session, loaded.id) == 0);
		for (uint32_t i = 0; i < SLOTS; i++) {
			const struct fs_direct_slot *slot = fs_direct_slot(loaded.shared, i);

			CHECK(slot->state == FS_DIRECT_DONE);
			CHECK(slot->error == 0 || slot->error == FS_DIRECT_ASK);
			n_asked += slot->error != 0;
		}
		CHECK(n_asked == 0 || n_asked == SLOTS); /* it takes all or none */
		channel_describe(&loaded, 0, 0, 0, SECTOR);
		atomic_store(&loaded.shared->submitted, 1);
		(void)!hel_event_raise(loaded.event, 1);
		CHECK(channel_transfer(&channel, 0, 0, 0, SECTOR) == 0);
		CHECK(fs_direct_slot(loaded.shared, 0)->state == FS_DIRECT_SUBMITTED);
		channel_drop(&loaded);
	}
}

static void test_session_ends_under_load(struct task *task)
{
	hel_handle event;
	uint64_t id;
	uint32_t n = 1;
	int error = 0;

	describe_all(&channel, FS_DIRECT_WRITE);
	channel_submit(&channel, ALL);
	while (n < 1000 && error == 0) {
		error = fs_open_direct(task, &session, false, channel.memory, &id, &event);
		n += error == 0;
	}
	CHECK(error == -ERR_NO_SPACE && n == 64);
	describe_all(&channel, 0);
	channel_submit(&channel, ALL);
	fs_client_deinit(&session);
	CHECK(fs_open(task, &volume, &session, true) == 0);
	channel_drop(&channel);
	CHECK(channel_open(task, &session, true, &channel) == 0);
	CHECK(channel_transfer(&channel, 0, 0, MIB(6), BLOCK) == 0);
	CHECK(channel_is_filled(channel_unit(&channel, 0), MIB(6), BLOCK, 9));
	channel_fill(channel_unit(&channel, 0), 0, MIB(1), 8);
	CHECK(channel_transfer(&channel, 0, FS_DIRECT_WRITE, 0, MIB(1)) == 0);
	CHECK(fs_unmount(task, &session) == 0);
	channel_drop(&channel);
	fs_client_deinit(&volume);
}

const struct task_test direct_tests[N_DIRECT_TESTS] = {
	TASK_TEST(channel_is_opened),
	TASK_TEST(bytes_are_moved),
	TASK_TEST(pages_agree),
	TASK_TEST(nonsense_is_refused),
	TASK_TEST(many_are_under_way),
	TASK_TEST(anything_is_survived),
	TASK_TEST(channel_is_closed_under_load),
	TASK_TEST(session_ends_under_load),
};

/* ---- a disk that is taken out ---------------------------------------------------------------- */

bool direct_before_removal(struct task *task, struct fs_client *of)
{
	return channel_open(task, of, true, &channel) == 0 &&
		channel_transfer(&channel, 3, FS_DIRECT_WRITE, BLOCK, BLOCK) == 0;
}

bool direct_after_removal(void)
{
	return channel_transfer(&channel, 3, 0, BLOCK, BLOCK) == -ERR_END_OF_LANE &&
		channel_transfer(&channel, 3, FS_DIRECT_WRITE, BLOCK, BLOCK) == -ERR_END_OF_LANE;
}
