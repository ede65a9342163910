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
#include <abi/hel/start.h>
#include <base/assert.h>
#include <base/format.h>
#include <base/random.h>
#include <base/string.h>

#include "player.h"

constexpr uint32_t PLAYERS = 8;
constexpr uint32_t PARTIES = PLAYERS / 2; /* that share a universe and a space */
constexpr uint32_t GIFTS_MAX = 4;
constexpr uint32_t STEPS = 2000; /* of a player in one round */
constexpr size_t STACK_BYTES = 64 * 1024;
constexpr uint64_t PLAYER_ARENA = (uint64_t)1 << 44;
constexpr uint64_t POLL_NS = 1'000'000;
constexpr uint64_t STUCK_NS = 120'000'000'000;
constexpr uint32_t RESUMES_MAX = 20; /* of a player that has stopped itself */
constexpr uint32_t IDLE_POLLS_MAX = 50; /* before somebody who makes no call is helped */
constexpr uint32_t WARM_ROUNDS = 4;
constexpr uint32_t SETTLE_POLLS_MIN = 20;
constexpr uint32_t SETTLE_POLLS_MAX = 1500;
/* What caches and pages that are partly used hold, whatever the number of calls. */
constexpr int64_t SLACK_BYTES = 2 * 1024 * 1024;

enum ending : uint32_t { NOT_ENDED, ENDED_WELL, ENDED_EARLY, LOST_RECORDS };

static struct worker {
	struct player player;
	struct random random;
	hel_handle thread, universe;
	hel_handle gifts[GIFTS_MAX];
	uint32_t n_resumes, n_idle_polls;
	uint64_t n_calls_seen;
	_Atomic uint32_t ending;
	_Alignas(16) uint8_t stack[STACK_BYTES];
} workers[PLAYERS];

static const struct hel_start *start_page;
static hel_handle log_authority, authority;
static uint64_t n_calls_wanted = 200'000, seed = 1;
static uint64_t n_calls;
static uint32_t n_rounds, n_early, n_lost, n_stuck;

__asm__(".text\n"
	".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %rsp\n"
	"	call torture_main\n"
	"	ud2\n");

static PRINTF_LIKE(1, 2) void torture_print(const char *format, ...)
{
	char line[HEL_LOG_MAX];
	va_list arguments;

	va_start(arguments, format);
	size_t size = vformat_to(line, sizeof(line), format, arguments);

	va_end(arguments);
	hel_log(log_authority, HEL_LOG_INFO, line, min_size(size, sizeof(line) - 1));
}

NORETURN void assert_fail(const char *file, int line, const char *expression)
{
	torture_print("torture: not ok start: %s:%d: assertion failed: %s", file, line, expression);
	hel_thread_exit();
}

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

static NORETURN void worker_main(struct worker *worker)
{
	if (player_begin(&worker->player) != 0) {
		worker->ending = ENDED_EARLY;
		hel_thread_exit();
	}
	for (uint32_t i = 0; i < GIFTS_MAX; i++) {
		player_adopt(&worker->player, worker->gifts[i]);
	}
	for (uint32_t i = 0; i < STEPS; i++) {
		player_step(&worker->player);
	}
	worker->ending = player_finish(&worker->player) ? ENDED_WELL : LOST_RECORDS;
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

	worker->player = (struct player){
		.draw = random_byte,
		.source = &worker->random,
		/* The second of a party has the other half. */
		.arena = PLAYER_ARENA + index % 2 * PLAYER_ARENA_BYTES,
		.peers = { &workers[index ^ 1].player },
		.aim_thread = aim_thread,
	};
	random_init(&worker->random, seed * 1'000'003 + n_rounds * PLAYERS + index);
	worker->universe = universe;
	worker->n_resumes = 0;
	worker->n_idle_polls = 0;
	worker->ending = NOT_ENDED;
	worker->thread = HEL_NULL;
	(void)!hel_thread_create(&args, &worker->thread);
}

static void worker_give(struct worker *worker, uint32_t index, hel_handle handle, uint32_t rights)
{
	worker->gifts[index] = HEL_NULL;
	(void)!hel_transfer(HEL_THIS, handle, worker->universe, rights, &worker->gifts[index]);
}

