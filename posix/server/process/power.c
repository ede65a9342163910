/* SPDX-License-Identifier: MIT */
/* The end of the machine: one task that finds hw's power object on mbus and asks. */
#include <base/errors.h>
#include <helix/helix.h>
#include <posix/server/process/power.h>
#include <posix/server/request-internal.h>
#include <protocols/hw/hw.gen.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/transport/client.h>

constexpr uint64_t FIND_TIMEOUT_NS = 5000000000;
constexpr size_t MESSAGE_MAX = 128;

static struct job job;
static bool is_under_way, wants_restart;

static int power_find(struct task *task, hel_handle *out_lane)
{
	static const struct mbus_pair filter = { "class", "power" };
	struct scope scope;
	int error, scope_error;

	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + FIND_TIMEOUT_NS);
	error = mbus_find(task, helix_start_handle("mbus"), &filter, 1, out_lane);
	scope_error = scope_join(&scope);
	return error != 0 ? error : scope_error;
}

static int power_call(struct task *task, hel_handle lane)
{
	struct transport_client client;
	struct bragi_exchange exchange;
	uint8_t buffer[MESSAGE_MAX];

	transport_client_init(&client, lane, 0);
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	if (wants_restart) {
		struct hw_reset_request request;
		struct hw_reset_reply reply;

		hw_reset_request_init(&request);
		return hw_power_reset(task, &client.client, &exchange, &request, &reply);
	}
	struct hw_power_off_request request;
	struct hw_power_off_reply reply;

	hw_power_off_request_init(&request);
	return hw_power_power_off(task, &client.client, &exchange, &request, &reply);
}

static int power_run(struct task *task, void *argument)
{
	hel_handle lane;
	int error = power_find(task, &lane);

	(void)argument;
	if (error == 0) {
		error = power_call(task, lane);
		hel_close(HEL_THIS, lane);
	}
	is_under_way = false;
	helix_log(HEL_LOG_ERROR, "the machine cannot be %s: %s",
		wants_restart ? "restarted" : "turned off", error_text(error));
	return error;
}

void power_off(bool is_restart)
{
	if (is_under_way) {
		return;
	}
	is_under_way = true;
	wants_restart = is_restart;
	helix_log(HEL_LOG_INFO, "the machine is %s", is_restart ? "restarted" : "turned off");
	job_init(&job, "power", power_run, NULL);
	job_submit(posix_loop(), &job);
}
