/* SPDX-License-Identifier: MIT */
/*
 * The loop of a native program's thread: lib/async's loop on top of one queue.
 *
 * What can be waited for in the kernel is a `struct helix_operation`, an operation (async/op.h)
 * with a record of the submission ring. Its address is the context of the record, so a completion
 * finds it without any table. Records pile up in the ring while the loop has other work and enter
 * the kernel together, with the one hel_drive() that also waits. When the ring is full it is
 * driven at once; if even that makes no room (the kernel is out of memory), the operation waits in
 * `unsubmitted`.
 *
 *	op_start()         submit()             completion             op_complete()
 *	   IDLE ----> unsubmitted ----> in the kernel ----> complete() ----> done()
 *
 * Timers (async/timer.h) are kept in user mode: the earliest one is the deadline of hel_drive().
 */
#ifndef HELIX_LOOP_H
#define HELIX_LOOP_H

#include <async/loop.h>
#include <async/op.h>
#include <async/platform.h>
#include <async/task.h>
#include <hel/hel-calls.h>
#include <hel/queue-client.h>

struct helix_loop;
struct helix_operation;

struct helix_operation_class {
	struct op_class op; /* helix_operation_start() and helix_operation_cancel() */
	/*
	 * Reserve and fill in the record (hel_queue_reserve() with the operation as context).
	 * false: no room, leave no trace. Called again then.
	 */
	bool (*submit)(struct helix_operation *operation, struct hel_queue_client *queue);
	/*
	 * Read the completion, keep or release it (helix_loop_release()). Returns what op->error
	 * becomes.
	 */
	int (*complete)(struct helix_operation *operation, const struct hel_element *element);
	/*
	 * For those that complete any number of times: all that is to be done with a completion,
	 * also op_complete() with the last one. NULL: there is one completion.
	 */
	void (*take)(struct helix_operation *operation, const struct hel_element *element);
};

struct helix_operation {
	struct op op; /* first: its address is the context */
	bool is_submitted;
};

struct helix_loop_config {
	size_t stack_slot_size; /* of a task and of callbacks; 0: HELIX_STACK_SLOT_SIZE */
	size_t n_tasks_max;            /* 0: HELIX_TASKS_MAX */
	struct hel_queue_params queue; /* all 0: 16 chunks of 16 KiB, 8 KiB for submissions */
};

/**
 * HELIX_STACK_SLOT_SIZE - usual size of a stack with its guard
 *
 * Callbacks and requests that never suspend run on these stacks, too, so there is more than
 * lib/async's minimum; pages that are never touched cost nothing.
 */
#define HELIX_STACK_SLOT_SIZE KIB(64)
/** HELIX_TASKS_MAX - usual limit of tasks alive at the same time */
#define HELIX_TASKS_MAX       64

/*
 * How the loop waits, where a program has several that share data: leaves them to others, waits
 * (helix_loop_drive()), and comes back when it may use them again.
 */
typedef void (*helix_loop_wait_fn)(struct helix_loop *loop, uint64_t deadline_ns);

/*
 * Something that others change in memory that they share with us, who alert our queue then. The
 * loop looks whenever it has waited, for whatever reason; so it needs no operation, and no event.
 */
struct helix_bell {
	struct list_node node;
	struct helix_loop *loop; /* NULL: not added */
	/* Whether it has changed is not known. May complete operations, and remove any bell. */
	void (*look)(struct helix_bell *bell);
};

struct helix_loop {
	struct loop loop; /* for op_start(), job_submit(), timer_arm(), loop_stop() */
	struct async_platform platform;
	struct hel_queue_client queue;
	struct list unsubmitted; /* operations without a record */
	struct list uncancelled; /* submitted operations whose cancel found no room */
	struct helix_operation quiet; /* never started: whose completions nobody waits for */
	struct helix_operation alarm; /* never started: the clock at alarm_ns */
	uint64_t alarm_ns; /* HEL_DEADLINE_NEVER: not asked for */
	uint64_t waited_ns; /* the deadline of the last wait */
	struct list bells;  /* struct helix_bell.node */
	struct helix_bell *bell_next; /* that is looked at next, while they are */
	helix_loop_wait_fn wait; /* NULL: it just waits */
	void *tasks;             /* one block for loop_config's tasks and fibers */
	uint64_t stacks_size;
};

/**
 * helix_loop_init() - make a loop with a queue of its own
 * @loop: caller's storage
 * @config: NULL: the usual sizes
 *
 * Return: 0, -ERR_NO_MEMORY, or what hel_queue_create() and hel_space_map() say.
 */
MUST_USE int helix_loop_init(struct helix_loop *loop, const struct helix_loop_config *config);

/** helix_loop_deinit() - give up the queue and the stacks; nothing may be pending on the loop */
void helix_loop_deinit(struct helix_loop *loop);

/** helix_loop_run() - serve until loop_stop(&loop->loop) */
void helix_loop_run(struct helix_loop *loop);

/**
 * helix_loop_serve() - do for a loop whose thread waits, and lets us, what has come for it
 *
 * Completions, timers that are due, finished operations; what tasks wait for is left to its thread.
 *
 * Return: false: there is more.
 */
bool helix_loop_serve(struct helix_loop *loop);

/**
 * helix_loop_drive() - hel_drive() of the loop's queue; all errors that can go on are returned
 * @n_seen: with HEL_DRIVE_WAIT: of completions
 */
int helix_loop_drive(
	struct helix_loop *loop, uint32_t flags, uint32_t n_seen, uint64_t deadline_ns);

/** helix_loop_of() - the helix loop around a lib/async loop */
static inline struct helix_loop *helix_loop_of(const struct loop *loop)
{
	return container_of(loop->platform, struct helix_loop, platform);
}

/** helix_loop_release() - an element that was kept is no longer used */
void helix_loop_release(struct helix_loop *loop, const struct hel_element *element);

/**
 * helix_loop_reserve() - room for a record that belongs to no operation of ours
 * @context: of an operation that has a take()
 *
 * Drives the queue if it is full. hel_queue_commit() must follow before anything else.
 *
 * Return: as hel_queue_reserve(); NULL also while operations wait for room.
 */
MUST_USE void *helix_loop_reserve(
	struct helix_loop *loop, uint32_t opcode, uint32_t size, uint64_t context);

/**
 * helix_loop_alert() - let whoever waits for @queue go on, as hel_queue_alert() does
 *
 * It goes with the next drive, without a completion; if that waits, the other one runs at once.
 * Nobody is told if it fails.
 */
void helix_loop_alert(struct helix_loop *loop, hel_handle queue);

/** helix_bell_add() - look at @bell from now on; not yet */
void helix_bell_add(
	struct helix_loop *loop, struct helix_bell *bell, void (*look)(struct helix_bell *bell));

/** helix_bell_remove() - no more; harmless if it was not added, or is all zero */
void helix_bell_remove(struct helix_bell *bell);

/**
 * helix_loop_give_alert() - a descriptor by which others alert the loop
 *
 * Return: 0; -ERR_UNSUPPORTED: others may wait in its place, so it would not look; as
 * hel_transfer().
 */
MUST_USE int helix_loop_give_alert(struct helix_loop *loop, hel_handle *out_handle);

/** helix_operation_start() - the start hook of all helix operations */
enum op_result helix_operation_start(struct op *op);

/** helix_operation_cancel() - the cancel hook of all helix operations */
void helix_operation_cancel(struct op *op);

#endif
