/* SPDX-License-Identifier: MIT */
/*
 * edu-driver: gets `edu` devices from svrctl and works with each for ever. When a device has done
 * the first rounds it is published on mbus as class=edu, name=ADDRESS, interrupts=KIND; when one
 * fails, the driver ends, and the log says why.
 *
 * Of each device of which the number is even the line is used, of the others MSI.
 */
#include "cycle.h"

#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/svrctl/provide.h>

constexpr uint32_t FIRST_ROUNDS = 3;
#define INFO_SIZE 2048

static struct helix_loop loop;

struct device {
	struct job job;
	struct edu edu;
	hel_handle lane;
	char address[16];
	uint8_t info[INFO_SIZE]; /* hw's reply */
};

static int device_read_address(struct task *task, struct device *device, bool *out_has_even_number)
{
	struct transport_client hw;
	struct bragi_exchange exchange;
	struct hw_info_reply info;

	transport_client_init(&hw, device->lane, 0);
	bragi_exchange_init(&exchange, device->info, sizeof(device->info));
	int error = hw_client_info(task, &hw, &exchange, &info);

	if (error == 0) {
		str_copy(device->address, sizeof(device->address), info.address.text);
		/* ssss:bb:dd.f */
		*out_has_even_number = (device->address[9] - '0') % 2 == 0;
	}
	return error;
}

static int device_publish(struct task *task, const struct device *device)
{
	const struct mbus_pair properties[] = {
		{ "class", "edu" },
		{ "name", device->address },
		{ "interrupts",
			device->edu.kind == HW_INTERRUPT_KIND_LINE          ? "line"
				: device->edu.kind == HW_INTERRUPT_KIND_MSI ? "msi"
									    : "other" },
	};
	hel_handle control;

	return mbus_publish(
		task, helix_start_handle("mbus"), properties, ARRAY_SIZE(properties), &control);
}

static int device_work(struct task *task, struct device *device)
{
	bool has_even_number = false;
	int error = device_read_address(task, device, &has_even_number);

	if (error == 0) {
		error = edu_open(task, &device->edu, device->lane,
			has_even_number ? HW_INTERRUPT_KIND_LINE : HW_INTERRUPT_KIND_MSI);
	}
	for (uint32_t round = 0; error == 0; round++) {
		error = edu_cycle(task, &device->edu, round);
		if (error == 0 && round == FIRST_ROUNDS) {
			error = device_publish(task, device);
		}
	}
	return error;
}

static int device_run(struct task *task, void *argument)
{
	struct device *device = argument;
	int error = device_work(task, device);

	helix_log(HEL_LOG_ERROR, "%s fails after %llu interrupts, %llu foreign ones: %s",
		device->address, (unsigned long long)device->edu.n_interrupts,
		(unsigned long long)device->edu.n_foreign, error_text(error));
	helix_exit();
}

static void device_connected(const char *name UNUSED, hel_handle lane)
{
	struct device *device = helix_calloc(1, sizeof(*device));

	if (device == NULL) {
		hel_close(HEL_THIS, lane);
		return;
	}
	device->lane = lane;
	job_init(&device->job, "device", device_run, device);
	job_submit(&loop.loop, &device->job);
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	return provide_run(&loop, NULL, device_connected);
}
