/* SPDX-License-Identifier: MIT */
/* Direct transfers: a process that keeps to the rules, and one that does not. See direct.h. */
#include "direct.h"

#include <base/errors.h>
#include <base/random.h>
#include <base/string.h>
#include <protocols/fs/direct.h>

#define DISK_BYTES MIB(8)
#define BLOCK      4096u
#define SECTOR     512u
#define WAIT_NS    UINT64_C(20000000000)
#define ALL        UINT64_MAX
#define SLOTS      FS_DIRECT_SLOTS

struct channel {
	hel_handle memory, event;
	struct fs_direct *shared;
	uint64_t id;
};

static struct fs_client volume, session;
static struct channel channel;

/* The same as in main.c. */
static uint8_t pattern(uint64_t at, uint64_t salt)
{
	return (uint8_t)(at * 7 + at / 512 * 13 + salt * 31);
}

static uint8_t *unit(const struct channel *from, uint32_t index)
{
	return (uint8_t *)from->shared + fs_direct_unit_offset(index);
}

static void fill(uint8_t *bytes, uint64_t offset, uint32_t length, uint64_t salt)
{
	for (uint32_t i = 0; i < length; i++) {
		bytes[i] = pattern(offset + i, salt);
	}
}

static bool is_filled(const uint8_t *bytes, uint64_t offset, uint32_t length, uint64_t salt)
{
	for (uint32_t i = 0; i < length; i++) {
		if (bytes[i] != pattern(offset + i, salt)) {
			return false;
		}
	}
	return true;
}

/* ---- the process' side ----------------------------------------------------------------------- */

static int channel_open(
	struct task *task, struct fs_client *of, bool is_writable, struct channel *out_channel)
{
	void *address;
	int error =
		hel_memory_allocate(FS_DIRECT_SIZE, HEL_ALLOCATE_CONTIGUOUS, &out_channel->memory);

	if (error != 0) {
		return error;
	}
	error = helix_map(
		out_channel->memory, 0, FS_DIRECT_SIZE, HEL_MAP_READ | HEL_MAP_WRITE, &address);
	if (error == 0) {
		out_channel->shared = address;
		error = fs_open_direct(task, of, is_writable, out_channel->memory, &out_channel->id,
			&out_channel->event);
	}
	return error;
}

static void channel_drop(struct channel *old)
{
	helix_unmap(old->shared, FS_DIRECT_SIZE);
	hel_close(HEL_THIS, old->memory);
	hel_close(HEL_THIS, old->event);
}

static void submit(const struct channel *to, uint64_t slots)
{
	atomic_fetch_or(&to->shared->submitted, slots);
	if (atomic_load(&to->shared->sleeps) != 0 && atomic_exchange(&to->shared->sleeps, 0) != 0) {
		(void)!hel_event_raise(to->event, 1);
	}
}

static void describe(
	const struct channel *to, uint32_t index, uint32_t flags, uint64_t offset, uint32_t length)
{
	struct fs_direct_slot *slot = fs_direct_slot(to->shared, index);

	slot->offset = offset;
	slot->length = length;
	slot->flags = flags;
	slot->error = 1;
	slot->n_bytes = 0;
	atomic_store(&slot->state, FS_DIRECT_SUBMITTED);
}

static bool is_done(const struct channel *of, uint32_t index)
{
	struct fs_direct_slot *slot = fs_direct_slot(of->shared, index);
	uint64_t deadline_ns = helix_now_ns() + WAIT_NS;

	while (atomic_load(&slot->state) != FS_DIRECT_DONE) {
		if (hel_futex_wait((const uint32_t *)&slot->state, FS_DIRECT_SUBMITTED, deadline_ns,
			    UINT32_MAX) == -ERR_TIMED_OUT) {
			return false;
		}
	}
	return true;
}

