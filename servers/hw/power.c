/* SPDX-License-Identifier: MIT */
/* The machine's power as an object: see device.h and protocols/hw. */
#include "device.h"
#include "drain.h"

#include <base/errors.h>
#include <protocols/hw/hw.gen.h>
#include <protocols/mbus/mbus-client.h>

/* How long a machine that was told so may take to be off, or to begin anew. */
constexpr uint64_t END_TIMEOUT_NS = UINT64_C(10000000000);

/*
 * The write that ends the machine is an order: the processor goes on until it is carried out, an
 * emulator's for milliseconds. Only who is still here long after it was given has failed.
 */
static int power_await_end(struct task *task, int error)
{
	if (error == 0 && task != NULL) {
		error = task_sleep_until(task, task_now_ns(task) + END_TIMEOUT_NS);
	}
	return error != 0 ? error : -ERR_IO;
}

static int serve_power_off(struct bragi_call *call,
	const struct hw_power_off_request *request UNUSED,
	struct hw_power_off_reply *out_reply UNUSED)
{
	drain_all(call->task);
	return power_await_end(
		call->task, machine_power_off(call->task, hw_object_of_call(call)->machine));
}

static int serve_reset(struct bragi_call *call, const struct hw_reset_request *request UNUSED,
	struct hw_reset_reply *out_reply UNUSED)
{
	drain_all(call->task);
	return power_await_end(call->task, machine_reset(hw_object_of_call(call)->machine));
}

static const struct hw_power_ops power_ops = {
	.power_off = serve_power_off,
	.reset = serve_reset,
};

static void power_dispatch(struct bragi_call *call)
{
	(void)!hw_power_dispatch(&power_ops, call);
}

static void power_connected(struct connect_listener *listener, const char *client, hel_handle lane)
{
	hw_client_start(
		container_of(listener, struct hw_object, listener), client, lane, power_dispatch);
}

static void power_control_ended(struct connect_listener *listener UNUSED)
{
	helix_log(HEL_LOG_WARNING, "mbus is gone, nobody can turn the machine off any more");
}

static const struct connect_listener_ops power_listener_ops = {
	.connected = power_connected,
	.ended = power_control_ended,
};

int power_publish(struct task *task, hel_handle mbus, struct hw_object *object)
{
	static const struct mbus_pair properties[] = { { "class", "power" } };
	list_init(&object->clients);
	wait_queue_init(&object->departed);
	int error = mbus_publish(task, mbus, properties, ARRAY_SIZE(properties), &object->control);

	if (error == 0) {
		connect_listen(&object->listener, &power_listener_ops, &object->loop->loop,
			object->control);
	}
	return error;
}
