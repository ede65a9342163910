/* SPDX-License-Identifier: MIT */
/*
 * Direct transfers to and from loans: what a process shows, and what it takes away meanwhile.
 *
 * `area` is private memory of this program, parts of which are lent. fs.rounds=N makes the tests
 * under load longer. See direct.h.
 */
#include "direct.h"

#include "channel.h"

#include <base/errors.h>
#include <base/random.h>
#include <base/string.h>

#define DISK_BYTES MIB(8)
#define AREA_BYTES MIB(4)
#define HALF       MIB(2) /* of the area: what a transfer of all slots needs */
#define PART       (HALF / FS_DIRECT_SLOTS)
#define LONGEST    FS_DIRECT_LENGTH_MAX
#define SECTOR     512u
#define PAGE       4096u
#define ALL        UINT64_MAX
#define SLOTS      FS_DIRECT_SLOTS
#define LOANS      FS_DIRECT_LOANS
#define ROUNDS     20
#define LENT       FS_DIRECT_LOAN
#define LENT_WRITE (FS_DIRECT_LOAN | FS_DIRECT_WRITE)

static struct fs_client volume, session;
static struct fs_client second; /* calls of another task in the same session */
static struct channel channel;
static uint8_t *area;

/* ---- lending --------------------------------------------------------------------------------- */

/* New memory at an address, in the place of what is there: zeros, a guard. */
static int put(uint8_t *address, uint64_t size, uint32_t flags)
{
	const struct hel_map_args args = {
		.space = HEL_THIS,
		.address = (uint64_t)address,
		.size_bytes = size,
		.flags = flags | HEL_MAP_FORK_COPY | HEL_MAP_FIXED,
	};
	uint64_t result;

	return hel_space_map(&args, &result);
}

/* To @channel, by @client. */
static int lend_by(struct task *task, struct fs_client *client, const struct channel *to,
	uint32_t number, const uint8_t *bytes, uint64_t size)
{
	hel_handle loan;
	int error = hel_space_lend(HEL_THIS, (uint64_t)bytes, size, &loan);

	if (error == 0) {
		error = fs_lend_direct(task, client, to->id, number, loan);
		hel_close(HEL_THIS, loan);
	}
	return error;
}

static int lend(struct task *task, uint32_t number, const uint8_t *bytes, uint64_t size)
{
	return lend_by(task, &session, &channel, number, bytes, size);
}

/* One transfer, alone: as channel_transfer(). */
static int move(uint32_t flags, uint64_t offset, uint32_t length, uint32_t loan, uint64_t place)
{
	channel_describe_lent(&channel, 9, flags, offset, length, loan, place);
	return channel_finish(&channel, 9);
}

/* An error of that transfer: neither nothing, nor that somebody else is to be asked. */
static bool is_refused(int error)
{
	return error < 0 && error != FS_DIRECT_ASK && error != -ERR_ILLEGAL_ARGS;
}

static uint64_t n_rounds(void)
{
	char text[24];
	uint64_t value = 0;

	if (!helix_command_line_option("fs.rounds", text, sizeof(text))) {
		return ROUNDS;
	}
	for (const char *digit = text; *digit >= '0' && *digit <= '9'; digit++) {
		value = value * 10 + (uint64_t)(*digit - '0');
	}
	return value;
}

/* ---- one at a time --------------------------------------------------------------------------- */

