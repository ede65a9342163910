/* SPDX-License-Identifier: MIT */
/* Telling who still writes that the machine ends: see drain.h. */
#include "drain.h"

#include <base/errors.h>
#include <protocols/mbus/mbus-client.h>

#define DRAIN_LANES_MAX  8
#define DRAIN_TIMEOUT_NS UINT64_C(3000000000)

static hel_handle lanes[DRAIN_LANES_MAX];
static size_t n_lanes;

static int drain_found(struct task *task UNUSED, void *context UNUSED, hel_handle lane)
{
	if (n_lanes == DRAIN_LANES_MAX) {
		helix_log(HEL_LOG_WARNING, "too many want to be told of the machine's end");
		hel_close(HEL_THIS, lane);
		return 0;
	}
	lanes[n_lanes++] = lane;
	return 0;
}

int drain_watch(struct task *task, void *argument UNUSED)
{
	static const struct mbus_pair filter = { "class", "drain" };

	return mbus_for_each(task, helix_start_handle("mbus"), &filter, 1, drain_found, NULL);
}

static void drain_one(struct task *task, hel_handle lane)
{
	static const uint8_t message = 1;
	struct helix_exchange exchange;
	uint8_t answer;

	helix_exchange_init(&exchange, lane);
	helix_exchange_add_send(&exchange, &message, sizeof(message));
	helix_exchange_add_receive(&exchange, &answer, sizeof(answer));
	(void)helix_exchange_await(task, &exchange);
	helix_exchange_release(&exchange);
}

void drain_all(struct task *task)
{
	struct scope scope;

	if (task == NULL) {
		return;
	}
	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + DRAIN_TIMEOUT_NS);
	for (size_t i = 0; i < n_lanes; i++) {
		drain_one(task, lanes[i]);
	}
	if (scope_join(&scope) != 0) {
		helix_log(HEL_LOG_WARNING, "not everybody has finished in time");
	}
}
