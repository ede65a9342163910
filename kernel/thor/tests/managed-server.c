/* SPDX-License-Identifier: MIT */
/* A manager of managed memory for tests: see managed-server.h. */
#include "managed-server.h"

#include <base/string.h>

struct managed_server server;

uint64_t server_word(uint64_t index)
{
	return 0xd15c'0000'0000'0000 + index;
}

void server_begin(uint64_t n_pages)
{
	struct hel_managed_handles handles;

	CHECK(n_pages <= DISK_PAGES_MAX);
	memset(&server, 0, sizeof(server));
	CHECK_OK(hel_memory_create_managed(n_pages * HEL_PAGE_SIZE, 0, &handles));
	server.handles = handles;
	server.n_pages = n_pages;
	for (uint64_t i = 0; i < n_pages; i++) {
		server.disk[i] = server_word(i);
	}
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = handles.frontal,
		.size_bytes = n_pages * HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;

	CHECK_OK(hel_space_map(&args, &address));
	server.frontal_address = address;
}

/* The words of a run go over a buffer: hel_memory_write() and _read() take user memory. */
static void server_fill(uint64_t first, uint64_t end)
{
	for (uint64_t i = first; i < end; i++) {
		uint64_t words[2] = { server.disk[i], ~server.disk[i] };

		CHECK_OK(hel_memory_write(
			server.handles.backing, i * HEL_PAGE_SIZE, words, sizeof(words)));
	}
}

static void server_store(uint64_t first, uint64_t end)
{
	for (uint64_t i = first; i < end; i++) {
		uint64_t word;

		CHECK_OK(hel_memory_read(
			server.handles.backing, i * HEL_PAGE_SIZE, &word, sizeof(word)));
		server.disk[i] = word;
	}
}

static void server_answer(const struct hel_manage_result *request)
{
	uint64_t first = request->offset / HEL_PAGE_SIZE;
	uint64_t n_pages = request->length / HEL_PAGE_SIZE;
	bool is_read = request->kind == HEL_MANAGE_INITIALISE;
	bool fails = is_read ? server.fails_reads : server.fails_writes;

	CHECK(n_pages > 0);
	CHECK(first + n_pages <= server.n_pages);
	*(is_read ? &server.n_reads : &server.n_writes) += 1;
	*(is_read ? &server.n_pages_read : &server.n_pages_written) += n_pages;
	if (is_read) {
		server.longest_read = max_u64(server.longest_read, n_pages);
	}
	if (server.is_stuck) {
		return;
	}
	if (server.delay_ns > 0) {
		sim_compute(server.delay_ns);
	}
	if (!fails && is_read) {
		server_fill(first, first + n_pages);
	} else if (!fails) {
		server_store(first, first + n_pages);
	}
	enum hel_update kind = is_read
		? (fails ? HEL_UPDATE_INITIALISE_FAILED : HEL_UPDATE_INITIALISED)
		: (fails ? HEL_UPDATE_WRITE_BACK_FAILED : HEL_UPDATE_WRITTEN_BACK);

	CHECK_OK(hel_memory_update(server.handles.backing, kind, request->offset, request->length,
		fails ? -ERR_IO : 0));
}

bool server_do(struct user_queue *queue, uint64_t wait_ns)
{
	struct completion completion;
	uint64_t deadline_ns = sim_time_ns + wait_ns;
	uint64_t context = submit_manage(queue, server.handles.backing);

	(void)queue_drive(queue);
	while (!queue_take(queue, &completion)) {
		if (hel_drive(queue->client.handle, HEL_DRIVE_WAIT, queue->client.n_taken,
			    deadline_ns, NULL) == -ERR_TIMED_OUT) {
			submit_cancel(queue, context);
			(void)queue_drive(queue);
			deadline_ns = HEL_DEADLINE_NEVER;
		}
	}
	CHECK_EQ(completion.context, context);
	if (completion.error != 0) {
		CHECK_EQ(completion.error, -ERR_CANCELLED);
		return false;
	}
	server_answer(completion_request(&completion));
	return true;
}

static void server_main(UNUSED void *context)
{
	struct user_queue queue;

	CHECK_OK(queue_open(&queue, 8, 8192, 4096));
	while (!server.is_over) {
		(void)server_do(&queue, 10'000'000);
	}
	queue_close(&queue);
}

void server_start(void)
{
	server.is_over = false;
	server.thread = user_start(server_main, NULL);
	CHECK(server.thread != HEL_NULL);
}

void server_end(void)
{
	server.is_over = true;
	CHECK_OK(hel_space_unmap(HEL_THIS, server.frontal_address, server.n_pages * HEL_PAGE_SIZE));
	if (server.thread != HEL_NULL) {
		sim_compute(100'000'000);
	}
	(void)hel_close(HEL_THIS, server.handles.frontal);
	(void)hel_close(HEL_THIS, server.handles.backing);
}

uint64_t server_read(uint64_t index)
{
	uint64_t word;

	sim_load(&word, server.frontal_address + index * HEL_PAGE_SIZE, sizeof(word));
	return word;
}

void server_write(uint64_t index, uint64_t word)
{
	sim_store(server.frontal_address + index * HEL_PAGE_SIZE, &word, sizeof(word));
}

int fault_of(struct user_queue *queue, void (*main)(void *context), void *context)
{
	struct completion completion;
	hel_handle thread = user_start(main, context);
	int reason = 0;

	CHECK(thread != HEL_NULL);
	CHECK(queue_await(queue, submit_observe(queue, thread, 0), &completion));
	const struct hel_observe_result *result = completion_observation(&completion);

	if (result->observation == HEL_OBSERVE_FAULT) {
		reason = result->reason;
		(void)hel_thread_kill(thread);
	}
	(void)hel_close(HEL_THIS, thread);
	return reason;
}
