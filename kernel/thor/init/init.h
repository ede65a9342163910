/* SPDX-License-Identifier: MIT */
/*
 * The start of thor: a graph of tasks, declared next to the code that they start.
 *
 *	INIT_TASK(frames, .run = frame_init, .needs = { "boot-cpu" }, .provides = { "memory" });
 *
 * A task says what it needs (tasks or stages), and which stages it is a part of. A stage is a name
 * for a state of the machine: it is reached when all tasks that provide it, and all stages that do,
 * are done. So whoever needs memory says so, and nobody has to know which tasks that takes.
 *
 * thor_main() runs the tasks in an order in which everything comes after what it needs. The order
 * is always the same: of the tasks that are ready the first by name is next. An unknown name, two
 * tasks with one name, or tasks that need each other end the boot in a panic that names them.
 * `thor.initgraph` on the command line prints the graph (docs/internals/initialisation.md).
 *
 * Tasks with `each_cpu` are run on every CPU, for itself: on the boot CPU in their place, on each
 * further one in the same order, before it is counted as online.
 */
#ifndef THOR_INIT_INIT_H
#define THOR_INIT_INIT_H

#include <base/types.h>

struct boot_info;

#define INIT_NAMES_MAX 6

typedef void (*init_fn)(const struct boot_info *boot);

struct init_task {
	const char *name; /* in lower case, with dashes */
	init_fn run; /* NULL: a stage; runs on the CPU that it is for, interrupts off */
	const char *needs[INIT_NAMES_MAX]; /* tasks and stages; the rest is NULL */
	const char *provides[INIT_NAMES_MAX]; /* stages; the rest is NULL */
	bool each_cpu;
};

/** INIT_TASK() - declare a task; @symbol_ is its name with underscores instead of dashes */
#define INIT_TASK(symbol_, name_, ...) \
	static const struct init_task init_task_##symbol_ = { .name = (name_), __VA_ARGS__ }; \
	__attribute__((section("init_tasks"), \
		used)) static const struct init_task *const init_entry_##symbol_ = \
		&init_task_##symbol_

/** INIT_STAGE() - declare a stage, which may need and provide others */
#define INIT_STAGE(symbol_, name_, ...) INIT_TASK(symbol_, name_, ##__VA_ARGS__)

/** init_run() - everything, on the boot CPU; panics if the graph is wrong */
void init_run(const struct boot_info *boot);

/** init_run_cpu() - what a further CPU has to do for itself, on it */
void init_run_cpu(void);

#endif
