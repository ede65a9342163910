/* SPDX-License-Identifier: MIT */
/* Running the tasks of the start, and telling how it went: see init.h. */
#include <thor/init/init.h>

#include <abi/boot/boot-info.h>
#include <base/string.h>
#include <thor/arch.h>
#include <thor/init/graph.h>
#include <thor/log.h>
#include <thor/panic.h>
#include <thor/trace/trace.h>

extern const struct init_task *const __start_init_tasks[], *const __stop_init_tasks[];

static struct init_graph init_graph;
/* When the start began, and when each task was done; by order. */
static uint64_t init_start_ticks, init_done_ticks[INIT_TASKS_MAX];

static const struct init_task *init_task_at(uint32_t position)
{
	return init_graph.tasks[init_graph.order[position]];
}

/* ---- what is told */

static uint64_t init_us(uint64_t ticks)
{
	struct hel_clock_page clock = {};

	arch_clock_fill_page(&clock);
	return (uint64_t)((unsigned __int128)ticks * clock.multiplier >> 32) / 1000;
}

static void init_log_stages(void)
{
	for (uint32_t i = 0; i < init_graph.n_tasks; i++) {
		if (init_task_at(i)->run == NULL) {
			klog("init: %s after %llu us", init_task_at(i)->name,
				(unsigned long long)init_us(init_done_ticks[i] - init_start_ticks));
		}
	}
}

static void init_print_node(uint32_t position)
{
	const struct init_task *task = init_task_at(position);
	uint64_t since = position == 0 ? init_start_ticks : init_done_ticks[position - 1];

	if (task->run == NULL) {
		klog("initgraph: \"%s\" [shape=ellipse];", task->name);
	} else {
		klog("initgraph: \"%s\" [shape=box%s,label=\"%s\\n%llu us\"];", task->name,
			task->each_cpu ? ",peripheries=2" : "", task->name,
			(unsigned long long)init_us(init_done_ticks[position] - since));
	}
}

/* In the language of graphviz, each line marked, so that it can be taken out of the log. */
static void init_print_graph(void)
{
	klog("initgraph: digraph init {");
	for (uint32_t i = 0; i < init_graph.n_tasks; i++) {
		init_print_node(i);
	}
	for (uint32_t i = 0; i < init_graph.n_tasks; i++) {
		uint32_t index = init_graph.order[i];

		for (uint64_t left = init_graph.before[index]; left != 0; left &= left - 1) {
			klog("initgraph: \"%s\" -> \"%s\";",
				init_graph.tasks[__builtin_ctzll(left)]->name,
				init_graph.tasks[index]->name);
		}
	}
	klog("initgraph: }");
}

/* ---- running */

void init_run(const struct boot_info *boot)
{
	uint32_t n_tasks = (uint32_t)(__stop_init_tasks - __start_init_tasks);

	init_start_ticks = arch_trace_ticks();
	if (!init_graph_build(__start_init_tasks, n_tasks, &init_graph)) {
		panic("start: %s", init_graph.problem);
	}
	for (uint32_t i = 0; i < n_tasks; i++) {
		if (init_task_at(i)->run != NULL) {
			init_task_at(i)->run(boot);
		}
		init_done_ticks[i] = arch_trace_ticks();
	}
	init_log_stages();
	if (strstr(boot->command_line, "thor.initgraph") != NULL) {
		init_print_graph();
	}
}

void init_run_cpu(void)
{
	for (uint32_t i = 0; i < init_graph.n_tasks; i++) {
		if (init_task_at(i)->each_cpu) {
			init_task_at(i)->run(NULL);
		}
	}
}