static void test_loans_are_checked(struct task *task)
{
	hel_handle loan, other;
	char name[96];

	CHECK(helix_command_line_option("fs.name", name, sizeof(name)));
	CHECK(fs_volume_find(task, &volume, name) == 0);
	CHECK(fs_open(task, &volume, &session, true) == 0);
	CHECK(fs_client_init_again(&second, &session) == 0);
	CHECK(channel_open(task, &session, true, &channel) == 0);
	CHECK(helix_map(HEL_NULL, 0, AREA_BYTES, HEL_MAP_READ | HEL_MAP_WRITE, (void **)&area) ==
		0);
	CHECK(put(area, AREA_BYTES, HEL_MAP_READ | HEL_MAP_WRITE) == 0);
	CHECK(move(LENT, 0, SECTOR, 0, 0) == FS_DIRECT_ASK);
	CHECK(move(LENT, 0, SECTOR, 1, 0) == FS_DIRECT_ASK);
	CHECK(hel_space_lend(HEL_THIS, (uint64_t)area, MIB(1), &loan) == 0);
	CHECK(fs_lend_direct(task, &session, channel.id + 1, 1, loan) == -ERR_NOT_FOUND);
	CHECK(fs_lend_direct(task, &session, channel.id, 0, loan) == -ERR_ILLEGAL_ARGS);
	CHECK(fs_lend_direct(task, &session, channel.id, 1, channel.memory) == -ERR_UNSUPPORTED);
	CHECK(hel_event_create(0, &other) == 0);
	CHECK(fs_lend_direct(task, &session, channel.id, 1, other) == -ERR_UNSUPPORTED);
	hel_close(HEL_THIS, other);
	CHECK(hel_transfer(HEL_THIS, loan, HEL_THIS,
		      HEL_RIGHT_READ | HEL_RIGHT_PIN | HEL_RIGHT_DERIVE, &other) == 0);
	CHECK(fs_lend_direct(task, &session, channel.id, 1, other) == -ERR_NO_RIGHTS);
	hel_close(HEL_THIS, other);
	CHECK(move(LENT, 0, SECTOR, 1, 0) == FS_DIRECT_ASK);
	CHECK(fs_lend_direct(task, &session, channel.id, 1, HEL_NULL) == 0);
	CHECK(move(LENT, 0, SECTOR, 1, 0) == FS_DIRECT_ASK);
	CHECK(fs_lend_direct(task, &session, channel.id, 1, loan) == 0);
	CHECK(move(LENT, 0, SECTOR, 1, 0) == 0);
	hel_close(HEL_THIS, loan);
}

/* From the loan to the units and back, and nothing beside it. */
static void test_bytes_are_moved(struct task *task)
{
	uint8_t *unit = channel_unit(&channel, 0);

	CHECK(lend(task, LOANS + 3, area, AREA_BYTES) == 0);
	channel_fill(area + SECTOR, 0, LONGEST, 1);
	CHECK(move(LENT_WRITE, 0, LONGEST, LOANS + 3, SECTOR) == 0); /* of 257 pages */
	CHECK(channel_transfer(&channel, 0, 0, 0, LONGEST) == 0);
	CHECK(channel_is_filled(unit, 0, LONGEST, 1));
	channel_fill(unit, 0, LONGEST, 2);
	CHECK(channel_transfer(&channel, 0, FS_DIRECT_WRITE, MIB(1), LONGEST) == 0);
	memset(area + HALF - PAGE, 0xee, LONGEST + 2 * PAGE);
	CHECK(move(LENT, MIB(1), LONGEST, LOANS + 3, HALF - SECTOR) == 0);
	CHECK(channel_is_filled(area + HALF - SECTOR, 0, LONGEST, 2));
	CHECK(area[HALF - SECTOR - 1] == 0xee && area[HALF - SECTOR + LONGEST] == 0xee);
	CHECK(move(LENT, MIB(1), SECTOR, LOANS + 3, AREA_BYTES - SECTOR) == 0);
	CHECK(channel_is_filled(area + AREA_BYTES - SECTOR, 0, SECTOR, 2));
	/* pages that were never touched */
	CHECK(put(area, AREA_BYTES, HEL_MAP_READ | HEL_MAP_WRITE) == 0);
	CHECK(move(LENT, MIB(1), LONGEST, LOANS + 3, MIB(1)) == 0);
	CHECK(channel_is_filled(area + MIB(1), 0, LONGEST, 2) && area[MIB(1) - 1] == 0);
	CHECK(move(LENT_WRITE, MIB(1), SECTOR, LOANS + 3, HALF) == 0);
	CHECK(channel_transfer(&channel, 0, 0, MIB(1), SECTOR) == 0);
	CHECK(unit[0] == 0 && unit[SECTOR - 1] == 0);
}

