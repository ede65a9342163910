/* SPDX-License-Identifier: MIT */
/* Services on demand: see demand.h. */
#include "demand.h"

#include <base/errors.h>
#include <base/string.h>
#include <protocols/svrctl/connect.h>

/* One that waits. */
struct demand_client {
	struct list_node node;
	hel_handle lane;
	char name[CONNECT_NAME_MAX];
};

static struct demand_client *demand_pop(struct demand *demand)
{
	return LIST_POP_FRONT(&demand->clients, struct demand_client, node);
}

/* If nobody has got its lane, that ends here. */
static void demand_drop(struct demand *demand, struct demand_client *client)
{
	hel_close(HEL_THIS, client->lane);
	helix_free(client);
	demand->n_clients--;
}

static void demand_refuse_all(struct demand *demand)
{
	while (!list_is_empty(&demand->clients)) {
		demand_drop(demand, demand_pop(demand));
	}
}

/* Bring clients to the server until it has ended; 0, or why the task is cancelled. */
static int demand_introduce_all(struct task *task, struct demand *demand)
{
	int error = 0;

	while (error == 0 && demand->is_running) {
		if (list_is_empty(&demand->clients)) {
			error = wait_on(task, &demand->changes);
			continue;
		}
		struct demand_client *client = demand_pop(demand);

		/* If that fails, the client knows by the end of its lane. */
		(void)connect_introduce(task, demand->control, client->name, client->lane);
		demand_drop(demand, client);
		error = task_check(task);
	}
	return error;
}

static void demand_back_off(struct demand *demand, uint64_t started_ns, uint64_t ended_ns)
{
	bool is_first = demand->backoff_ns == 0 || ended_ns - started_ns >= DEMAND_STABLE_NS;

	demand->backoff_ns = is_first ? DEMAND_BACKOFF_MIN_NS : 2 * demand->backoff_ns;
	if (demand->backoff_ns > DEMAND_BACKOFF_MAX_NS) {
		demand->backoff_ns = DEMAND_BACKOFF_MAX_NS;
	}
	demand->not_before_ns = ended_ns + demand->backoff_ns;
}

/* One life of the server. */
static int demand_live(struct task *task, struct demand *demand)
{
	uint64_t started_ns = task_now_ns(task);
	int error = 0;

	if (demand->ops->start(demand, &demand->control) == 0) {
		demand->is_running = true;
		error = demand_introduce_all(task, demand);
		demand->is_running = false;
		hel_close(HEL_THIS, demand->control);
	}
	demand_refuse_all(demand);
	demand_back_off(demand, started_ns, task_now_ns(task));
	return error;
}

static int demand_run(struct task *task, void *argument)
{
	struct demand *demand = argument;
	int error = 0;

	while (error == 0) {
		if (list_is_empty(&demand->clients)) {
			error = wait_on(task, &demand->changes);
			continue;
		}
		error = task_sleep_until(task, demand->not_before_ns);
		if (error == 0) {
			error = demand_live(task, demand);
		}
	}
	demand_refuse_all(demand);
	return error;
}

void demand_init(
	struct demand *demand, const struct demand_ops *ops, struct loop *loop, const char *name)
{
	*demand = (struct demand){ .ops = ops };
	list_init(&demand->clients);
	wait_queue_init(&demand->changes);
	job_init(&demand->job, name, demand_run, demand);
	job_submit(loop, &demand->job);
}

int demand_connect(struct demand *demand, const char *client_name, hel_handle lane)
{
	if (demand->n_clients == DEMAND_CLIENTS_MAX) {
		return -ERR_NO_SPACE;
	}
	struct demand_client *client = helix_malloc(sizeof(*client));

	if (client == NULL) {
		return -ERR_NO_MEMORY;
	}
	client->lane = lane;
	str_copy(client->name, sizeof(client->name), client_name);
	list_push_back(&demand->clients, &client->node);
	demand->n_clients++;
	wait_queue_wake(&demand->changes);
	return 0;
}

/* An introduction that is under way ends with the stream, whoever else may have the other end. */
void demand_ended(struct demand *demand)
{
	if (demand->is_running) {
		demand->is_running = false;
		hel_lane_shutdown(demand->control);
		wait_queue_wake(&demand->changes);
	}
}
