/* SPDX-License-Identifier: MIT */
/* Turning the machine off through hw: see power.h. */
#include "power.h"
#include "servers.h"

#include <base/errors.h>
#include <protocols/hw/hw.gen.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/transport/client.h>

#define FIND_TIMEOUT_NS UINT64_C(5000000000)

static int power_call(struct task *task, hel_handle lane)
{
	struct transport_client client;
	struct bragi_exchange exchange;
	struct hw_power_off_request request;
	struct hw_power_off_reply reply;
	uint8_t buffer[128];

	transport_client_init(&client, lane, 0);
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	hw_power_off_request_init(&request);
	return hw_power_power_off(task, &client.client, &exchange, &request, &reply);
}

static int power_find(struct task *task, hel_handle *out_lane)
{
	static const struct mbus_pair filter = { "class", "power" };
	struct scope scope;
	hel_handle mbus;
	int error = svrctl_connect_service("mbus", "svrctl", &mbus);

	if (error != 0) {
		return error;
	}
	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + FIND_TIMEOUT_NS);
	error = mbus_find(task, mbus, &filter, 1, out_lane);
	int scope_error = scope_join(&scope);

	hel_close(HEL_THIS, mbus);
	return error != 0 ? error : scope_error;
}

void svrctl_power_off(struct task *task)
{
	hel_handle lane;
	int error = power_find(task, &lane);

	helix_log(HEL_LOG_INFO, "the machine is turned off");
	if (error == 0) {
		error = power_call(task, lane);
		hel_close(HEL_THIS, lane);
	}
	helix_log(HEL_LOG_ERROR, "the machine cannot be turned off: %s", error_text(error));
}
