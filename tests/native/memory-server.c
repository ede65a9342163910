/* SPDX-License-Identifier: MIT */
/* A server that backs memory, and its users: see memory-server.h. */
#include <tests/native/memory-server.h>

constexpr uint32_t SERVER_SLOW = 16; /* one request in so many waits */
constexpr uint64_t SERVER_SLOW_NS = 3'000'000; /* up to so long */

/* ---- the server ------------------------------------------------------------------------------ */

static void server_submit(struct memory_server *server)
{
	struct hel_manage_record *record =
		hel_queue_reserve(&server->queue, HEL_SUBMIT_MANAGE, sizeof(*record), 1);

	record->backing = server->backing;
	hel_queue_commit(&server->queue);
}

static void server_answer(struct memory_server *server, const struct hel_manage_result *request)
{
	uint64_t first = request->offset / HEL_PAGE_SIZE;
	uint64_t end = first + request->length / HEL_PAGE_SIZE;
	bool is_read = request->kind == HEL_MANAGE_INITIALISE;

	if (random_chance(&server->random, SERVER_SLOW)) {
		native_pause(random_below(&server->random, SERVER_SLOW_NS));
	}
	for (uint64_t i = first; i < end; i++) {
		void *page = (uint8_t *)server->pages + i * HEL_PAGE_SIZE;

		if (is_read) {
			server->bring(i, page);
		} else {
			server->store(i, page);
		}
	}
	*(is_read ? &server->n_reads : &server->n_writes) += 1;
	/* Out of memory: room is about to be made. */
	while (hel_memory_update(server->backing,
		       is_read ? HEL_UPDATE_INITIALISED : HEL_UPDATE_WRITTEN_BACK, request->offset,
		       request->length, 0) == -ERR_NO_MEMORY) {
		native_pause(NATIVE_PAUSE_NS);
	}
}

static NORETURN void server_main(void *context)
{
	struct memory_server *server = context;
	struct hel_queue_client *queue = &server->queue;

	for (uint32_t i = 0; i < server->n_requests; i++) {
		server_submit(server);
	}
	for (;;) {
		const struct hel_element *element;

		(void)hel_drive(
			queue->handle, HEL_DRIVE_WAIT, queue->n_taken, HEL_DEADLINE_NEVER, NULL);
		while ((element = hel_queue_take(queue)) != NULL) {
			struct hel_manage_result request =
				*(const struct hel_manage_result *)(element + 1);
			bool is_good = element->error == 0;

			hel_queue_release(queue, element);
			if (is_good) {
				server_answer(server, &request);
				server_submit(server);
			}
		}
	}
}

/* Put the only descriptor into the server's universe; *@handle is what it is there. */
static bool server_give(hel_handle universe, hel_handle *handle)
{
	hel_handle own = *handle;

	return hel_transfer(HEL_THIS, own, universe, 0, handle) == 0 &&
		hel_close(HEL_THIS, own) == 0;
}

bool memory_server_start(struct memory_server *server, hel_handle backing, uint64_t seed)
{
	hel_handle universe;

	server->backing = backing;
	if (!native_map(
		    backing, server->n_pages * HEL_PAGE_SIZE, HEL_MAP_FORK_DROP, &server->pages) ||
		!native_make_queue(&server->queue) || hel_universe_create(&universe) != 0 ||
		!server_give(universe, &server->backing) ||
		!server_give(universe, &server->queue.handle)) {
		return false;
	}
	random_init(&server->random, seed);
	server->thread = native_start_thread(universe, server_main, server, &server->stack);
	/* Now it lives as long as its thread. */
	return hel_close(HEL_THIS, universe) == 0;
}

void memory_server_kill(struct memory_server *server)
{
	(void)hel_thread_kill(server->thread);
	(void)hel_close(HEL_THIS, server->thread);
}

void memory_server_unmap(struct memory_server *server)
{
	(void)hel_space_unmap(HEL_THIS, (uint64_t)server->pages, server->n_pages * HEL_PAGE_SIZE);
	native_unmap_queue(&server->queue);
}

/* ---- users ----------------------------------------------------------------------------------- */

void memory_users_start(
	struct memory_user *users, uint32_t n, void (*run)(struct memory_user *user), uint64_t seed)
{
	for (uint32_t i = 0; i < n; i++) {
		users[i].number = i;
		users[i].is_over = false;
		random_init(&users[i].random, seed * 1'000'003 + i);
		users[i].thread = native_start_thread(
			HEL_THIS, (void (*)(void *))run, &users[i], &users[i].stack);
	}
}

static uint64_t users_count_busy(const struct memory_user *users, uint32_t n)
{
	uint64_t n_busy = 0;

	for (uint32_t i = 0; i < n; i++) {
		n_busy += !users[i].is_over;
	}
	return n_busy;
}

uint64_t memory_users_await(const struct memory_user *users, uint32_t n, uint64_t timeout_ns)
{
	uint64_t deadline_ns = native_now_ns() + timeout_ns;
	uint64_t n_busy;

	while ((n_busy = users_count_busy(users, n)) > 0 && native_now_ns() < deadline_ns) {
		native_pause(NATIVE_PAUSE_NS);
	}
	return n_busy;
}

void memory_users_end(const struct memory_user *users, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		(void)hel_thread_kill(users[i].thread);
		(void)hel_close(HEL_THIS, users[i].thread);
	}
}