static void test_places_are_checked(struct task *task)
{
	static const struct {
		uint32_t flags, length;
		uint64_t offset, place;
	} wrong[] = {
		{ LENT, SECTOR, 0, 1 },
		{ LENT, SECTOR, 0, MIB(1) },
		{ LENT, 2 * SECTOR, 0, MIB(1) - SECTOR },
		{ LENT, SECTOR, 0, UINT64_MAX - SECTOR + 1 },
		{ LENT, LONGEST, 0, SECTOR },
		{ LENT, LONGEST + SECTOR, 0, 0 },
		{ LENT, 0, 0, 0 },
		{ LENT, 1, 0, 0 },
		{ LENT, SECTOR, 1, 0 },
		{ LENT, SECTOR, DISK_BYTES, 0 },
		{ LENT_WRITE, 2 * SECTOR, DISK_BYTES - SECTOR, 0 },
		{ LENT | 4, SECTOR, 0, 0 },
	};
	struct fs_client reader;
	struct channel reading;

	CHECK(lend(task, 2 * LOANS + 3, area, MIB(1)) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		CHECK(move(wrong[i].flags, wrong[i].offset, wrong[i].length, 2 * LOANS + 3,
			      wrong[i].place) == -ERR_ILLEGAL_ARGS);
	}
	CHECK(fs_open(task, &volume, &reader, false) == 0);
	CHECK(channel_open(task, &reader, false, &reading) == 0);
	CHECK(lend_by(task, &reader, &reading, 1, area, MIB(1)) == 0);
	channel_describe_lent(&reading, 0, LENT_WRITE, 0, SECTOR, 1, 0);
	CHECK(channel_finish(&reading, 0) == FS_ERROR_READ_ONLY);
	/* the last slot has but one unit, which does not matter */
	channel_describe_lent(&reading, SLOTS - 1, LENT, 0, LONGEST, 1, 0);
	CHECK(channel_finish(&reading, SLOTS - 1) == 0);
	CHECK(channel_is_filled(area, 0, LONGEST, 1));
	CHECK(fs_close_direct(task, &reader, reading.id) == 0);
	CHECK(fs_unmount(task, &reader) == 0);
	channel_drop(&reading);
}

static void test_numbers_are_of_one_loan(struct task *task)
{
	for (uint32_t i = 0; i < LOANS; i++) {
		CHECK(lend(task, 3 * LOANS + i, area + i * PAGE, PAGE) == 0);
	}
	for (uint32_t i = 0; i < LOANS; i++) {
		area[i * PAGE] = 0xee;
		CHECK(move(LENT, 0, SECTOR, 3 * LOANS + i, 0) == 0);
		CHECK(channel_is_filled(area + i * PAGE, 0, SECTOR, 1));
		CHECK(move(LENT, 0, SECTOR, 2 * LOANS + i, 0) == FS_DIRECT_ASK);
		CHECK(move(LENT, 0, SECTOR, 4 * LOANS + i, 0) == FS_DIRECT_ASK);
	}
	CHECK(lend(task, UINT32_MAX, area, PAGE) == 0);
	CHECK(move(LENT, 0, SECTOR, 3 * LOANS + 15, 0) == FS_DIRECT_ASK);
	CHECK(move(LENT, 0, SECTOR, UINT32_MAX, 0) == 0);
	/* what cannot be lent takes the place of what was */
	CHECK(fs_lend_direct(task, &session, channel.id, 4 * LOANS + 5, channel.memory) ==
		-ERR_UNSUPPORTED);
	CHECK(move(LENT, 0, SECTOR, 3 * LOANS + 5, 0) == FS_DIRECT_ASK);
	for (uint32_t i = 0; i < LOANS; i++) {
		CHECK(fs_lend_direct(task, &session, channel.id, 5 * LOANS + i, HEL_NULL) == 0);
		CHECK(move(LENT, 0, SECTOR, 3 * LOANS + i, 0) == FS_DIRECT_ASK);
		CHECK(move(LENT, 0, SECTOR, 5 * LOANS + i, 0) == FS_DIRECT_ASK);
	}
}

/* ---- what is mapped there -------------------------------------------------------------------- */

