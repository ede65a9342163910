/* SPDX-License-Identifier: MIT */
/*
 * Turns: see turn.h.
 *
 * Each thread waits in the kernel for the completions of its own queue. When some have come it
 * tries to take the turn. If another thread has it, it does not wait for that: it marks its loop as
 * *unserved* and goes to sleep again, and whoever has the turn serves the marked loops, too, before
 * it gives the turn up. So posix' threads never queue for each other: the busier they are, the more
 * one of them works as a single thread would, and the others' processors are for programs.
 *
 *	                       completions, try: taken
 *	SLEEPING ------------------------------------------> TURN: collect, timers, ready requests
 *	 ^  ^ |  try: another has it                           |
 *	 |  | +----------------> unserved, SLEEPING            | nothing left: serve the unserved,
 *	 |  |                      | served by another         | give the turn up
 *	 |  +----------------------+                           |
 *	 +-----------------------------------------------------+
 *
 * Nobody is missed: a thread marks its loop before it tries once more, and who gives the turn up
 * looks for marks afterwards. Both are sequentially consistent, so one of them sees the other.
 *
 * Timers of a loop whose thread sleeps for longer, because another one served the loop or armed an
 * earlier timer on it, are *unwatched*: whoever ends a turn sleeps no longer than the first of
 * them. Records that were put into another loop's ring are driven for it, and what has finished
 * there is delivered. Only tasks need their own thread, because of their stacks: it is alerted, and
 * if it finds another at work again it *claims* the turn: while somebody does nobody else takes it.
 *
 * All of posix is guarded by the turn, but for what is atomic here.
 */
#include <base/assert.h>
#include <base/errors.h>
#include <helix/start.h>
#include <helix/thread.h>
#include <posix/server/turn.h>

struct server_loop {
	struct helix_loop helix;
	struct turn *turn;
	uint64_t bit; /* in sets of loops */
	struct helix_thread thread;
	uint64_t n_turns, n_left, n_alerts;
	bool is_alerted; /* and has not had a turn since */
	uint64_t sleeps_until_ns; /* at the end of its last turn */
};

struct turn turn_first;
static struct turn further_turns[TURNS_MAX];
static struct server_loop loops[TURNS_MAX];
static uint32_t n_loops;
static struct helix_lock turn_lock;
static _Atomic uint32_t n_claims; /* threads that wait for the turn */
static _Atomic uint64_t unserved; /* loops, by bit */
static uint64_t touched, unwatched; /* likewise */

/*
 * The loop with all tasks: those of requests that wait, and one of each disk and partition. (Memory
 * of a stack is there when a task has used it.)
 */
static const struct helix_loop_config first_config = { .n_tasks_max = 512 };
/* Loops that others' operations are started on; they have no tasks of their own. */
static const struct helix_loop_config further_config = { .n_tasks_max = 1 };

static struct server_loop *server_loop_of(struct loop *loop)
{
	return container_of(helix_loop_of(loop), struct server_loop, helix);
}

/* ---- what the rest of posix asks ------------------------------------------------------------- */

struct turn *turn__of_thread(void)
{
	return container_of(helix_self(), struct server_loop, thread)->turn;
}

void turn__touch(struct loop *loop)
{
	touched |= server_loop_of(loop)->bit;
}

struct loop *posix_loop(void)
{
	return &loops[0].helix.loop;
}

struct loop *turn_choose_home(void)
{
	static uint32_t last;

	last = last + 1 < n_loops ? last + 1 : 0;
	return &loops[last].helix.loop;
}

void turns_set_priority(int priority)
{
	if (!helix_has_threads) {
		hel_thread_set_priority(HEL_THIS, priority);
		return;
	}
	for (uint32_t i = 0; i < n_loops; i++) {
		hel_thread_set_priority(loops[i].thread.handle, priority);
	}
}

void turns_set_weight(uint32_t weight)
{
	if (!helix_has_threads) {
		hel_thread_set_weight(HEL_THIS, weight);
		return;
	}
	for (uint32_t i = 0; i < n_loops; i++) {
		hel_thread_set_weight(loops[i].thread.handle, weight);
	}
}

void turns_count(struct turn_counts *out_counts)
{
	*out_counts = (struct turn_counts){ .n_threads = n_loops };
	for (uint32_t i = 0; i < n_loops; i++) {
		out_counts->n_attempts += loops[i].turn->n_attempts;
		out_counts->n_turns += loops[i].n_turns;
		out_counts->n_left += loops[i].n_left;
		out_counts->n_alerts += loops[i].n_alerts;
	}
}

/* ---- the turn -------------------------------------------------------------------------------- */

static bool turn_try(void)
{
	return n_claims == 0 && helix_lock_try_take(&turn_lock);
}

static void turn_claim(void)
{
	n_claims++;
	helix_lock_take(&turn_lock);
	n_claims--;
}

static uint64_t first_timer_ns(const struct server_loop *server)
{
	const struct timer *first = server->helix.loop.timers.first;

	return first != NULL ? first->deadline_ns : HEL_DEADLINE_NEVER;
}

/* Whether there is something to do on a loop that would else sleep until @until_ns. */
static bool has_work(const struct server_loop *server, uint64_t until_ns)
{
	return !list_is_empty(&server->helix.loop.ready) ||
		!list_is_empty(&server->helix.loop.runnable) || first_timer_ns(server) < until_ns;
}

