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

#include <base/errors.h>
#include <base/list.h>

static struct helix_loop loop;
static struct machine machine;
static struct list objects = LIST_INIT(objects);

static void device_found(void *context UNUSED, const struct pci_function *function)
{
	struct hw_object *object = helix_calloc(1, sizeof(*object));

	if (object == NULL) {
		helix_log(HEL_LOG_ERROR, "no memory for a device");
		return;
	}
	object->loop = &loop;
	object->machine = &machine;
	object->access = &machine.ecam.access;
	object->function = *function;
	list_push_back(&objects, &object->node);
}

static int publish(struct task *task, void *argument UNUSED)
{
	static struct hw_object power = { .loop = &loop, .machine = &machine };
	hel_handle mbus = helix_start_handle("mbus");
	size_t n_devices = 0;
	int error = power_publish(task, mbus, &power);

	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "power cannot be published: %s", error_text(error));
	}
	LIST_FOR_EACH(object, &objects, struct hw_object, node) {
		const struct pci_function *function = &object->function;

		if (function->is_bridge) {
			continue;
		}
		error = device_publish(task, mbus, object);
		if (error != 0) {
			helix_log(HEL_LOG_ERROR, "%02x:%02x.%x cannot be published: %s",
				function->address.bus, function->address.device,
				function->address.function, error_text(error));
		}
		n_devices++;
	}
	helix_log(HEL_LOG_INFO, "%zu PCI functions published", n_devices);
	return 0;
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	static struct job job, drain_job;
	int error = helix_loop_init(&loop, NULL);

	if (error != 0) {
		return error;
	}
	error = rtc_set_clock(helix_start_handle("authority"));
	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "the clock cannot be read: %s", error_text(error));
	}
	error = machine_init(&machine, helix_start_handle("authority"), helix_start()->rsdp_phys);
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "no ACPI tables: %s", error_text(error));
	}
	if (machine.has_ecam) {
		const struct acpi_ecam *range = &machine.ecam.range;

		pci_scan(
			&machine.ecam.access, range->segment, range->first_bus, device_found, NULL);
	}
	job_init(&job, "publish", publish, NULL);
	job_submit(&loop.loop, &job);
	job_init(&drain_job, "drain", drain_watch, NULL);
	job_submit(&loop.loop, &drain_job);
	helix_loop_run(&loop);
	return 0;
}
