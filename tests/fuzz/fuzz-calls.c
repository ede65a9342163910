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

#include <tests/torture/player.h>

constexpr uint32_t PLAYERS_MAX = 3;
constexpr uint32_t GIFTS_MAX = 8;
constexpr uint32_t CHILDREN_MAX = 40; /* of all players: the machine has so many programs */
constexpr uint64_t PLAYER_ARENA = (uint64_t)1 << 44;
constexpr uint64_t PARENT_WAITS_NS = 10'000'000;

enum ending : uint32_t { NOT_ENDED, ENDED_WELL, ENDED_EARLY, LOST_RECORDS };

static struct worker {
	struct player player;
	hel_handle thread, universe;
	hel_handle gifts[GIFTS_MAX];
	enum ending ending;
} workers[PLAYERS_MAX];
static uint32_t n_workers;
static uint32_t n_children;

static const uint8_t *input;
static size_t n_left;

static uint8_t next_byte(UNUSED void *source)
{
	if (n_left == 0) {
		return 0;
	}
	n_left--;
	return *input++;
}

/* ---- players --------------------------------------------------------------------------------- */

/* What a thread does that a player has made. */
static void child_main(UNUSED void *context)
{
	for (uint32_t i = 0; i < 4 && n_left > 0; i++) {
		uint8_t byte = next_byte(NULL);

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

static void worker_main(void *context)
{
	struct worker *worker = context;

	if (player_begin(&worker->player) != 0) {
		worker->ending = ENDED_EARLY;
		return;
	}
	for (uint32_t i = 0; i < GIFTS_MAX; i++) {
		player_adopt(&worker->player, worker->gifts[i]);
	}
	while (n_left > 0) {
		player_step(&worker->player);
	}
	fixture_fail_after(~(uint64_t)0); /* what thor could not take is still in the ring */
	worker->ending = player_finish(&worker->player) ? ENDED_WELL : LOST_RECORDS;
}

/* ---- their parent ---------------------------------------------------------------------------- */

static void give(struct worker *worker, uint32_t index, hel_handle handle, uint32_t rights)
{
	worker->gifts[index] = HEL_NULL;
	(void)!hel_transfer(HEL_THIS, handle, worker->universe, rights, &worker->gifts[index]);
}

/* All players get a lane, an event, memory, and one another, but not to kill. */
static void give_gifts(void)
{
	struct hel_stream_lanes lanes = {};
	hel_handle event = HEL_NULL;
	hel_handle memory = HEL_NULL;

	(void)!hel_stream_create(&lanes);
	(void)!hel_event_create(0, &event);
	(void)!hel_memory_allocate(8 * HEL_PAGE_SIZE, 0, &memory);
	for (uint32_t i = 0; i < n_workers; i++) {
		give(&workers[i], 0, lanes.lane[i % 2], 0);
		give(&workers[i], 1, event, 0);
		give(&workers[i], 2, memory, 0);
		give(&workers[i], 3, workers[(i + 1) % n_workers].thread,
			HEL_RIGHTS_ALL & ~(uint32_t)HEL_RIGHT_MANAGE);
		give(&workers[i], 4, machine_authority, 0);
		workers[i].player.authority = workers[i].gifts[4];
	}
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	(void)hel_close(HEL_THIS, lanes.lane[1]);
	(void)hel_close(HEL_THIS, event);
	(void)hel_close(HEL_THIS, memory);
}

/* All players are in one universe. */
static void set_peers(struct worker *worker)
{
	uint32_t index = (uint32_t)(worker - workers);

	for (uint32_t i = 1; i < n_workers; i++) {
		worker->player.peers[i - 1] = &workers[(index + i) % n_workers].player;
	}
}

static void make_worker(struct worker *worker, uint8_t shares, hel_handle *space)
{
	struct hel_thread_args args = { .ip = SIM_IP };

	*worker = (struct worker){
		.player = {
			.draw = next_byte,
			.arena = PLAYER_ARENA,
			.aim_thread = aim_thread,
			.view_queue = sim_alias,
		},
		.universe = workers[0].universe,
	};
	if (worker == &workers[0] || (shares & 1) == 0) {
		worker->universe = HEL_NULL;
		(void)!hel_universe_create(&worker->universe);
	}
	if ((shares & 1) != 0) {
		set_peers(worker);
	}
	if (worker == &workers[0] || (shares & 2) == 0) {
		(void)hel_close(HEL_THIS, *space);
		(void)!hel_space_create(worker->universe, space);
	}
	args.universe = worker->universe;
	args.space = *space;
	args.tls_base = sim_program_create(worker_main, worker);
	(void)!hel_thread_create(&args, &worker->thread);
}

static bool all_have_ended(void)
{
	bool have_ended = true;

	for (uint32_t i = 0; i < n_workers; i++) {
		have_ended = have_ended && workers[i].ending != NOT_ENDED;
	}
	return have_ended;
}

/* A player that did not come to its end has left handles, of threads also, in its universe. */
static void end_worker(struct worker *worker)
{
	(void)hel_thread_kill(worker->thread);
	player_abandon(&worker->player, worker->universe);
	for (uint32_t i = 0; i < GIFTS_MAX; i++) {
		(void)hel_close(worker->universe, worker->gifts[i]);
	}
	(void)hel_close(HEL_THIS, worker->thread);
}

static void play(UNUSED void *context)
{
	uint8_t setting = next_byte(NULL);
	uint8_t seed = next_byte(NULL);
	uint8_t failing = next_byte(NULL);
	hel_handle space = HEL_NULL;

	n_workers = setting % PLAYERS_MAX + 1;
	n_children = 0;
	for (uint32_t i = 0; i < n_workers; i++) {
		make_worker(&workers[i], setting >> 2, &space);
	}
	(void)hel_close(HEL_THIS, space);
	give_gifts();
	sim_reseed(seed);
	sim_interleave((setting & 16) != 0 ? 2u << (setting >> 5) : 0);
	fixture_fail_after(failing != 0 ? failing * 4u : ~(uint64_t)0);
	for (uint32_t i = 0; i < n_workers; i++) {
		(void)hel_thread_start(workers[i].thread);
	}
	uint64_t until_ns = sim_time_ns + PARENT_WAITS_NS;

	while (!all_have_ended() && sim_time_ns < until_ns) {
		sim_compute(PARENT_WAITS_NS / 100);
		(void)hel_thread_yield();
	}
	fixture_fail_after(~(uint64_t)0);
	for (uint32_t i = 0; i < n_workers; i++) {
		end_worker(&workers[i]);
	}
	for (uint32_t i = 0; i < n_workers; i++) {
		ASSERT(workers[i].ending != LOST_RECORDS);
		(void)hel_close(HEL_THIS, workers[i].universe);
	}
	sim_interleave(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	n_left = size;
	fuzz_run(play);
	return 0;
}
