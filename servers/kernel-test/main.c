/* SPDX-License-Identifier: MIT */
/* Runs all cases and says in the log how each went; the test runner of the host reads that. */
#include "kernel-test.h"

#include <base/string.h>
#include <helix/log.h>
#include <helix/start.h>

#define STACK_SIZE (64 * 1024)

static struct hel_queue_client queue;
static const char *case_name;
static bool case_has_failed;

void ktest_fail(const char *file, int line, const char *text, int64_t value)
{
	case_has_failed = true;
	helix_log(HEL_LOG_ERROR, "not ok %s: %s:%d: %s (value %lld)", case_name, file, line, text,
		(long long)value);
}

uint64_t ktest_now(void)
{
	uint64_t now_ns = 0;

	hel_clock_get(&now_ns);
	return now_ns;
}

struct hel_queue_client *ktest_queue(void)
{
	return &queue;
}

void *ktest_map(hel_handle memory, uint64_t size_bytes, uint32_t flags)
{
	const struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.size_bytes = size_bytes,
		.flags = flags,
	};
	uint64_t address;

	return hel_space_map(&args, &address) == 0 ? (void *)address : NULL;
}

int ktest_queue_create(const struct hel_queue_params *params, struct hel_queue_client *out_client)
{
	hel_handle handle;
	int error = hel_queue_create(params, &handle);

	if (error != 0) {
		return error;
	}
	void *memory =
		ktest_map(handle, hel_queue_memory_size(params), HEL_MAP_READ | HEL_MAP_WRITE);

	if (memory == NULL) {
		hel_close(HEL_THIS, handle);
		return -ERR_NO_SPACE;
	}
	hel_queue_client_init(out_client, handle, memory, params);
	return 0;
}

void ktest_queue_destroy(struct hel_queue_client *client)
{
	hel_close(HEL_THIS, client->handle);
	hel_space_unmap(
		HEL_THIS, (uint64_t)client->header, hel_queue_memory_size(&client->params));
}

const struct hel_element *ktest_wait(struct hel_queue_client *client, uint64_t timeout_ns)
{
	uint64_t deadline_ns = ktest_now() + timeout_ns;

	for (;;) {
		const struct hel_element *element = hel_queue_take(client);

		if (element != NULL) {
			return element;
		}
		if (hel_drive(client->handle, HEL_DRIVE_WAIT, client->n_taken, deadline_ns, NULL) !=
			0) {
			return hel_queue_take(client);
		}
	}
}

int ktest_submit(struct hel_queue_client *client, uint32_t opcode, uint64_t context,
	const void *body, uint32_t body_size)
{
	struct hel_record *record = hel_queue_reserve(
		client, opcode, (uint32_t)sizeof(struct hel_record) + body_size, context);

	if (record == NULL) {
		return -ERR_AGAIN;
	}
	memcpy(record + 1, body, body_size);
	hel_queue_commit(client);
	return hel_drive(client->handle, 0, 0, 0, NULL);
}

int ktest_exchange(hel_handle lane, uint64_t context, const struct hel_action *actions,
	uint32_t n_actions)
{
	struct {
		hel_handle lane;
		uint32_t n_actions;
		uint32_t reserved;
		struct hel_action actions[HEL_ACTIONS_MAX];
	} body = { .lane = lane, .n_actions = n_actions };

	memcpy(body.actions, actions, n_actions * sizeof(*actions));
	return ktest_submit(&queue, HEL_SUBMIT_EXCHANGE, context, &body,
		(uint32_t)(16 + n_actions * sizeof(*actions)));
}

int ktest_thread_create(void (*run)(void *), void *argument, hel_handle *out_thread)
{
	uint8_t *stack = ktest_map(HEL_NULL, STACK_SIZE, HEL_MAP_READ | HEL_MAP_WRITE);
	struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = HEL_THIS,
		.ip = (uint64_t)run,
		.sp = (uint64_t)stack + STACK_SIZE - 8,
		.argument = (uint64_t)argument,
	};

	return stack == NULL ? -ERR_NO_MEMORY : hel_thread_create(&args, out_thread);
}

/* What a failed case has left in the queue must not confuse the next one. */
static void drain_queue(void)
{
	const struct hel_element *element;

	hel_drive(queue.handle, 0, 0, 0, NULL);
	while ((element = hel_queue_take(&queue)) != NULL) {
		hel_queue_release(&queue, element);
	}
}

static void run_cases(const struct ktest_case *cases)
{
	for (; cases->name != NULL; cases++) {
		case_name = cases->name;
		case_has_failed = false;
		drain_queue();
		cases->run();
		if (!case_has_failed) {
			helix_log(HEL_LOG_INFO, "ok %s", case_name);
		}
	}
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	static const struct ktest_case *const suites[] = {
		descriptor_cases,
		memory_cases,
		space_cases,
		event_cases,
		stream_cases,
		thread_cases,
	};
	const struct hel_queue_params params = {
		.n_chunks = 4,
		.chunk_size = 16384,
		.submit_size = 8192,
	};

	if (ktest_queue_create(&params, &queue) != 0) {
		helix_log(HEL_LOG_ERROR, "not ok queue_create: no queue");
	} else {
		for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
			run_cases(suites[i]);
		}
	}
	helix_log(HEL_LOG_INFO, "done");
	return 0;
}
