/* SPDX-License-Identifier: MIT */
/* The device: see console.h. */
#include "console.h"

#include <base/errors.h>

#define FEATURE_MULTIPORT (UINT64_C(1) << 1)
#define CONFIG_PORTS_MAX  4 /* offset in the device's registers */

static int console_init_ports(struct console *console)
{
	uint32_t n_ports_max = 1;

	if (console->is_multiport) {
		n_ports_max = virtio_config_read(&console->device, CONFIG_PORTS_MAX, 4);
	}
	while (console->n_ports < n_ports_max && console->n_ports < CONSOLE_PORTS_MAX) {
		int error = port_init(console, &console->ports[console->n_ports], console->n_ports);

		if (error != 0) {
			return error;
		}
		console->n_ports++;
	}
	return 0;
}

static int console_init(struct task *task, struct console *console, hel_handle lane)
{
	uint64_t features;
	int error = virtio_open(task, &console->device, lane);

	if (error != 0) {
		return error;
	}
	error = virtio_negotiate(&console->device, FEATURE_MULTIPORT, &features);
	if (error != 0) {
		return error;
	}
	console->is_multiport = (features & FEATURE_MULTIPORT) != 0 &&
		console->device.config_size >= CONFIG_PORTS_MAX + sizeof(uint32_t);
	error = console_init_ports(console);
	return error != 0 ? error : control_init(console);
}

int console_run(struct task *task, struct console *console, hel_handle lane)
{
	int error = console_init(task, console, lane);

	if (error != 0) {
		return error;
	}
	virtio_start(&console->device);
	if (console->is_multiport) {
		control_start(console);
	} else {
		console->ports[0].is_console = true;
		error = port_start(&console->ports[0]);
		port_publish(task, &console->ports[0]);
	}
	while (error == 0) {
		for (uint32_t i = 0; i < console->n_ports; i++) {
			port_poll(&console->ports[i]);
		}
		control_poll(task, console);
		error = virtio_await(task, &console->device);
	}
	return error;
}
