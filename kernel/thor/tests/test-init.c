/* SPDX-License-Identifier: MIT */
/* The order of the start: of made-up tasks, of random graphs, and of all tasks of portable thor. */
#include "machine.h"

#include <thor/init/graph.h>

extern const struct init_task *const __start_init_tasks[], *const __stop_init_tasks[];

static void nothing(UNUSED const struct boot_info *boot)
{
}

/* What the architecture and the first program's loader declare, which are not linked here. */
INIT_TASK(boot_cpu, "boot-cpu", .run = nothing);
INIT_TASK(clock, "clock", .run = nothing, .needs = { "memory" }, .provides = { "tasking" });
INIT_TASK(cpus, "cpus", .run = nothing, .needs = { "tasking" }, .provides = { "ready" });
INIT_TASK(bootstrap, "bootstrap", .run = nothing, .needs = { "ready" });

static struct init_graph graph;

static bool build(const struct init_task *tasks, uint32_t n_tasks)
{
	const struct init_task *pointers[INIT_TASKS_MAX + 1];

	for (uint32_t i = 0; i < n_tasks; i++) {
		pointers[i] = &tasks[i];
	}
	return init_graph_build(pointers, n_tasks, &graph);
}

static uint32_t position_of(const char *name)
{
	for (uint32_t i = 0; i < graph.n_tasks; i++) {
		if (strcmp(graph.tasks[graph.order[i]]->name, name) == 0) {
			return i;
		}
	}
	return UINT32_MAX;
}

/* Every task once, and after all that have to be before it. */
static bool order_is_right(void)
{
	uint64_t done = 0;

	for (uint32_t i = 0; i < graph.n_tasks; i++) {
		uint64_t bit = UINT64_C(1) << graph.order[i];

		if ((done & bit) != 0 || (graph.before[graph.order[i]] & ~done) != 0) {
			return false;
		}
		done |= bit;
	}
	return true;
}

TEST(tasks_come_after_what_they_need)
{
	static const struct init_task tasks[] = {
		{ .name = "a", .run = nothing, .needs = { "stage", "c" } },
		{ .name = "b", .run = nothing, .provides = { "stage" } },
		{ .name = "c", .run = nothing, .needs = { "b" } },
		{ .name = "d", .run = nothing, .provides = { "stage" } },
		{ .name = "stage" },
	};

	CHECK(build(tasks, ARRAY_SIZE(tasks)));
	CHECK(order_is_right());
	CHECK_EQ(position_of("b"), 0);
	CHECK_EQ(position_of("c"), 1);
	CHECK_EQ(position_of("d"), 2);
	CHECK_EQ(position_of("stage"), 3);
	CHECK_EQ(position_of("a"), 4);
}

TEST(cycles_are_named)
{
	static const struct init_task tasks[] = {
		{ .name = "free", .run = nothing },
		{ .name = "after", .run = nothing, .needs = { "x" } },
		{ .name = "x", .run = nothing, .needs = { "y", "free" } },
		{ .name = "y", .run = nothing, .needs = { "z" } },
		{ .name = "z", .run = nothing, .needs = { "x" } },
	};

	CHECK(!build(tasks, ARRAY_SIZE(tasks)));
	CHECK(strstr(graph.problem, "x after y after z after x") != NULL ||
		strstr(graph.problem, "y after z after x after y") != NULL ||
		strstr(graph.problem, "z after x after y after z") != NULL);
	CHECK(strstr(graph.problem, "free") == NULL);
}

TEST(a_task_that_needs_itself_is_a_cycle)
{
	static const struct init_task tasks[] = {
		{ .name = "a", .run = nothing, .needs = { "a" } },
	};

	CHECK(!build(tasks, 1));
	CHECK_STR_EQ(graph.problem, "a after a");
}