/* All players get a lane of one stream, an event, memory, and one another, but not to kill. */
static void give_gifts(void)
{
	struct hel_stream_lanes lanes = {};
	hel_handle event = HEL_NULL;
	hel_handle memory = HEL_NULL;

	(void)!hel_stream_create(&lanes);
	(void)!hel_event_create(0, &event);
	(void)!hel_memory_allocate(8 * HEL_PAGE_SIZE, 0, &memory);
	for (uint32_t i = 0; i < PLAYERS; i++) {
		worker_give(&workers[i], 0, lanes.lane[i % 2], 0);
		worker_give(&workers[i], 1, event, 0);
		worker_give(&workers[i], 2, memory, 0);
		worker_give(&workers[i], 3, workers[(i + 1) % PLAYERS].thread,
			HEL_RIGHTS_ALL & ~(uint32_t)HEL_RIGHT_MANAGE);
	}
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	(void)hel_close(HEL_THIS, lanes.lane[1]);
	(void)hel_close(HEL_THIS, event);
	(void)hel_close(HEL_THIS, memory);
}

static uint64_t now_ns(void)
{
	uint64_t time_ns = 0;

	(void)hel_clock_get(&time_ns);
	return time_ns;
}

static void pause_a_little(void)
{
	static const uint32_t never = 0;

	(void)hel_futex_wait(&never, 0, now_ns() + POLL_NS, ~0u);
}

/* Players stop themselves (hel_thread_interrupt) or make their code fault. */
static void worker_look_after(struct worker *worker)
{
	struct hel_thread_stats stats;

	if (worker->ending != NOT_ENDED || hel_thread_stats(worker->thread, &stats) != 0) {
		return;
	}
	if (stats.state == 4 && worker->ending == NOT_ENDED) {
		worker->ending = ENDED_EARLY;
	} else if (stats.state == 0 && worker->n_resumes++ < RESUMES_MAX) {
		(void)hel_thread_resume(worker->thread);
	} else if (stats.state == 0) {
		(void)hel_thread_kill(worker->thread);
	}
}

/*
 * A player may wait for a page of managed memory whose manager it is itself. Without descriptors of
 * it the wait ends; so does every other that depends on what players have.
 */
static void worker_help(struct worker *worker)
{
	if (worker->ending != NOT_ENDED || worker->n_calls_seen != worker->player.n_calls) {
		worker->n_calls_seen = worker->player.n_calls;
		worker->n_idle_polls = 0;
	} else if (++worker->n_idle_polls % IDLE_POLLS_MAX == 0) {
		player_abandon(&worker->player, worker->universe);
	}
}

static bool all_have_ended(void)
{
	bool have_ended = true;

	for (uint32_t i = 0; i < PLAYERS; i++) {
		worker_look_after(&workers[i]);
		worker_help(&workers[i]);
		have_ended = have_ended && workers[i].ending != NOT_ENDED;
	}
	return have_ended;
}

static bool worker_is_gone(const struct worker *worker)
{
	struct hel_thread_stats stats;

	return hel_thread_stats(worker->thread, &stats) != 0 || stats.state == 4;
}

/* What a player was doing that has not come to its end. */
static void worker_describe(const struct worker *worker)
{
	const uint64_t *call = worker->player.last_call;
	struct hel_thread_stats stats = {};

	(void)!hel_thread_stats(worker->thread, &stats);
	torture_print(
		"torture: round %u, player %u is in state %u; %llu calls, the last: %llu(0x%llx, "
		"0x%llx, 0x%llx, 0x%llx, 0x%llx)",
		n_rounds, (unsigned)(worker - workers), stats.state,
		(unsigned long long)worker->player.n_calls, (unsigned long long)call[0],
		(unsigned long long)call[1], (unsigned long long)call[2],
		(unsigned long long)call[3], (unsigned long long)call[4],
		(unsigned long long)call[5]);
}