static void serve_others(const struct server_loop *self)
{
	uint64_t now_ns = self->helix.loop.now_ns;

	for (uint64_t left = unserved; left != 0; left &= left - 1) {
		struct server_loop *other = &loops[__builtin_ctzll(left)];

		unserved &= ~other->bit;
		unwatched |= other->bit;
		touched |= other->bit;
		if (!helix_loop_serve(&other->helix)) {
			unserved |= other->bit;
		}
	}
	for (uint64_t left = unwatched; left != 0; left &= left - 1) {
		struct server_loop *other = &loops[__builtin_ctzll(left)];

		if (first_timer_ns(other) <= now_ns) {
			touched |= other->bit;
			loop_serve(&other->helix.loop);
		}
	}
}

/* What this turn has left on other loops. */
static void settle_others(struct server_loop *self)
{
	uint64_t left = (touched | 1) & ~self->bit;

	touched = 0;
	for (; left != 0; left &= left - 1) {
		struct server_loop *other = &loops[__builtin_ctzll(left)];

		if (!list_is_empty(&other->helix.loop.ready)) {
			loop_serve(&other->helix.loop);
		}
		if (hel_queue_has_submissions(&other->helix.queue) &&
			helix_loop_drive(&other->helix, 0, 0, 0) != 0) {
			touched |= other->bit; /* out of memory: again */
		}
		if (first_timer_ns(other) < other->sleeps_until_ns) {
			unwatched |= other->bit;
		}
		if (!list_is_empty(&other->helix.loop.runnable) && !other->is_alerted) {
			other->is_alerted = true;
			other->n_alerts++;
			helix_loop_alert(&self->helix, other->helix.queue.handle);
		}
	}
}

/* Until when the thread may sleep that ends a turn and would itself sleep until @deadline_ns. */
static uint64_t first_deadline_ns(uint64_t deadline_ns)
{
	for (uint64_t left = unwatched; left != 0; left &= left - 1) {
		deadline_ns = min_u64(deadline_ns, first_timer_ns(&loops[__builtin_ctzll(left)]));
	}
	return deadline_ns;
}

/* The end of a turn; false: there is more to do, and it goes on. */
static bool turn_end(struct server_loop *self, uint64_t deadline_ns)
{
	for (;;) {
		serve_others(self);
		settle_others(self);
		if (has_work(self, deadline_ns) || touched != 0) {
			return false;
		}
		self->sleeps_until_ns = first_deadline_ns(deadline_ns);
		helix_lock_release(&turn_lock);
		if (unserved == 0 || !turn_try()) {
			return true;
		}
		helix_loop_drive(&self->helix, 0, 0, 0); /* nobody waits for what others want */
	}
}

/* Try until the turn is ours, asleep while another one has it. @error: how the last wait ended. */
static void turn_begin(struct server_loop *self, int error)
{
	while (!turn_try()) {
		uint32_t n_seen =
			__atomic_load_n(&self->helix.queue.header->n_completions, __ATOMIC_SEQ_CST);

		unserved |= self->bit;
		if (turn_try()) {
			break;
		}
		if (error == -ERR_ALERTED) {
			turn_claim();
			break;
		}
		self->n_left++;
		error = helix_loop_drive(&self->helix, HEL_DRIVE_WAIT, n_seen, HEL_DEADLINE_NEVER);
	}
	unserved &= ~self->bit;
	unwatched &= ~self->bit;
	self->is_alerted = false;
	self->n_turns++;
}

static void turn_wait(struct helix_loop *helix, uint64_t deadline_ns)
{
	struct server_loop *self = container_of(helix, struct server_loop, helix);
	uint32_t n_seen = helix->queue.n_taken;

	if (turn_end(self, deadline_ns)) {
		turn_begin(self,
			helix_loop_drive(helix, HEL_DRIVE_WAIT, n_seen, self->sleeps_until_ns));
	} else {
		helix_loop_drive(helix, 0, 0, 0);
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

int turns_init(uint32_t n)
{
	ASSERT(n >= 1 && n <= TURNS_MAX);
	for (uint32_t i = 0; i < n; i++) {
		struct server_loop *server = &loops[i];
		int error =
			helix_loop_init(&server->helix, i == 0 ? &first_config : &further_config);

		if (error != 0) {
			return error;
		}
		server->turn = i == 0 ? &turn_first : &further_turns[i];
		server->turn->loop = &server->helix.loop;
		list_init(&server->turn->ready);
		server->bit = UINT64_C(1) << i;
		if (n > 1) {
			server->helix.wait = turn_wait;
		}
	}
	n_loops = n;
	return 0;
}

static void thread_run(struct helix_thread *thread)
{
	struct server_loop *self = container_of(thread, struct server_loop, thread);

	turn_claim();
	helix_loop_run(&self->helix);
}

NORETURN void turns_run(void)
{
	struct helix_thread *threads[TURNS_MAX];

	if (n_loops > 1) {
		for (uint32_t i = 0; i < n_loops; i++) {
			threads[i] = &loops[i].thread;
		}
		helix_threads_run(threads, n_loops, thread_run);
	}
	helix_loop_run(&loops[0].helix);
	helix_exit();
}