static void test_what_is_not_there_fails(struct task *task)
{
	constexpr uint32_t lent = 6 * LOANS;

	CHECK(lend(task, lent, area, MIB(1)) == 0);
	hel_space_unmap(HEL_THIS, (uint64_t)area + KIB(64), PAGE); /* nobody maps meanwhile */
	int read = move(LENT, 0, KIB(128), lent, 0);
	int written = move(LENT_WRITE, MIB(7), KIB(128), lent, 0);

	CHECK(put(area + KIB(64), PAGE, HEL_MAP_READ | HEL_MAP_WRITE) == 0);
	CHECK(is_refused(read) && is_refused(written));
	CHECK(move(LENT, 0, KIB(128), lent, 0) == 0);
	CHECK(channel_is_filled(area, 0, KIB(128), 1));
	CHECK(put(area, PAGE, HEL_MAP_GUARD) == 0);
	CHECK(is_refused(move(LENT, 0, SECTOR, lent, 0)));
	CHECK(is_refused(move(LENT_WRITE, MIB(7), SECTOR, lent, 0)));
	CHECK(put(area, PAGE, HEL_MAP_READ | HEL_MAP_WRITE) == 0);
	memset(area, 0xee, PAGE);
	CHECK(hel_space_protect(HEL_THIS, (uint64_t)area, PAGE, HEL_MAP_READ) == 0);
	CHECK(is_refused(move(LENT, 0, KIB(64), lent, 0)));
	CHECK(area[0] == 0xee && area[PAGE - 1] == 0xee);
	CHECK(move(LENT_WRITE, MIB(7), SECTOR, lent, 0) == 0);
	CHECK(hel_space_protect(HEL_THIS, (uint64_t)area, PAGE, 0) == 0);
	CHECK(is_refused(move(LENT_WRITE, MIB(7), SECTOR, lent, 0)));
	CHECK(hel_space_protect(HEL_THIS, (uint64_t)area, PAGE, HEL_MAP_READ | HEL_MAP_WRITE) == 0);
	CHECK(channel_transfer(&channel, 0, 0, MIB(7), SECTOR) == 0);
	CHECK(channel_unit(&channel, 0)[0] == 0xee);
	CHECK(move(LENT, 0, KIB(64), lent, 0) == 0);
	CHECK(channel_is_filled(area, 0, KIB(64), 1));
}

/* The server would have to bring them for itself. */
static void test_pages_of_the_disk_itself(struct task *task)
{
	constexpr uint32_t lent = 7 * LOANS + 1;
	struct fs_mapped mapped;
	uint8_t *bytes = channel_unit(&channel, 0);

	CHECK(fs_map(task, &session, session.root.id, DISK_BYTES, true, &mapped) == 0);
	CHECK(lend(task, lent, mapped.bytes, DISK_BYTES) == 0);
	CHECK(is_refused(move(LENT_WRITE, MIB(7), SECTOR, lent, MIB(6))));
	CHECK(is_refused(move(LENT, 0, SECTOR, lent, MIB(6))));
	channel_fill(mapped.bytes + MIB(6), 0, PAGE, 3); /* dirty */
	CHECK(move(LENT_WRITE, MIB(7), PAGE, lent, MIB(6)) == 0);
	CHECK(move(LENT_WRITE, MIB(6), PAGE, lent, MIB(6)) == 0); /* onto itself */
	CHECK(channel_transfer(&channel, 0, 0, MIB(7), PAGE) == 0);
	CHECK(channel_is_filled(bytes, 0, PAGE, 3));
	CHECK(channel_transfer(&channel, 0, 0, MIB(6), PAGE) == 0);
	CHECK(channel_is_filled(bytes, 0, PAGE, 3));
	CHECK(channel_is_filled(mapped.bytes + MIB(6), 0, PAGE, 3));
	fs_unmap(&mapped);
	int error = move(LENT_WRITE, MIB(7), PAGE, lent, MIB(6));

	CHECK(is_refused(error));
	CHECK(fs_lend_direct(task, &session, channel.id, lent, HEL_NULL) == 0);
}

