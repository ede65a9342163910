/* SPDX-License-Identifier: MIT */
/*
 * runsvr: asks svrctl about servers, or to kill one. The kernel's command line says what to do:
 *
 *	hati.runsvr=list               a line of the log for each server
 *	hati.runsvr=kill:NAME          end that server once, as soon as it runs
 *	hati.runsvr=kill:NAME:MS       the same again and again, every MS milliseconds
 */
#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/svrctl/svrctl.gen.h>
#include <protocols/transport/client.h>

#define REPLY_SIZE 8192

static const char usage[] = "hati.runsvr=list or =kill:NAME[:MILLISECONDS]";
static struct helix_loop loop;

static int list_servers(struct task *task, struct transport_client *svrctl)
{
	struct svrctl_list_request request;
	struct svrctl_list_reply reply;
	struct bragi_exchange exchange;
	void *buffer = helix_malloc(REPLY_SIZE);

	if (buffer == NULL) {
		return -ERR_NO_MEMORY;
	}
	bragi_exchange_init(&exchange, buffer, REPLY_SIZE);
	svrctl_list_request_init(&request);
	int error = svrctl_control_list(task, &svrctl->client, &exchange, &request, &reply);

	for (uint32_t i = 0; error == 0 && i < reply.servers.count; i++) {
		const struct svrctl_server *server = &reply.servers.items[i];

		helix_log(HEL_LOG_INFO, "%s: %s, started %u times, %u devices", server->name.text,
			server->is_running != 0 ? "runs" : "does not run", server->n_starts,
			server->n_devices);
	}
	helix_free(buffer);
	return error;
}

static int kill_server(struct task *task, struct transport_client *svrctl, const char *name)
{
	struct svrctl_kill_request request;
	struct svrctl_kill_reply reply;
	struct bragi_exchange exchange;
	uint8_t buffer[256];

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	svrctl_kill_request_init(&request);
	request.name = bragi_string_of(name);
	return svrctl_control_kill(task, &svrctl->client, &exchange, &request, &reply);
}

/* Kill it once, or for ever; while it does not run, try again soon. */
static int kill_servers(
	struct task *task, struct transport_client *svrctl, const char *name, uint64_t interval_ns)
{
	uint64_t next_ns = task_now_ns(task) + interval_ns;
	int error = 0;

	while (error == 0) {
		error = task_sleep_until(task, next_ns);
		if (error != 0) {
			return error;
		}
		error = kill_server(task, svrctl, name);
		if (error == 0 && interval_ns == 0) {
			return 0;
		}
		next_ns += error == 0 ? interval_ns : 10'000'000;
		error = error == -ERR_NOT_FOUND ? 0 : error;
	}
	return error;
}

/* Cut the text at the first colon; what is behind it, or NULL. */
static char *cut(char *text)
{
	char *colon = strchr(text, ':');

	if (colon == NULL) {
		return NULL;
	}
	*colon = '\0';
	return colon + 1;
}

static int obey(struct task *task, struct transport_client *svrctl, char *command)
{
	char *name = cut(command);

	if (str_equal(command, "list") && name == NULL) {
		return list_servers(task, svrctl);
	}
	if (!str_equal(command, "kill") || name == NULL) {
		return -ERR_ILLEGAL_ARGS;
	}
	char *number = cut(name);
	uint64_t interval_ms = 0;

	if (number != NULL && !parse_u64(number, 10, &interval_ms)) {
		return -ERR_ILLEGAL_ARGS;
	}
	return kill_servers(task, svrctl, name, min_u64(interval_ms, 1'000'000) * 1'000'000);
}

static int run(struct task *task, void *argument UNUSED)
{
	static const struct mbus_pair filter = { "class", "svrctl" };
	char command[64] = "";
	struct transport_client svrctl;
	hel_handle lane;

	helix_command_line_option("hati.runsvr", command, sizeof(command));
	int error = mbus_find(task, helix_start_handle("mbus"), &filter, 1, &lane);

	if (error == 0) {
		transport_client_init(&svrctl, lane, 0);
		error = obey(task, &svrctl, command);
	}
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s: %s", error == -ERR_ILLEGAL_ARGS ? usage : "svrctl",
			error_text(error));
	}
	loop_stop(&loop.loop);
	return 0;
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	static struct job job;
	int error = helix_loop_init(&loop, NULL);

	if (error != 0) {
		return 1;
	}
	job_init(&job, "run", run, NULL);
	job_submit(&loop.loop, &job);
	helix_loop_run(&loop);
	return 0;
}