/* One transfer, alone: its error, or 1: no answer, or the wrong number of bytes. */
static int transfer(
	const struct channel *by, uint32_t index, uint32_t flags, uint64_t offset, uint32_t length)
{
	const struct fs_direct_slot *slot = fs_direct_slot(by->shared, index);

	describe(by, index, flags, offset, length);
	submit(by, UINT64_C(1) << index);
	if (!is_done(by, index) || slot->n_bytes != (slot->error == 0 ? length : 0)) {
		return 1;
	}
	return slot->error;
}

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
	uint8_t *bytes = unit(&channel, 5);

	CHECK(transfer(&channel, 5, 0, BLOCK, BLOCK) == 0);
	CHECK(is_filled(bytes, BLOCK, BLOCK, 0));
	fill(bytes, BLOCK, BLOCK, 8);
	CHECK(transfer(&channel, 5, FS_DIRECT_WRITE, BLOCK, BLOCK) == 0);
	memset(bytes, 0, BLOCK);
	CHECK(transfer(&channel, 5, 0, BLOCK, SECTOR) == 0);
	CHECK(is_filled(bytes, BLOCK, SECTOR, 8) && bytes[SECTOR] == 0);
	CHECK(transfer(&channel, 32, 0, DISK_BYTES - MIB(1), MIB(1)) == 0);
	CHECK(is_filled(unit(&channel, 32), DISK_BYTES - MIB(1), MIB(1), 0));
	fill(unit(&channel, 0), 0, MIB(1), 8);
	CHECK(transfer(&channel, 0, FS_DIRECT_WRITE, 0, MIB(1)) == 0);
	CHECK(transfer(&channel, 63, 0, MIB(1), SECTOR) == 0);
	CHECK(is_filled(unit(&channel, 63), MIB(1), SECTOR, 0));
}

/* Pages of the same bytes that are in memory, dirty or not. */
static void test_pages_agree(struct task *task)
{
	struct fs_mapped mapped;
	uint8_t *bytes = unit(&channel, 1);

	CHECK(fs_map(task, &session, session.root.id, DISK_BYTES, true, &mapped) == 0);
	CHECK(is_filled(mapped.bytes, 0, BLOCK, 8));
	CHECK(transfer(&channel, 1, 0, 0, BLOCK) == 0);
	CHECK(is_filled(bytes, 0, BLOCK, 8));
	fill(mapped.bytes + MIB(2), MIB(2), BLOCK, 3); /* dirty */
	CHECK(transfer(&channel, 1, 0, MIB(2), BLOCK) == 0);
	CHECK(is_filled(bytes, MIB(2), BLOCK, 3));
	fill(bytes, MIB(2), BLOCK, 0);
	CHECK(transfer(&channel, 1, FS_DIRECT_WRITE, MIB(2), BLOCK) == 0);
	CHECK(is_filled(mapped.bytes + MIB(2), MIB(2), BLOCK, 0));
	fill(mapped.bytes + MIB(2) + BLOCK, MIB(2) + BLOCK, BLOCK, 4);
	CHECK(transfer(&channel, 1, FS_DIRECT_WRITE, MIB(2), BLOCK) == 0); /* beside it */
	CHECK(is_filled(mapped.bytes + MIB(2) + BLOCK, MIB(2) + BLOCK, BLOCK, 4));
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
		{ 0, 2, SECTOR, 0 },
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
		CHECK(transfer(&channel, wrong[i].index, wrong[i].flags, wrong[i].offset,
			      wrong[i].length) == -ERR_ILLEGAL_ARGS);
	}
	CHECK(fs_open(task, &volume, &reader, false) == 0);
	CHECK(channel_open(task, &reader, false, &reading) == 0);
	CHECK(transfer(&reading, 0, FS_DIRECT_WRITE, 0, SECTOR) == FS_ERROR_READ_ONLY);
	CHECK(transfer(&reading, 0, 0, 0, SECTOR) == 0);
	CHECK(is_filled(unit(&reading, 0), 0, SECTOR, 8));
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

			fill(unit(&channel, i), offset, BLOCK, round);
			describe(&channel, i, FS_DIRECT_WRITE, offset, BLOCK);
		}
		submit(&channel, ALL);
		(void)pattern(mapped.bytes[MIB(4) + round * BLOCK], 0); /* a page comes in */
		for (uint32_t i = 0; i < SLOTS; i++) {
			CHECK(is_done(&channel, i) &&
				fs_direct_slot(channel.shared, i)->error == 0);
		}
		for (uint32_t i = 0; i < SLOTS; i++) {
			describe(&channel, i, 0, MIB(4) + (uint64_t)((i * 7 + 3) % 32) * BLOCK,
				BLOCK);
		}
		submit(&channel, ALL);
		for (uint32_t i = 0; i < SLOTS; i++) {
			CHECK(is_done(&channel, i) &&
				fs_direct_slot(channel.shared, i)->error == 0);
			CHECK(is_filled(unit(&channel, i),
				MIB(4) + (uint64_t)((i * 7 + 3) % 32) * BLOCK, BLOCK, round));
		}
		CHECK(is_filled(mapped.bytes + MIB(4), MIB(4), 32 * BLOCK, round));
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
			describe(&hostile, (uint32_t)random_below(&random, SLOTS),
				(uint32_t)random_below(&random, 2),
				MIB(5) + random_below(&random, 4000) * SECTOR,
				(uint32_t)random_below(&random, 70) * SECTOR);
		}
		submit(&hostile, random_u64(&random));
		(void)!hel_event_raise(hostile.event, (uint32_t)random_u64(&random) | 1);
	}
	CHECK(transfer(&channel, 0, 0, 0, BLOCK) == 0);
	CHECK(is_filled(unit(&channel, 0), 0, BLOCK, 8));
	CHECK(fs_close_direct(task, &session, hostile.id) == 0);
	CHECK(fs_close_direct(task, &session, hostile.id) == -ERR_NOT_FOUND);
	channel_drop(&hostile);
}

