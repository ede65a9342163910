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

static void device_found(void *context UNUSED, const struct pci_function *function)
{
	struct hw_object *object = helix_calloc(1, sizeof(*object));

	if (object == NULL) {
		helix_log(HEL_LOG_ERROR, "no memory for a device");
		return;
	}
	object->loop = &loop;
	object->machine = &machine;
	object->access = &machine.config.access;
	object->function = *function;
	list_push_back(&machine.objects, &object->node);
}

/*
 * Which buses begin at a host bridge only bytecode knows; looking at all that have configuration
 * space in memory is quicker. Through the ports it is not: there is bus 0.
 */
static void scan_all(void)
{
	const struct config_space *config = &machine.config;
	bool has_first = false;

	for (size_t i = 0; i < config->n_ranges; i++) {
		const struct acpi_ecam *ecam = &config->ranges[i].ecam;
		const struct pci_buses buses = {
			.segment = ecam->segment,
			.first = ecam->first_bus,
			.last = ecam->last_bus,
		};

		has_first |= ecam->segment == 0 && ecam->first_bus == 0;
		pci_scan(&config->access, &buses, device_found, NULL);
	}
	if (!has_first) {
		pci_scan(&config->access, &(struct pci_buses){}, device_found, NULL);
	}
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
	LIST_FOR_EACH(object, &machine.objects, struct hw_object, node) {
		const struct pci_function *function = &object->function;

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
	firmware_init(
		&machine.firmware, &loop.loop, &machine.config.access, helix_start_handle("mbus"));
	scan_all();
	job_init(&job, "publish", publish, NULL);
	job_submit(&loop.loop, &job);
	job_init(&drain_job, "drain", drain_watch, NULL);
	job_submit(&loop.loop, &drain_job);
	helix_loop_run(&loop);
	return 0;
}
