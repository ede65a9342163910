/* SPDX-License-Identifier: MIT */
/*
 * Torture of thor: players on several CPUs make arbitrary hel calls in universes that come and go.
 *
 *	hati.test=torture torture.calls=200000 torture.seed=7
 *
 * on the kernel's command line. A round is a party of players (player.h), two in each universe and
 * space; a space is a fork of this program's, whose memory all share. The controller, which never
 * plays, makes the party, waits for its end, kills who has not come to it, closes what they have
 * left in their universes, and gives universes and spaces up.
 *
 * Checks: every record of a player has completed once; every player ends; and when all calls have
 * been made, the kernel has as many threads, the account of this program's universe (those of the
 * players are a part of it) has not more than after the first rounds, and but for the kernel's
 * caches there is as much memory. The result is in the log: `torture: ok NAME`, `torture: not ok
 * NAME: why`, and in the end `torture: done`.
 */
#include <base/random.h>
#include <tests/native/native.h>
#include <tests/torture/party.h>

constexpr uint32_t PLAYERS = 8;
constexpr uint32_t PARTIES = PLAYERS / 2; /* that share a universe and a space */
constexpr uint32_t STEPS = 2000; /* of a player in one round */
constexpr size_t STACK_BYTES = 64 * 1024;
constexpr uint64_t PLAYER_ARENA = (uint64_t)1 << 44;
constexpr uint64_t STUCK_NS = 120'000'000'000;
constexpr uint32_t RESUMES_MAX = 20; /* of a player that has stopped itself */
constexpr uint32_t IDLE_POLLS_MAX = 50; /* before somebody who makes no call is helped */
constexpr uint32_t WARM_ROUNDS = 4;
constexpr uint32_t SETTLE_POLLS_MIN = 20;
constexpr uint32_t SETTLE_POLLS_MAX = 1500;
/* What caches and pages that are partly used hold, whatever the number of calls. */
constexpr int64_t SLACK_BYTES = 2 * 1024 * 1024;

const char native_name[] = "torture";

static struct worker {
	struct party_member member;
	struct random random;
	uint32_t n_resumes, n_idle_polls;
	uint64_t n_calls_seen;
	_Alignas(16) uint8_t stack[STACK_BYTES];
} workers[PLAYERS];

static uint64_t n_calls_wanted = 200'000, seed = 1;
static uint64_t n_calls;
static uint32_t n_rounds, n_early, n_lost, n_stuck;

/* ---- players --------------------------------------------------------------------------------- */

static uint8_t random_byte(void *source)
{
	return (uint8_t)random_u64(source);
}

/* What threads do that players have made: little, and on a stack that may not be there. */
static NORETURN void child_main(uint64_t n_yields)
{
	for (uint64_t i = 0; i < n_yields % 8; i++) {
		(void)hel_thread_yield();
	}
	hel_thread_exit();
}

static void aim_thread(struct player *player, struct hel_thread_args *args)
{
	uint64_t number = random_u64(player->source) % 32;

	args->ip = (uint64_t)child_main;
	args->sp = player->arena + (number + 1) * HEL_PAGE_SIZE - 8;
	args->argument = number;
}

static NORETURN void worker_main(void *context)
{
	struct worker *worker = context;

	if (party_enter(&worker->member)) {
		for (uint32_t i = 0; i < STEPS; i++) {
			player_step(&worker->member.player);
		}
		party_leave(&worker->member);
	}
	hel_thread_exit();
}

/* ---- a round --------------------------------------------------------------------------------- */

static void worker_make(
	struct worker *worker, uint32_t index, hel_handle universe, hel_handle space)
{
	struct hel_thread_args args = {
		.universe = universe,
		.space = space,
		.ip = (uint64_t)worker_main,
		.sp = (uint64_t)worker->stack + STACK_BYTES - 8,
		.argument = (uint64_t)worker,
	};

	worker->member = (struct party_member){
		.player = {
			.draw = random_byte,
			.source = &worker->random,
			/* The second of a party has the other half. */
			.arena = PLAYER_ARENA + index % 2 * PLAYER_ARENA_BYTES,
			.peers = { &workers[index ^ 1].member.player },
			.aim_thread = aim_thread,
		},
		.universe = universe,
	};
	random_init(&worker->random, seed * 1'000'003 + n_rounds * PLAYERS + index);
	worker->n_resumes = 0;
	worker->n_idle_polls = 0;
	(void)!hel_thread_create(&args, &worker->member.thread);
}

static void give_gifts(void)
{
	struct party_member *members[PLAYERS];

	for (uint32_t i = 0; i < PLAYERS; i++) {
		members[i] = &workers[i].member;
	}
	party_give_gifts(members, PLAYERS, HEL_NULL);
}

