/* SPDX-License-Identifier: MIT */
/*
 * Starting thor.
 *
 * The start is a graph of named stages: each names those that have to be done before it, and runs
 * as soon as they are.  What a part needs is written down with it instead of being hidden in an
 * order of calls; a name that is unknown or a cycle stops the boot.
 */
#include <base/assert.h>
#include <base/string.h>
#include <thor/bootstrap.h>
#include <thor/cpu.h>
#include <thor/ipc/futex.h>
#include <thor/memory/measure.h>
#include <thor/memory/memory.h>
#include <thor/memory/page-cache.h>
#include <thor/panic.h>
#include <thor/sched/sched.h>
#include <thor/time/clock-page.h>
#include <thor/time/random.h>

#define STAGE_NEEDS_MAX 4

struct stage {
	const char *name;
	const char *needs[STAGE_NEEDS_MAX];
	void (*run)(const struct boot_info *boot);
};

struct cpu *cpu_table[CPUS_MAX];
uint32_t cpu_count;

static void start_random(const struct boot_info *boot)
{
	random_init(boot->random_seed);
}

static void start_scheduler(UNUSED const struct boot_info *boot)
{
	sched_init_cpu(cpu_table[0]);
}

static void start_page_cache(UNUSED const struct boot_info *boot)
{
	page_cache_init();
}

static void start_futexes(UNUSED const struct boot_info *boot)
{
	futex_init();
}

static void start_clock_page(UNUSED const struct boot_info *boot)
{
	if (clock_page_init() != 0) {
		panic("start: no memory for the clock page");
	}
}

static void start_cpus(UNUSED const struct boot_info *boot)
{
	int n_cpus = arch_start_cpus();

	klog("thor: started, %d CPUs, %llu MiB", n_cpus,
		(unsigned long long)(frame_total_bytes() >> 20));
}

static void start_self_test(const struct boot_info *boot)
{
	const char *crash = strstr(boot->command_line, "thor.crash=");

	if (strstr(boot->command_line, "thor.selftest") != NULL) {
		arch_self_test();
	}
	if (strstr(boot->command_line, "thor.measure") != NULL) {
		memory_measure();
	}
	if (crash != NULL) {
		arch_self_test_crash(crash + strlen("thor.crash="));
	}
}

static const struct stage stages[] = {
	{ "boot-cpu", {}, arch_init_boot_cpu },
	{ "frames", { "boot-cpu" }, frame_init },
	{ "machine", { "frames" }, arch_init_machine },
	{ "random", { "machine" }, start_random },
	{ "scheduler", { "machine", "random" }, start_scheduler },
	{ "page-cache", { "frames" }, start_page_cache },
	{ "futexes", { "frames" }, start_futexes },
	{ "clock-page", { "machine", "scheduler" }, start_clock_page },
	{ "cpus", { "scheduler" }, start_cpus },
	{ "reclaim", { "cpus" }, frame_reclaim_boot },
	{ "self-test", { "cpus", "reclaim" }, start_self_test },
	{ "bootstrap", { "self-test", "futexes", "clock-page" }, server_bootstrap },
};

static bool stage_is_done[ARRAY_SIZE(stages)];

static bool stage_has_run(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		if (str_equal(stages[i].name, name)) {
			return stage_is_done[i];
		}
	}
	panic("start: no stage is called %s", name);
}

static bool stage_is_ready(const struct stage *stage)
{
	for (size_t i = 0; i < STAGE_NEEDS_MAX && stage->needs[i] != NULL; i++) {
		if (!stage_has_run(stage->needs[i])) {
			return false;
		}
	}
	return true;
}

/* Run what can be run; how many stages that were. */
static size_t stages_run_ready(const struct boot_info *boot)
{
	size_t n_run = 0;

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		if (!stage_is_done[i] && stage_is_ready(&stages[i])) {
			stages[i].run(boot);
			stage_is_done[i] = true;
			n_run++;
		}
	}
	return n_run;
}

void thor_main(const struct boot_info *boot)
{
	size_t n_left = ARRAY_SIZE(stages);

	while (n_left > 0) {
		size_t n_run = stages_run_ready(boot);

		if (n_run == 0) {
			panic("start: the stages need each other");
		}
		n_left -= n_run;
	}
	sched_leave();
}

void thor_cpu_main(UNUSED struct cpu *cpu)
{
	sched_leave();
}