/* The loan is all that is left of the space. */
static void test_space_that_nobody_has(struct task *task)
{
	constexpr uint32_t lent = 8 * LOANS + 2;
	struct hel_map_args args = {
		.size_bytes = KIB(64),
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	static uint8_t bytes[PAGE];
	uint64_t address;
	hel_handle loan;

	CHECK(hel_memory_allocate(KIB(64), 0, &args.memory) == 0);
	CHECK(hel_space_create(HEL_THIS, &args.space) == 0);
	CHECK(hel_space_map(&args, &address) == 0);
	CHECK(hel_space_lend(args.space, address, KIB(64), &loan) == 0);
	CHECK(fs_lend_direct(task, &session, channel.id, lent, loan) == 0);
	hel_close(HEL_THIS, loan);
	hel_close(HEL_THIS, args.space);
	CHECK(move(LENT, 0, KIB(64), lent, 0) == 0);
	CHECK(hel_memory_read(args.memory, KIB(60), bytes, PAGE) == 0);
	CHECK(channel_is_filled(bytes, KIB(60), PAGE, 1));
	CHECK(fs_lend_direct(task, &session, channel.id, lent, HEL_NULL) == 0);
	hel_close(HEL_THIS, args.memory);
}

/* ---- under load ------------------------------------------------------------------------------ */

/* Of each part of the disk from 4 MiB on, what it was filled with. */
static uint64_t salts[SLOTS];

/* All slots, of a half of the area that is lent. */
static void submit_all(const struct channel *to, uint32_t flags, uint32_t loan)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		channel_describe_lent(
			to, i, flags, MIB(4) + (uint64_t)i * PART, PART, loan, (uint64_t)i * PART);
	}
	channel_submit(to, ALL);
}

static bool is_done(const struct channel *of, uint32_t index)
{
	return atomic_load(&fs_direct_slot(of->shared, index)->state) == FS_DIRECT_DONE;
}

/* It was done, or is asked for elsewhere. */
static bool is_told(const struct channel *of, uint32_t index)
{
	const struct fs_direct_slot *slot = fs_direct_slot(of->shared, index);

	return channel_is_done(of, index) && (slot->error == 0 || slot->error == FS_DIRECT_ASK);
}

/*
 * When the next loan is there nothing is done with the old one any more: it can be used for
 * anything. A round reads or writes with one half of the area, and then lends the other one.
 */
static bool run_round(struct task *task, uint64_t round)
{
	uint32_t loan = (uint32_t)(9 + round) * LOANS;
	uint8_t *half = area + round % 2 * HALF, *next = area + (round + 1) % 2 * HALF;
	bool is_write = round / 2 % 2 == 0;
	uint64_t done = 0;

	for (uint32_t i = 0; i < SLOTS && is_write; i++) {
		channel_fill(half + (uint64_t)i * PART, i, PART, round);
	}
	submit_all(&channel, is_write ? LENT_WRITE : LENT, loan);
	if (lend(task, loan + LOANS, next, HALF) != 0) {
		return false;
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		done |= (uint64_t)is_done(&channel, i) << i;
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		const struct fs_direct_slot *slot = fs_direct_slot(channel.shared, i);

		if (!is_told(&channel, i) || (slot->error == 0 && (done >> i & 1) == 0)) {
			return false;
		}
		salts[i] = is_write && slot->error == 0 ? round : salts[i];
		if (!is_write && slot->error == 0 &&
			!channel_is_filled(half + (uint64_t)i * PART, i, PART, salts[i])) {
			return false;
		}
	}
	memset(half, 0xee, HALF);
	return true;
}

static void test_loans_are_changed_under_load(struct task *task)
{
	uint64_t rounds = n_rounds();
	uint64_t n_moved = 0;

	for (uint32_t i = 0; i < SLOTS; i++) {
		salts[i] = 5;
		channel_fill(channel_unit(&channel, i), i, PART, 5);
		channel_describe(&channel, i, FS_DIRECT_WRITE, MIB(4) + (uint64_t)i * PART, PART);
	}
	channel_submit(&channel, ALL);
	for (uint32_t i = 0; i < SLOTS; i++) {
		CHECK(is_told(&channel, i));
	}
	CHECK(lend(task, 9 * LOANS, area, HALF) == 0);
	for (uint64_t round = 0; round < rounds; round++) {
		uint8_t *half = area + round % 2 * HALF;

		CHECK(run_round(task, round));
		n_moved += fs_direct_slot(channel.shared, 0)->error == 0;
		CHECK(channel_transfer(&channel, 0, 0, MIB(4), PART) == 0);
		CHECK(channel_is_filled(channel_unit(&channel, 0), 0, PART, salts[0]));
		for (uint64_t i = 0; i < HALF; i++) {
			CHECK(half[i] == 0xee);
		}
	}
	CHECK(n_moved > 0);
}

