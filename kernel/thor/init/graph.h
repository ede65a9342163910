/* SPDX-License-Identifier: MIT */
/* The order of tasks: pure functions on arrays of them, see graph.c. */
#ifndef THOR_INIT_GRAPH_H
#define THOR_INIT_GRAPH_H

#include <thor/init/init.h>

#define INIT_TASKS_MAX 64

struct init_graph {
	const struct init_task *tasks[INIT_TASKS_MAX];
	uint32_t n_tasks;
	uint64_t before[INIT_TASKS_MAX]; /* bit per task that has to be done before */
	uint8_t order[INIT_TASKS_MAX];   /* indices into `tasks` */
	char problem[192];               /* why there is no order; "" */
};

/**
 * init_graph_build() - find the order
 * @tasks: @n_tasks pointers, in any order; the result does not depend on it
 *
 * Return: false: there is none, and out_graph->problem says why.
 */
MUST_USE bool init_graph_build(
	const struct init_task *const *tasks, uint32_t n_tasks, struct init_graph *out_graph);

#endif
