/* SPDX-License-Identifier: MIT */
/*
 * Starting thor: what the prekernel and the further CPUs enter.
 *
 * The start is a graph of tasks that stand next to the code they start: init/init.h. Here are only
 * those that belong to no part.
 */
#include <base/string.h>
#include <thor/cpu.h>
#include <thor/init/init.h>
#include <thor/memory/measure.h>
#include <thor/sched/sched.h>

struct cpu *cpu_table[CPUS_MAX];
uint32_t cpu_count;

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
INIT_TASK(self_test, "self-test", .run = start_self_test, .needs = { "tasking", "cpus", "reclaim" },
	.provides = { "ready" });

void thor_main(const struct boot_info *boot)
{
	init_run(boot);
	sched_leave();
}

void thor_cpu_main(UNUSED struct cpu *cpu)
{
	sched_leave();
}