/* A call of another task. */
struct call {
	struct fs_client *client;
	const struct channel *channel;
	uint32_t loan; /* 0: close */
	int error;
};

static int call_run(struct task *task, void *argument)
{
	struct call *call = argument;

	call->error = call->loan == 0
		? fs_close_direct(task, call->client, call->channel->id)
		: lend_by(task, call->client, call->channel, call->loan, area + HALF, HALF);
	return 0;
}

/* Both calls; the first one comes first. */
static int call_both(struct task *task, struct call *first, struct call *other)
{
	struct scope scope;

	scope_begin(task, &scope);
	scope_spawn(&scope, "first", call_run, first);
	scope_spawn(&scope, "other", call_run, other);
	return scope_join(&scope);
}

static void test_one_is_changed_at_a_time(struct task *task)
{
	uint64_t n_busy = 0;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t loan = (100 + 3 * round) * LOANS;
		struct call first = { &session, &channel, loan + LOANS, 0 };
		struct call other = { &second, &channel, loan + 2 * LOANS, 0 };

		CHECK(lend(task, loan, area, HALF) == 0);
		submit_all(&channel, LENT, loan);
		CHECK(call_both(task, &first, &other) == 0);
		CHECK(first.error == 0 && (other.error == 0 || other.error == FS_ERROR_BUSY));
		for (uint32_t i = 0; i < SLOTS; i++) {
			CHECK(is_told(&channel, i));
		}
		n_busy += other.error != 0;
		CHECK(move(LENT, 0, SECTOR, first.loan, 0) ==
			(other.error != 0 ? 0 : FS_DIRECT_ASK));
		CHECK(move(LENT, 0, SECTOR, other.loan, 0) ==
			(other.error != 0 ? FS_DIRECT_ASK : 0));
	}
	CHECK(n_busy > 0);
}

/* Closed while loans are used, and while one of them is being changed. */
static void test_channel_is_closed_under_load(struct task *task)
{
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct channel loaded;
		struct call change = { &second, &loaded, LOANS + 1, 0 };
		struct call end = { &session, &loaded, 0, 0 };

		CHECK(channel_open(task, &session, true, &loaded) == 0);
		CHECK(lend_by(task, &session, &loaded, 1, area, HALF) == 0);
		submit_all(&loaded, round % 4 < 2 ? LENT : LENT_WRITE, 1);
		if (round % 2 == 0) {
			CHECK(call_both(task, &change, &end) == 0);
		} else {
			CHECK(call_both(task, &end, &change) == 0);
		}
		CHECK(end.error == 0);
		CHECK(change.error == 0 || change.error == -ERR_NOT_FOUND);
		memset(area, 0xee, HALF);
		for (uint32_t i = 0; i < SLOTS; i++) {
			CHECK(is_done(&loaded, i) && is_told(&loaded, i));
		}
		CHECK(channel_transfer(&channel, 0, 0, 0, SECTOR) == 0);
		for (uint64_t i = 0; i < HALF; i++) {
			CHECK(area[i] == 0xee);
		}
		channel_drop(&loaded);
	}
}

/* What is lent comes and goes, and slots name anything; of the disk, what is behind 5 MiB. */
static void submit_anything(struct random *random, const struct channel *by)
{
	uint8_t *at = area + random_below(random, AREA_BYTES / PAGE) * PAGE;
	uint64_t words[] = { random_u64(random), random_u64(random) };

	switch (random_below(random, 4)) {
	case 0: (void)!put(at, PAGE, HEL_MAP_GUARD); break;
	case 1: (void)!put(at, PAGE, HEL_MAP_READ); break;
	default: (void)!put(at, PAGE, HEL_MAP_READ | HEL_MAP_WRITE); break;
	}
	for (uint32_t i = 0; i < 4; i++) {
		channel_describe_lent(by, (uint32_t)random_below(random, SLOTS),
			(uint32_t)random_below(random, 4),
			MIB(5) + random_below(random, 4000) * SECTOR,
			(uint32_t)random_below(random, 1500) * SECTOR,
			(uint32_t)random_below(random, 2 * LOANS),
			random_below(random, 8) == 0
				? random_u64(random)
				: random_below(random, MIB(1) / SECTOR) * SECTOR);
	}
	memcpy(fs_direct_slot(by->shared, (uint32_t)random_below(random, SLOTS)), words,
		random_below(random, 2) * sizeof(words[1]));
	fs_direct_slot(by->shared, (uint32_t)random_below(random, SLOTS))->loan_offset = words[1];
	channel_submit(by, random_u64(random));
}