static void describe_all(const struct channel *of, uint32_t flags)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		uint64_t offset = MIB(6) + (uint64_t)i * FS_DIRECT_UNIT / 2;

		fill(unit(of, i), offset, BLOCK, 9);
		describe(of, i, flags, offset, FS_DIRECT_UNIT / 2);
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
		submit(&loaded, ALL);
		CHECK(fs_close_direct(task, &session, loaded.id) == 0);
		for (uint32_t i = 0; i < SLOTS; i++) {
			const struct fs_direct_slot *slot = fs_direct_slot(loaded.shared, i);

			CHECK(slot->state == FS_DIRECT_DONE);
			CHECK(slot->error == 0 || slot->error == FS_DIRECT_ASK);
			n_asked += slot->error != 0;
		}
		CHECK(n_asked == 0 || n_asked == SLOTS); /* it takes all or none */
		describe(&loaded, 0, 0, 0, SECTOR);
		atomic_store(&loaded.shared->submitted, 1);
		(void)!hel_event_raise(loaded.event, 1);
		CHECK(transfer(&channel, 0, 0, 0, SECTOR) == 0);
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
	submit(&channel, ALL);
	while (n < 1000 && error == 0) {
		error = fs_open_direct(task, &session, false, channel.memory, &id, &event);
		n += error == 0;
	}
	CHECK(error == -ERR_NO_SPACE && n == 64);
	describe_all(&channel, 0);
	submit(&channel, ALL);
	fs_client_deinit(&session);
	CHECK(fs_open(task, &volume, &session, true) == 0);
	channel_drop(&channel);
	CHECK(channel_open(task, &session, true, &channel) == 0);
	CHECK(transfer(&channel, 0, 0, MIB(6), BLOCK) == 0);
	CHECK(is_filled(unit(&channel, 0), MIB(6), BLOCK, 9));
	fill(unit(&channel, 0), 0, MIB(1), 8);
	CHECK(transfer(&channel, 0, FS_DIRECT_WRITE, 0, MIB(1)) == 0);
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
		transfer(&channel, 3, FS_DIRECT_WRITE, BLOCK, BLOCK) == 0;
}

bool direct_after_removal(void)
{
	return transfer(&channel, 3, 0, BLOCK, BLOCK) == -ERR_END_OF_LANE &&
		transfer(&channel, 3, FS_DIRECT_WRITE, BLOCK, BLOCK) == -ERR_END_OF_LANE;
}