TEST(nonsense_is_named)
{
	static const struct init_task unknown[] = {
		{ .name = "a", .run = nothing, .needs = { "nobody" } },
	};
	static const struct init_task no_stage[] = {
		{ .name = "a", .run = nothing, .provides = { "nowhere" } },
	};
	static const struct init_task provided_task[] = {
		{ .name = "a", .run = nothing, .provides = { "b" } },
		{ .name = "b", .run = nothing },
	};
	static const struct init_task twice[] = {
		{ .name = "a", .run = nothing },
		{ .name = "a", .run = nothing },
	};
	static struct init_task many[INIT_TASKS_MAX + 1];

	CHECK(!build(unknown, 1));
	CHECK_STR_EQ(graph.problem, "a needs the unknown nobody");
	CHECK(!build(no_stage, 1));
	CHECK_STR_EQ(graph.problem, "a provides the unknown nowhere");
	CHECK(!build(provided_task, 2));
	CHECK_STR_EQ(graph.problem, "a provides a task: b");
	CHECK(!build(twice, 2));
	CHECK_STR_EQ(graph.problem, "a is declared twice");
	CHECK(!build(many, INIT_TASKS_MAX + 1));
	CHECK(build(NULL, 0));
}

/* Edges only from lower to higher numbers: never a cycle; then one edge back, which makes one. */
TEST(random_graphs_have_an_order)
{
	static struct init_task tasks[INIT_TASKS_MAX];
	static char names[INIT_TASKS_MAX][8];
	struct random random;

	random_init(&random, test_seed(7));
	for (int round = 0; round < 300; round++) {
		uint32_t n_tasks = (uint32_t)random_between(&random, 2, INIT_TASKS_MAX);

		for (uint32_t i = 0; i < n_tasks; i++) {
			snprintf(names[i], sizeof(names[i]), "%c%u",
				'a' + (char)random_below(&random, 26), i);
			tasks[i] = (struct init_task){ .name = names[i], .run = nothing };
			for (uint32_t j = 0; j < 3 && i > 0; j++) {
				tasks[i].needs[j] = names[random_below(&random, i)];
			}
		}
		CHECK(build(tasks, n_tasks));
		CHECK(order_is_right());
		/* The last one needs some other, which now needs the last one: a cycle. */
		const char *needed = tasks[n_tasks - 1].needs[0];

		for (uint32_t i = 0; i < n_tasks; i++) {
			if (tasks[i].name == needed) {
				tasks[i].needs[3 - 3 * (i == 0)] = names[n_tasks - 1];
			}
		}
		CHECK(!build(tasks, n_tasks));
		CHECK(graph.problem[0] != '\0');
	}
}

TEST(the_order_does_not_depend_on_the_linker)
{
	const struct init_task *tasks[INIT_TASKS_MAX];
	uint32_t n_tasks = (uint32_t)(__stop_init_tasks - __start_init_tasks);
	struct random random;
	struct init_graph first;

	random_init(&random, test_seed(8));
	CHECK(init_graph_build(__start_init_tasks, n_tasks, &first));
	for (uint32_t i = 0; i < n_tasks; i++) {
		tasks[i] = __start_init_tasks[i];
	}
	for (int round = 0; round < 50; round++) {
		uint64_t a = random_below(&random, n_tasks), b = random_below(&random, n_tasks);
		const struct init_task *task = tasks[a];

		tasks[a] = tasks[b];
		tasks[b] = task;
		CHECK(init_graph_build(tasks, n_tasks, &graph));
		for (uint32_t i = 0; i < n_tasks; i++) {
			CHECK(graph.tasks[graph.order[i]] == first.tasks[first.order[i]]);
		}
	}
}

TEST(all_of_thor_has_an_order)
{
	uint32_t n_tasks = (uint32_t)(__stop_init_tasks - __start_init_tasks);

	if (!init_graph_build(__start_init_tasks, n_tasks, &graph)) {
		printf("# %s\n", graph.problem);
	}
	CHECK_STR_EQ(graph.problem, "");
	CHECK(order_is_right());
	CHECK(n_tasks >= 12);
	CHECK_EQ(position_of("bootstrap"), n_tasks - 1);
	CHECK(position_of("frames") < position_of("memory"));
	CHECK(position_of("scheduler") < position_of("tasking"));
	CHECK(position_of("clock-page") < position_of("ready"));
}

TEST_MAIN()
