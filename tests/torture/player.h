/* SPDX-License-Identifier: MIT */
/*
 * A player makes arbitrary hel calls: any call of the table, with arguments that are nearly right.
 *
 * What it does is drawn byte by byte from a source: random numbers in the guest, the input of a
 * fuzzer over arch/sim (tests/fuzz/fuzz-calls.c). Handles come from a pool of those that earlier
 * calls have returned, by type, now and then stale, foreign or of another type; addresses from the
 * player's arena, its unmapped parts, the kernel's half; sizes from small ones and those at the
 * edges. A call that this file knows nothing about gets arguments of all sorts, so that new calls
 * are played as soon as they are in the table.
 *
 * A player has a universe and a space of its own, or shares them with other players. It may damage
 * both, but not itself: what it writes on its own is its stack, its player and its queue, and every
 * number that it draws is small, very large, or an address in the arena. Behind the arena,
 * PLAYER_ARENA_BYTES of addresses have to be free. Its universe never comes to hold itself: players
 * make threads only in other universes, and hand neither threads nor universes to those.
 *
 * Every record that it submits has to complete once: player_finish() cancels them all and counts.
 */
#ifndef TESTS_TORTURE_PLAYER_H
#define TESTS_TORTURE_PLAYER_H

#include <base/types.h>
#include <hel/queue-client.h>

constexpr uint64_t PLAYER_ARENA_BYTES = (uint64_t)1 << 45;
constexpr uint32_t PLAYER_TYPES = 32;
constexpr uint32_t PLAYER_SLOTS = 4; /* of one type */
constexpr uint32_t PLAYER_RECORDS_MAX = 256;
constexpr uint32_t PLAYER_PEERS_MAX = 2;

struct player {
	/* ---- set before player_begin() */
	uint8_t (*draw)(void *source);
	void *source;
	uint64_t arena; /* page-aligned */
	hel_handle authority; /* HEL_NULL: none */
	/* the others in its universe, whose queues it leaves alone; NULL: nobody */
	const struct player *peers[PLAYER_PEERS_MAX];
	/* where a new thread starts: sets ip, sp, argument and tls_base */
	void (*aim_thread)(struct player *player, struct hel_thread_args *args);
	/* where the caller can see its queue's memory; NULL: where it is mapped */
	void *(*view_queue)(uint64_t address, uint64_t n_pages);

	/* ---- its own */
	hel_handle pool[PLAYER_TYPES][PLAYER_SLOTS]; /* by type */
	struct hel_queue_client queue;
	uint32_t n_records; /* their contexts are 1 and up */
	uint8_t n_completions[PLAYER_RECORDS_MAX + 1];
	bool may_be_quiet[PLAYER_RECORDS_MAX + 1];
	uint64_t n_calls;
	uint64_t last_call[6]; /* the number and its arguments, to tell what does not end */
	_Atomic bool has_begun;
};

/** player_begin() - make a queue and some objects, wait for the peers to have theirs; an error */
MUST_USE int player_begin(struct player *player);

/** player_step() - make a call, or submit or take something */
void player_step(struct player *player);

/**
 * player_finish() - cancel all that is pending and close all handles
 *
 * Return: whether every record has completed exactly once.
 */
MUST_USE bool player_finish(struct player *player);

/** player_abandon() - for others: close what a player that has ended has left in @universe */
void player_abandon(struct player *player, hel_handle universe);

/** player_adopt() - put a handle into the pool; what was there is closed */
void player_adopt(struct player *player, hel_handle handle);

#endif
