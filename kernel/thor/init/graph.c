/* SPDX-License-Identifier: MIT */
/*
 * In which order the tasks of the start run.
 *
 * `before` has a bit for each task that comes before another one: because that one needs it, or
 * because it provides that one, a stage. A task is ready when all of `before` is done. Tasks are
 * sorted by name first, so that the order does not depend on how the kernel was linked.
 */
#include <thor/init/graph.h>

#include <base/format.h>
#include <base/string.h>

static void graph_sort(struct init_graph *graph)
{
	for (uint32_t i = 1; i < graph->n_tasks; i++) {
		const struct init_task *task = graph->tasks[i];
		uint32_t j = i;

		while (j > 0 && strcmp(graph->tasks[j - 1]->name, task->name) > 0) {
			graph->tasks[j] = graph->tasks[j - 1];
			j--;
		}
		graph->tasks[j] = task;
	}
}

/* The index of a task, or n_tasks. */
static uint32_t graph_find(const struct init_graph *graph, const char *name)
{
	uint32_t i = 0;

	while (i < graph->n_tasks && !str_equal(graph->tasks[i]->name, name)) {
		i++;
	}
	return i;
}

static bool graph_complain(
	struct init_graph *graph, const char *name, const char *what, const char *other)
{
	format_to(graph->problem, sizeof(graph->problem), "%s %s %s", name, what, other);
	return false;
}

static bool graph_add_edges(struct init_graph *graph, uint32_t index)
{
	const struct init_task *task = graph->tasks[index];

	for (uint32_t i = 0; i < INIT_NAMES_MAX && task->needs[i] != NULL; i++) {
		uint32_t needed = graph_find(graph, task->needs[i]);

		if (needed == graph->n_tasks) {
			return graph_complain(
				graph, task->name, "needs the unknown", task->needs[i]);
		}
		graph->before[index] |= UINT64_C(1) << needed;
	}
	for (uint32_t i = 0; i < INIT_NAMES_MAX && task->provides[i] != NULL; i++) {
		uint32_t stage = graph_find(graph, task->provides[i]);

		if (stage == graph->n_tasks) {
			return graph_complain(
				graph, task->name, "provides the unknown", task->provides[i]);
		}
		if (graph->tasks[stage]->run != NULL) {
			return graph_complain(
				graph, task->name, "provides a task:", task->provides[i]);
		}
		graph->before[stage] |= UINT64_C(1) << index;
	}
	return true;
}

/* From one that is left, always to one before it: after n steps all further ones are in a cycle. */
static void graph_name_cycle(struct init_graph *graph, uint64_t done)
{
	uint32_t index = (uint32_t)__builtin_ctzll(~done);
	size_t size = 0;

	for (uint32_t i = 0; i < graph->n_tasks; i++) {
		index = (uint32_t)__builtin_ctzll(graph->before[index] & ~done);
	}
	uint32_t first = index;

	do {
		size += format_to(&graph->problem[size], sizeof(graph->problem) - size, "%s after ",
			graph->tasks[index]->name);
		size = min_size(size, sizeof(graph->problem) - 1);
		index = (uint32_t)__builtin_ctzll(graph->before[index] & ~done);
	} while (index != first);
	format_to(&graph->problem[size], sizeof(graph->problem) - size, "%s",
		graph->tasks[first]->name);
}

static bool graph_order(struct init_graph *graph)
{
	uint64_t done = 0;

	for (uint32_t n_done = 0; n_done < graph->n_tasks; n_done++) {
		uint32_t next = 0;

		while (next < graph->n_tasks &&
			((done >> next & 1) != 0 || (graph->before[next] & ~done) != 0)) {
			next++;
		}
		if (next == graph->n_tasks) {
			graph_name_cycle(graph, done);
			return false;
		}
		graph->order[n_done] = (uint8_t)next;
		done |= UINT64_C(1) << next;
	}
	return true;
}

bool init_graph_build(
	const struct init_task *const *tasks, uint32_t n_tasks, struct init_graph *out_graph)
{
	*out_graph = (struct init_graph){};
	if (n_tasks > INIT_TASKS_MAX) {
		return graph_complain(out_graph, "there are", "too many tasks:", "INIT_TASKS_MAX");
	}
	out_graph->n_tasks = n_tasks;
	for (uint32_t i = 0; i < n_tasks; i++) {
		out_graph->tasks[i] = tasks[i];
	}
	graph_sort(out_graph);
	for (uint32_t i = 1; i < n_tasks; i++) {
		const char *name = out_graph->tasks[i]->name;

		if (str_equal(name, out_graph->tasks[i - 1]->name)) {
			return graph_complain(out_graph, name, "is declared", "twice");
		}
	}
	for (uint32_t i = 0; i < n_tasks; i++) {
		if (!graph_add_edges(out_graph, i)) {
			return false;
		}
	}
	return graph_order(out_graph);
}