static void test_anything_is_survived(struct task *task)
{
	struct random random;
	struct channel hostile;

	random_init(&random, 7);
	CHECK(channel_open(task, &session, true, &hostile) == 0);
	for (uint32_t round = 0; round < 2000; round++) {
		if (round % 8 == 0) {
			uint64_t from = random_below(&random, AREA_BYTES / MIB(1)) * MIB(1);

			CHECK(lend_by(task, &session, &hostile,
				      (uint32_t)random_below(&random, 2 * LOANS - 1) + 1,
				      area + from, MIB(1)) == 0);
		}
		submit_anything(&random, &hostile);
		(void)!hel_event_raise(hostile.event, 1);
	}
	CHECK(fs_close_direct(task, &session, hostile.id) == 0);
	channel_drop(&hostile);
	CHECK(put(area, AREA_BYTES, HEL_MAP_READ | HEL_MAP_WRITE) == 0);
	CHECK(lend(task, 3, area, MIB(1)) == 0);
	CHECK(move(LENT, 0, LONGEST, 3, 0) == 0);
	CHECK(channel_is_filled(area, 0, LONGEST, 1));
}

/* The client goes away while a loan is being changed, for which transfers are waited for. */
static void end_session(struct task *task)
{
	struct call change = { &second, &channel, LOANS + 1, 0 };
	struct scope scope;

	scope_begin(task, &scope);
	scope_spawn(&scope, "change", call_run, &change);
	int error = task_sleep_until(task, task_now_ns(task) + 50000);

	fs_client_deinit(&session);
	CHECK(scope_join(&scope) == 0 && error == 0);
	helix_free(second.buffer);
}

static void test_session_ends_under_load(struct task *task)
{
	CHECK(lend(task, 1, area, HALF) == 0);
	submit_all(&channel, LENT, 1);
	end_session(task);
	CHECK(put(area, AREA_BYTES, HEL_MAP_READ | HEL_MAP_WRITE) == 0);
	CHECK(fs_open(task, &volume, &session, true) == 0);
	channel_drop(&channel);
	CHECK(channel_open(task, &session, true, &channel) == 0);
	CHECK(move(LENT, 0, SECTOR, 1, 0) == FS_DIRECT_ASK);
	CHECK(move(LENT, 0, SECTOR, LOANS + 1, 0) == FS_DIRECT_ASK);
	CHECK(lend(task, 1, area, MIB(1)) == 0);
	channel_fill(area, 0, MIB(1), 8);
	CHECK(move(LENT_WRITE, 0, LONGEST, 1, 0) == 0);
	CHECK(fs_unmount(task, &session) == 0);
	channel_drop(&channel);
	fs_client_deinit(&volume);
	helix_unmap(area, AREA_BYTES);
}

const struct task_test loan_tests[N_LOAN_TESTS] = {
	TASK_TEST(loans_are_checked),
	TASK_TEST(bytes_are_moved),
	TASK_TEST(places_are_checked),
	TASK_TEST(numbers_are_of_one_loan),
	TASK_TEST(what_is_not_there_fails),
	TASK_TEST(pages_of_the_disk_itself),
	TASK_TEST(space_that_nobody_has),
	TASK_TEST(loans_are_changed_under_load),
	TASK_TEST(one_is_changed_at_a_time),
	TASK_TEST(channel_is_closed_under_load),
	TASK_TEST(anything_is_survived),
	TASK_TEST(session_ends_under_load),
};
