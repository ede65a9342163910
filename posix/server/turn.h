/* SPDX-License-Identifier: MIT */
/*
 * Turns: which of posix' threads works on what all of them share.
 *
 * There is a loop for each thread (docs/internals/posix.md, "Threads"), and a process has one of
 * them, its *home*, where the lanes of its threads arrive and their requests' timers are. Whatever
 * runs has a turn: one thread at a time. So what lies between two waits is atomic, as on one loop;
 * operations, timers and wait queues of all loops may be used, if turn_touch() says so before those
 * of another one are.
 */
#ifndef POSIX_TURN_H
#define POSIX_TURN_H

#include <async/op.h>
#include <helix/lock.h>
#include <posix/server/request.h>

struct loop;
struct task;

/* What belongs to the thread that has the turn. */
struct turn {
	struct loop *loop;
	struct list ready; /* requests that were woken; see park.c */
	struct op ready_op; /* runs them */
	struct request *running; /* NULL: none */
	struct task *task; /* of what runs, NULL: none; see task.h */
	uint64_t n_attempts; /* handlers called */
};

extern struct turn turn_first;
struct turn *turn__of_thread(void);
void turn__touch(struct loop *loop);

/** turn_current() - the calling thread's */
static inline struct turn *turn_current(void)
{
	return helix_has_threads ? turn__of_thread() : &turn_first;
}

/** turn_touch() - something is about to be started, armed or taken back on @loop */
static inline void turn_touch(struct loop *loop)
{
	if (helix_has_threads) {
		turn__touch(loop);
	}
}

/** posix_loop() - the loop of all that belongs to no process; it need not be touched */
struct loop *posix_loop(void);

/** turn_choose_home() - the loop that a new process lives on */
struct loop *turn_choose_home(void);

/* ---- for main.c and statistics --------------------------------------------------------------- */

/** turns_init() - make @n loops, which are 1 to TURNS_MAX; a negative ERR_* */
int turns_init(uint32_t n);
constexpr uint32_t TURNS_MAX = 64;

/** turns_run() - serve, with a thread for each loop */
NORETURN void turns_run(void);

/** turns_set_priority() - of all threads of posix, for the kernel */
void turns_set_priority(int priority);

/** turns_set_weight() - likewise */
void turns_set_weight(uint32_t weight);

struct turn_counts {
	uint32_t n_threads;
	uint64_t n_attempts; /* calls of handlers */
	uint64_t n_turns; /* that threads had after they had waited, if there are several */
	uint64_t n_left; /* how often one found another at work and left its own to that */
	uint64_t n_alerts; /* how often one was woken for what another had started for it */
};

/** turns_count() - what has been so far */
void turns_count(struct turn_counts *out_counts);

#endif