static void pause_a_little(void)
{
	native_pause(NATIVE_PAUSE_NS);
}

/* Players stop themselves (hel_thread_interrupt) or make their code fault. */
static void worker_look_after(struct worker *worker)
{
	struct hel_thread_stats stats;

	if (worker->member.ending != PARTY_NOT_ENDED ||
		hel_thread_stats(worker->member.thread, &stats) != 0) {
		return;
	}
	if (stats.state == 4 && worker->member.ending == PARTY_NOT_ENDED) {
		worker->member.ending = PARTY_ENDED_EARLY;
	} else if (stats.state == 0 && worker->n_resumes++ < RESUMES_MAX) {
		(void)hel_thread_resume(worker->member.thread);
	} else if (stats.state == 0) {
		(void)hel_thread_kill(worker->member.thread);
	}
}

/*
 * A player may wait for a page of managed memory whose manager it is itself. Without descriptors of
 * it the wait ends; so does every other that depends on what players have.
 */
static void worker_help(struct worker *worker)
{
	if (worker->member.ending != PARTY_NOT_ENDED ||
		worker->n_calls_seen != worker->member.player.n_calls) {
		worker->n_calls_seen = worker->member.player.n_calls;
		worker->n_idle_polls = 0;
	} else if (++worker->n_idle_polls % IDLE_POLLS_MAX == 0) {
		player_abandon(&worker->member.player, worker->member.universe);
	}
}

static bool all_have_ended(void)
{
	bool have_ended = true;

	for (uint32_t i = 0; i < PLAYERS; i++) {
		worker_look_after(&workers[i]);
		worker_help(&workers[i]);
		have_ended = have_ended && workers[i].member.ending != PARTY_NOT_ENDED;
	}
	return have_ended;
}

static bool worker_is_gone(const struct worker *worker)
{
	struct hel_thread_stats stats;

	return hel_thread_stats(worker->member.thread, &stats) != 0 || stats.state == 4;
}

/* What a player was doing that has not come to its end. */
static void worker_describe(const struct worker *worker)
{
	const uint64_t *call = worker->member.player.last_call;
	struct hel_thread_stats stats = {};

	(void)!hel_thread_stats(worker->member.thread, &stats);
	native_print("round %u, player %u is in state %u; %llu calls, the last: %llu(0x%llx, "
		     "0x%llx, 0x%llx, 0x%llx, 0x%llx)",
		n_rounds, (unsigned)(worker - workers), stats.state,
		(unsigned long long)worker->member.player.n_calls, (unsigned long long)call[0],
		(unsigned long long)call[1], (unsigned long long)call[2],
		(unsigned long long)call[3], (unsigned long long)call[4],
		(unsigned long long)call[5]);
}

static void worker_end(struct worker *worker)
{
	if (worker->member.ending == PARTY_NOT_ENDED) {
		worker_describe(worker);
	}
	(void)hel_thread_kill(worker->member.thread);
	while (!worker_is_gone(worker)) {
		pause_a_little();
	}
	party_close(&worker->member);
	n_calls += worker->member.player.n_calls;
	n_early += worker->member.ending == PARTY_ENDED_EARLY;
	n_lost += worker->member.ending == PARTY_LOST_RECORDS;
	n_stuck += worker->member.ending == PARTY_NOT_ENDED;
}

static void play_round(void)
{
	hel_handle universes[PARTIES] = {};
	hel_handle spaces[PARTIES] = {};

	for (uint32_t i = 0; i < PARTIES; i++) {
		(void)!hel_universe_create(&universes[i]);
		(void)!hel_space_fork(HEL_THIS, universes[i], &spaces[i]);
	}
	for (uint32_t i = 0; i < PLAYERS; i++) {
		worker_make(&workers[i], i, universes[i / 2], spaces[i / 2]);
	}
	give_gifts();
	for (uint32_t i = 0; i < PLAYERS; i++) {
		if (hel_thread_start(workers[i].member.thread) != 0) {
			workers[i].member.ending = PARTY_ENDED_EARLY;
		}
	}
	uint64_t deadline_ns = native_now_ns() + STUCK_NS;

	while (!all_have_ended() && native_now_ns() < deadline_ns) {
		pause_a_little();
	}
	for (uint32_t i = 0; i < PLAYERS; i++) {
		worker_end(&workers[i]);
	}
	for (uint32_t i = 0; i < PARTIES; i++) {
		(void)hel_close(HEL_THIS, universes[i]);
		(void)hel_close(HEL_THIS, spaces[i]);
	}
	n_rounds++;
}

/* ---- the whole ------------------------------------------------------------------------------- */

struct balance {
	struct hel_kernel_stats stats;
	struct hel_limits used; /* by this program's universe and those that it has made */
};