static void worker_end(struct worker *worker)
{
	if (worker->ending == NOT_ENDED) {
		worker_describe(worker);
	}
	(void)hel_thread_kill(worker->thread);
	while (!worker_is_gone(worker)) {
		pause_a_little();
	}
	player_abandon(&worker->player, worker->universe);
	for (uint32_t i = 0; i < GIFTS_MAX; i++) {
		(void)hel_close(worker->universe, worker->gifts[i]);
	}
	(void)hel_close(HEL_THIS, worker->thread);
	n_calls += worker->player.n_calls;
	n_early += worker->ending == ENDED_EARLY;
	n_lost += worker->ending == LOST_RECORDS;
	n_stuck += worker->ending == NOT_ENDED;
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
		if (hel_thread_start(workers[i].thread) != 0) {
			workers[i].ending = ENDED_EARLY;
		}
	}
	uint64_t deadline_ns = now_ns() + STUCK_NS;

	while (!all_have_ended() && now_ns() < deadline_ns) {
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

static hel_handle find_handle(const char *name)
{
	for (uint32_t i = 0; i < start_page->n_handles; i++) {
		if (str_equal(start_page->handles[i].name, name)) {
			return start_page->handles[i].handle;
		}
	}
	return HEL_NULL;
}

/* The number behind @name in the command line, if it is there. */
static void find_number(const char *name, uint64_t *out_number)
{
	const char *text = (const char *)start_page->command_line;
	size_t length = strlen(name);

	for (; text != NULL && *text != 0; text++) {
		if (memcmp(text, name, min_size(length, strlen(text))) == 0 &&
			strlen(text) > length && text[length] == '=') {
			*out_number = 0;
			for (text += length + 1; *text >= '0' && *text <= '9'; text++) {
				*out_number = *out_number * 10 + (uint64_t)(*text - '0');
			}
			return;
		}
	}
}

static void report(const char *name, uint64_t n_wrong, const char *what)
{
	if (n_wrong == 0) {
		torture_print("torture: ok %s", name);
	} else {
		torture_print(
			"torture: not ok %s: %llu %s", name, (unsigned long long)n_wrong, what);
	}
}

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

		if (hel_thread_create(&args, &visitor.thread) != 0) {
			return;
		}
		bool is_there = hel_thread_set_affinity(visitor.thread, (uint64_t)1 << i) == 0 &&
			hel_thread_start(visitor.thread) == 0;

		(void)(is_there || hel_thread_kill(visitor.thread) == 0);
		while (is_there && !worker_is_gone(&visitor)) {
			pause_a_little();
		}
		(void)hel_close(HEL_THIS, visitor.thread);
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
		(void)!hel_kernel_stats(authority, &balance.stats);
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
		torture_print("torture: %s: %llu %s are used, %llu after the first rounds", name,
			(unsigned long long)last, what, (unsigned long long)first);
	}
	/* Less is no leak: objects that only had each other may have ended late. */
	report(name, last > first ? last - first : 0, what);
}

static void report_leaks(const struct balance *balance)
{
	const struct hel_kernel_stats *first = &balance->stats;
	struct balance last_balance = settled_balance(balance);
	struct hel_kernel_stats last = last_balance.stats;
	const struct hel_limits *used = &last_balance.used;
	int64_t lost_bytes = (int64_t)first->memory_free_bytes - (int64_t)last.memory_free_bytes;

	report("no_thread_is_left", last.n_threads - first->n_threads, "threads");
	report_used("account_of_bytes_is_back", balance->used.kernel_bytes, used->kernel_bytes,
		"bytes");
	report_used("account_of_pages_is_back", balance->used.n_pages, used->n_pages, "pages");
	report_used("account_of_operations_is_back", balance->used.n_operations, used->n_operations,
		"operations");
	report_used(
		"account_of_handles_is_back", balance->used.n_handles, used->n_handles, "handles");
	torture_print("torture: %lld bytes less free than after the first rounds, %lld more of the "
		      "kernel's",
		(long long)lost_bytes, (long long)(last.kernel_bytes - first->kernel_bytes));
	report("memory_is_back", lost_bytes > SLACK_BYTES ? (uint64_t)lost_bytes : 0, "bytes");
}

NORETURN __attribute__((used)) void torture_main(const struct hel_start *start);

NORETURN void torture_main(const struct hel_start *start)
{
	struct balance first = {};

	start_page = start;
	authority = find_handle("authority");
	log_authority = find_handle("log");
	find_number("torture.calls", &n_calls_wanted);
	find_number("torture.seed", &seed);
	torture_print("torture: seed %llu, %llu calls", (unsigned long long)seed,
		(unsigned long long)n_calls_wanted);
	while (n_calls < n_calls_wanted || n_rounds <= WARM_ROUNDS) {
		if (n_rounds == WARM_ROUNDS) {
			first = settled_balance(NULL);
		}
		play_round();
		if (n_rounds % 100 == 0) {
			torture_print("torture: %u rounds, %llu calls", n_rounds,
				(unsigned long long)n_calls);
		}
	}
	report("every_record_completes_once", n_lost, "players miss completions");
	report("every_player_ends", n_stuck, "players are stuck");
	report_leaks(&first);
	torture_print("torture: done, %llu calls in %u rounds, %u players ended early",
		(unsigned long long)n_calls, n_rounds, n_early);
	hel_thread_exit();
}
