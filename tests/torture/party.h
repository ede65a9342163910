/* SPDX-License-Identifier: MIT */
/*
 * Players that play together: what the torture in the guest and the fuzzer of calls share.
 *
 * Somebody who does not play, their parent, makes the members, gives them objects in common, lets
 * them play, kills who has not come to its end, and closes what they have left.
 */
#ifndef TESTS_TORTURE_PARTY_H
#define TESTS_TORTURE_PARTY_H

#include <tests/torture/player.h>

enum party_gift : uint32_t {
	PARTY_GIFT_LANE,
	PARTY_GIFT_EVENT,
	PARTY_GIFT_MEMORY,
	PARTY_GIFT_THREAD,
	PARTY_GIFT_AUTHORITY,
	PARTY_GIFTS,
};

enum party_ending : uint32_t {
	PARTY_NOT_ENDED,
	PARTY_ENDED_WELL,
	PARTY_ENDED_EARLY,
	PARTY_LOST_RECORDS,
};

struct party_member {
	struct player player;
	hel_handle thread, universe; /* the parent's */
	hel_handle gifts[PARTY_GIFTS]; /* in its universe */
	_Atomic(enum party_ending) ending;
};

/** party_enter() - a member begins to play, with its gifts; false: it cannot, and has ended */
bool party_enter(struct party_member *member);

/** party_leave() - it has played enough */
void party_leave(struct party_member *member);

/**
 * party_give_gifts() - a lane, an event and memory for each, and the thread of the next, but not to
 * kill
 * @authority: HEL_NULL, or given to all, too
 */
void party_give_gifts(
	struct party_member *const *members, uint32_t n_members, hel_handle authority);

/** party_close() - what a member that runs no more has left in its universe, and its thread */
void party_close(struct party_member *member);

#endif
