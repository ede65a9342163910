/* SPDX-License-Identifier: MIT */
/*
 * hw: finds the hardware and publishes it on mbus, each device with exactly the capabilities it
 * needs.
 *
 * It is the only server that holds the authority; drivers see no port and no physical memory but
 * those of their device, which they get here.
 */
#include "device.h"
#include "drain.h"
#include "rtc.h"
#include "pci-tree.h"

#include <base/errors.h>

static struct helix_loop loop;
static struct machine machine;

static int publish(struct task *task, void *argument UNUSED)
{
	static struct hw_object power = { .loop = &loop, .machine = &machine };
	int error = power_publish(task, machine.mbus, &power);

	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "power cannot be published: %s", error_text(error));
	}
	pci_tree_publish(task, &machine);
	return 0;
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	/* each driver waits for the removal of its device, each slot for its card */
	const struct helix_loop_config config = { .n_tasks_max = 4 * HELIX_TASKS_MAX };
	static struct job job, drain_job;
	int error = helix_loop_init(&loop, &config);

	if (error != 0) {
		return error;
	}
	error = rtc_set_clock(helix_start_handle("authority"));
	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "the clock cannot be read: %s", error_text(error));
	}
	machine.loop = &loop;
	machine.mbus = helix_start_handle("mbus");
	error = machine_init(&machine, helix_start_handle("authority"), helix_start()->rsdp_phys);
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "no ACPI tables: %s", error_text(error));
	}
	firmware_init(&machine.firmware, &loop.loop, &machine.config.access, machine.mbus);
	pci_tree_find(&machine);
	job_init(&job, "publish", publish, NULL);
	job_submit(&loop.loop, &job);
	job_init(&drain_job, "drain", drain_watch, NULL);
	job_submit(&loop.loop, &drain_job);
	helix_loop_run(&loop);
	return 0;
}
