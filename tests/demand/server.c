/* SPDX-License-Identifier: MIT */
/*
 * A server on demand for tests/demand. What it does is its first argument: `serve` sends back each
 * byte that a client sends, and crashes on CRASH; `die` dies first; `mute` never listens.
 */
#include <base/string.h>
#include <helix/helix.h>
#include <protocols/svrctl/provide.h>

constexpr uint8_t CRASH = 'c'; /* as in main.c */

struct client {
	struct job job;
	hel_handle lane;
};

static struct helix_loop loop;

static void crash(void)
{
	*(volatile int *)16 = 1;
}

static int serve_byte(struct task *task, hel_handle lane)
{
	struct helix_exchange exchange;
	uint8_t byte;

	helix_exchange_init(&exchange, lane);
	helix_exchange_add_receive(&exchange, &byte, 1);
	int error = helix_exchange_await(task, &exchange);

	helix_exchange_release(&exchange);
	if (error == 0 && byte == CRASH) {
		crash();
	}
	if (error == 0) {
		helix_exchange_init(&exchange, lane);
		helix_exchange_add_send(&exchange, &byte, 1);
		error = helix_exchange_await(task, &exchange);
		helix_exchange_release(&exchange);
	}
	return error;
}

static int serve_client(struct task *task, void *argument)
{
	struct client *client = argument;

	while (serve_byte(task, client->lane) == 0) {
		continue;
	}
	hel_close(HEL_THIS, client->lane);
	task->job = NULL;
	helix_free(client);
	return 0;
}

static void client_connected(const char *name UNUSED, hel_handle lane)
{
	struct client *client = helix_calloc(1, sizeof(*client));

	if (client == NULL) {
		hel_close(HEL_THIS, lane);
		return;
	}
	client->lane = lane;
	job_init(&client->job, "client", serve_client, client);
	job_submit(&loop.loop, &client->job);
}

int main(int n_arguments, char **arguments)
{
	const char *way = n_arguments > 1 ? arguments[1] : "";

	helix_log(HEL_LOG_INFO, "%s: started", way);
	if (str_equal(way, "die")) {
		crash();
	}
	if (str_equal(way, "mute")) {
		int error = helix_loop_init(&loop, NULL);

		if (error == 0) {
			helix_loop_run(&loop);
		}
		return error;
	}
	return provide_run(&loop, NULL, client_connected);
}