static bool used_is_at_most(const struct hel_limits *a, const struct hel_limits *b)
{
	return a->kernel_bytes <= b->kernel_bytes && a->n_pages <= b->n_pages &&
		a->n_operations <= b->n_operations && a->n_handles <= b->n_handles;
}

static uint8_t visitor_stack[4096] __attribute__((aligned(16)));

static NORETURN void visitor_main(void)
{
	hel_thread_exit();
}

/*
 * An idle CPU keeps the space that was last loaded there. So this one is loaded everywhere.
 */
static void visit_all_cpus(void)
{
	for (uint32_t i = 0; i < 64; i++) {
		struct hel_thread_args args = {
			.universe = HEL_THIS,
			.space = HEL_THIS,
			.ip = (uint64_t)visitor_main,
			.sp = (uint64_t)visitor_stack + sizeof(visitor_stack) - 8,
		};
		static struct worker visitor;

		if (hel_thread_create(&args, &visitor.member.thread) != 0) {
			return;
		}
		bool is_there =
			hel_thread_set_affinity(visitor.member.thread, (uint64_t)1 << i) == 0 &&
			hel_thread_start(visitor.member.thread) == 0;

		(void)(is_there || hel_thread_kill(visitor.member.thread) == 0);
		while (is_there && !worker_is_gone(&visitor)) {
			pause_a_little();
		}
		(void)hel_close(HEL_THIS, visitor.member.thread);
	}
}

/*
 * What has been given up is freed in slices, on the CPUs where it happened: wait until it is as
 * @expected, or for long.
 */
static struct balance settled_balance(const struct balance *expected)
{
	struct balance balance = {};

	visit_all_cpus();
	for (uint32_t i = 0; i < SETTLE_POLLS_MAX; i++) {
		struct hel_account_info account = {};

		pause_a_little();
		(void)!hel_kernel_stats(native_authority, &balance.stats);
		(void)!hel_universe_account(HEL_THIS, &account);
		balance.used = account.used;
		if (i > SETTLE_POLLS_MIN && expected != NULL &&
			balance.stats.n_threads <= expected->stats.n_threads &&
			used_is_at_most(&balance.used, &expected->used)) {
			break;
		}
	}
	return balance;
}

static void report_used(const char *name, uint64_t first, uint64_t last, const char *what)
{
	if (first != last) {
		native_print("%s: %llu %s are used, %llu after the first rounds", name,
			(unsigned long long)last, what, (unsigned long long)first);
	}
	/* Less is no leak: objects that only had each other may have ended late. */
	native_report(name, last > first ? last - first : 0, what);
}

static void report_leaks(const struct balance *balance)
{
	const struct hel_kernel_stats *first = &balance->stats;
	struct balance last_balance = settled_balance(balance);
	struct hel_kernel_stats last = last_balance.stats;
	const struct hel_limits *used = &last_balance.used;
	int64_t lost_bytes = (int64_t)first->memory_free_bytes - (int64_t)last.memory_free_bytes;

	native_report("no_thread_is_left", last.n_threads - first->n_threads, "threads");
	report_used("account_of_bytes_is_back", balance->used.kernel_bytes, used->kernel_bytes,
		"bytes");
	report_used("account_of_pages_is_back", balance->used.n_pages, used->n_pages, "pages");
	report_used("account_of_operations_is_back", balance->used.n_operations, used->n_operations,
		"operations");
	report_used(
		"account_of_handles_is_back", balance->used.n_handles, used->n_handles, "handles");
	native_print("%lld bytes less free than after the first rounds, %lld more of the "
		     "kernel's",
		(long long)lost_bytes, (long long)(last.kernel_bytes - first->kernel_bytes));
	native_report(
		"memory_is_back", lost_bytes > SLACK_BYTES ? (uint64_t)lost_bytes : 0, "bytes");
}

void native_main(void)
{
	struct balance first = {};

	native_find_number("calls", &n_calls_wanted);
	native_find_number("seed", &seed);
	native_print("seed %llu, %llu calls", (unsigned long long)seed,
		(unsigned long long)n_calls_wanted);
	while (n_calls < n_calls_wanted || n_rounds <= WARM_ROUNDS) {
		if (n_rounds == WARM_ROUNDS) {
			first = settled_balance(NULL);
		}
		play_round();
		if (n_rounds % 100 == 0) {
			native_print(
				"%u rounds, %llu calls", n_rounds, (unsigned long long)n_calls);
		}
	}
	native_report("every_record_completes_once", n_lost, "players miss completions");
	native_report("every_player_ends", n_stuck, "players are stuck");
	report_leaks(&first);
	native_print("done, %llu calls in %u rounds, %u players ended early",
		(unsigned long long)n_calls, n_rounds, n_early);
}
