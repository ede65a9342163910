/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: arbitrary programs of hel calls, by up to three threads on two CPUs.
 *
 * The input says how many threads there are and what they share, where the kernel is left for the
 * other CPU, when memory runs out, and then, byte by byte, what the players do (see
 * tests/torture/player.h). The first thread of the program is their parent: it gives them objects
 * in common, waits, kills those that do not end, and closes what they have left. Afterwards every
 * record has completed once, and nothing is left in the machine.
 */
#include "fuzz-machine.h"

#include <tests/torture/party.h>

constexpr uint32_t PLAYERS_MAX = 3;
constexpr uint32_t CHILDREN_MAX = 40; /* of all players: the machine has so many programs */
constexpr uint64_t PLAYER_ARENA = (uint64_t)1 << 44;
constexpr uint64_t PARENT_WAITS_NS = 10'000'000;

static struct party_member members[PLAYERS_MAX];
static uint32_t n_members;
static uint32_t n_children;

/* ---- players --------------------------------------------------------------------------------- */

static uint8_t draw_byte(UNUSED void *source)
{
	return fuzz_byte();
}

/* What a thread does that a player has made. */
static void child_main(UNUSED void *context)
{
	for (uint32_t i = 0; i < 4 && fuzz_n_left > 0; i++) {
		uint8_t byte = fuzz_byte();

		switch (byte % 4) {
		case 0: (void)hel_thread_yield(); break;
		case 1: (void)hel_thread_kick(HEL_THIS); break;
		case 2:
			(void)hel_futex_wait(
				(const uint32_t *)PLAYER_ARENA, 0, sim_time_ns + byte, ~0u);
			break;
		default: {
			uint8_t value;

			sim_load(&value, PLAYER_ARENA + byte * 64u, 1);
			break;
		}
		}
	}
}

static void aim_thread(UNUSED struct player *player, struct hel_thread_args *args)
{
	args->ip = SIM_IP;
	if (n_children < CHILDREN_MAX) {
		n_children++;
		args->tls_base = sim_program_create(child_main, NULL);
	}
}

static void member_main(void *context)
{
	struct party_member *member = context;

	if (!party_enter(member)) {
		return;
	}
	while (fuzz_n_left > 0) {
		player_step(&member->player);
	}
	fixture_fail_after(~(uint64_t)0); /* what thor could not take is still in the ring */
	party_leave(member);
}

/* ---- their parent ---------------------------------------------------------------------------- */

static void give_gifts(void)
{
	struct party_member *all[PLAYERS_MAX];

	for (uint32_t i = 0; i < n_members; i++) {
		all[i] = &members[i];
	}
	party_give_gifts(all, n_members, machine_authority);
	for (uint32_t i = 0; i < n_members; i++) {
		members[i].player.authority = members[i].gifts[PARTY_GIFT_AUTHORITY];
	}
}

/* All players are in one universe. */
static void set_peers(struct party_member *member)
{
	uint32_t index = (uint32_t)(member - members);

	for (uint32_t i = 1; i < n_members; i++) {
		member->player.peers[i - 1] = &members[(index + i) % n_members].player;
	}
}

static void make_member(struct party_member *member, uint8_t shares, hel_handle *space)
{
	struct hel_thread_args args = { .ip = SIM_IP };

	*member = (struct party_member){
		.player = {
			.draw = draw_byte,
			.arena = PLAYER_ARENA,
			.aim_thread = aim_thread,
			.view_queue = sim_alias,
		},
		.universe = members[0].universe,
	};
	if (member == &members[0] || (shares & 1) == 0) {
		member->universe = HEL_NULL;
		(void)!hel_universe_create(&member->universe);
	}
	if ((shares & 1) != 0) {
		set_peers(member);
	}
	if (member == &members[0] || (shares & 2) == 0) {
		(void)hel_close(HEL_THIS, *space);
		(void)!hel_space_create(member->universe, space);
	}
	args.universe = member->universe;
	args.space = *space;
	args.tls_base = sim_program_create(member_main, member);
	(void)!hel_thread_create(&args, &member->thread);
}

static bool all_have_ended(void)
{
	bool have_ended = true;

	for (uint32_t i = 0; i < n_members; i++) {
		have_ended = have_ended && members[i].ending != PARTY_NOT_ENDED;
	}
	return have_ended;
}

/* A player that did not come to its end has left handles, of threads also, in its universe. */
static void end_member(struct party_member *member)
{
	(void)hel_thread_kill(member->thread);
	party_close(member);
}

void fuzz_play(UNUSED void *context)
{
	uint8_t setting = fuzz_byte();
	uint8_t seed = fuzz_byte();
	uint8_t failing = fuzz_byte();
	hel_handle space = HEL_NULL;

	n_members = setting % PLAYERS_MAX + 1;
	n_children = 0;
	for (uint32_t i = 0; i < n_members; i++) {
		make_member(&members[i], setting >> 2, &space);
	}
	(void)hel_close(HEL_THIS, space);
	give_gifts();
	sim_reseed(seed);
	sim_interleave((setting & 16) != 0 ? 2u << (setting >> 5) : 0);
	fixture_fail_after(failing != 0 ? failing * 4u : ~(uint64_t)0);
	for (uint32_t i = 0; i < n_members; i++) {
		(void)hel_thread_start(members[i].thread);
	}
	uint64_t until_ns = sim_time_ns + PARENT_WAITS_NS;

	while (!all_have_ended() && sim_time_ns < until_ns) {
		sim_compute(PARENT_WAITS_NS / 100);
		(void)hel_thread_yield();
	}
	fixture_fail_after(~(uint64_t)0);
	for (uint32_t i = 0; i < n_members; i++) {
		end_member(&members[i]);
	}
	for (uint32_t i = 0; i < n_members; i++) {
		ASSERT(members[i].ending != PARTY_LOST_RECORDS);
		(void)hel_close(HEL_THIS, members[i].universe);
	}
	sim_interleave(0);
}
