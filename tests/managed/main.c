/* SPDX-License-Identifier: MIT */
/*
 * Managed memory under pressure: a manager backs an object that is larger than the machine's
 * memory, users read and write it, and then the manager is killed.
 *
 *	hati.test=managed managed.operations=20000 managed.seed=7 managed.megabytes=1024
 *
 * on the kernel's command line. Each user owns every USERS-th page, so it knows what must be
 * there: a page holds its index and the number of the write that made it, at both ends. It reads
 * and writes pages at random and in stretches, and checks each page it reads. The manager has a
 * universe of its own; it keeps for each page what was written back, has several requests in flight
 * and is slow at random. A bystander maps, touches and unmaps memory of its own all the time.
 *
 * Checks: no page is ever wrong; when the manager is killed every user gets a fault with ERR_IO and
 * nothing else; the bystander goes on; and all memory comes back. The result is in the log:
 * `managed: ok NAME`, `managed: not ok NAME: why`, and in the end `managed: done`.
 */
#include <tests/native/memory-server.h>

constexpr uint32_t USERS = 4;
constexpr uint32_t REQUESTS = 4; /* that the manager has in flight */
constexpr uint32_t STRETCH = 32; /* pages that are used one after the other */
constexpr uint64_t PAGES_MAX = 1u << 20;
constexpr uint64_t BYSTANDER_PAGES = 64;
constexpr uint64_t STUCK_NS = 600'000'000'000;
constexpr uint64_t GIVEN_BACK_NS = 60'000'000'000;
constexpr uint64_t AFTER_NS = 200'000'000; /* that the bystander has to go on for */
constexpr int64_t SLACK_BYTES = 4 * 1024 * 1024; /* what caches hold */

/* The first and the last words of a page. */
struct stamp {
	uint64_t index, version;
};

const char native_name[] = "managed";

static struct memory_user users[USERS];
static _Atomic uint64_t n_operations;

static struct {
	hel_handle thread;
	_Atomic uint64_t n_rounds;
	_Atomic bool must_end, has_ended;
	struct native_stack stack;
} bystander;

static uint64_t n_operations_wanted = 20'000, seed = 1, megabytes = 1024;
static uint64_t n_pages;
static hel_handle frontal_handle;
static uint8_t *frontal;
static uint32_t versions[PAGES_MAX]; /* what users have written last; the owner's */
static uint32_t disk[PAGES_MAX]; /* what was written back; the manager's */
static _Atomic uint64_t n_wrong;

/* ---- pages ----------------------------------------------------------------------------------- */

static struct stamp *stamp_tail(void *page)
{
	return (struct stamp *)((uint8_t *)page + HEL_PAGE_SIZE) - 1;
}

static void page_stamp(void *page, uint64_t index, uint32_t version)
{
	*(struct stamp *)page = (struct stamp){ index, version };
	*stamp_tail(page) = (struct stamp){ index, version };
}

static void page_check(void *page, uint64_t index)
{
	const struct stamp *head = page;
	const struct stamp *tail = stamp_tail(page);

	if (head->index != index || tail->index != index || head->version != versions[index] ||
		tail->version != versions[index]) {
		n_wrong++;
	}
}

/* ---- the manager ----------------------------------------------------------------------------- */

static void bring_page(uint64_t index, void *page)
{
	page_stamp(page, index, disk[index]);
}

/* Its owner may be writing it: then it comes again. */
static void store_page(uint64_t index, void *page)
{
	disk[index] = (uint32_t)stamp_tail(page)->version;
}

static struct memory_server manager = {
	.n_requests = REQUESTS,
	.bring = bring_page,
	.store = store_page,
};

static bool make_manager(void)
{
	struct hel_managed_handles made;

	if (hel_memory_create_managed(n_pages * HEL_PAGE_SIZE, 0, &made) != 0 ||
		!native_map(made.frontal, n_pages * HEL_PAGE_SIZE, 0, (void **)&frontal)) {
		return false;
	}
	frontal_handle = made.frontal;
	manager.n_pages = n_pages;
	return memory_server_start(&manager, made.backing, seed);
}

/* ---- users ----------------------------------------------------------------------------------- */

static void user_use(struct memory_user *user, uint64_t index)
{
	void *page = frontal + index * HEL_PAGE_SIZE;

	page_check(page, index);
	if (random_chance(&user->random, 3)) {
		versions[index]++;
		page_stamp(page, index, versions[index]);
	}
}

/* All operations are done after a while; it goes on until it faults. */
static NORETURN void user_main(struct memory_user *user)
{
	uint64_t n_own = n_pages / USERS;
	uint64_t n_done = 0;

	for (;;) {
		uint64_t at = random_below(&user->random, n_own);
		uint64_t n = random_chance(&user->random, 8) ? STRETCH : 1;

		for (uint64_t i = 0; i < n && at + i < n_own; i++) {
			user_use(user, (at + i) * USERS + user->number);
			n_done++;
			n_operations++;
		}
		if (n_done >= n_operations_wanted / USERS) {
			user->is_over = true;
		}
	}
}

/* ---- the bystander --------------------------------------------------------------------------- */

static NORETURN void bystander_main(UNUSED void *context)
{
	while (!bystander.must_end) {
		uint8_t *pages;

		if (native_map(HEL_NULL, BYSTANDER_PAGES * HEL_PAGE_SIZE, HEL_MAP_FORK_COPY,
			    (void **)&pages)) {
			for (uint64_t i = 0; i < BYSTANDER_PAGES; i++) {
				*(volatile uint64_t *)(pages + i * HEL_PAGE_SIZE) = i;
			}
			(void)hel_space_unmap(
				HEL_THIS, (uint64_t)pages, BYSTANDER_PAGES * HEL_PAGE_SIZE);
			bystander.n_rounds++;
		}
		native_pause(NATIVE_PAUSE_NS);
	}
	bystander.has_ended = true;
	hel_thread_exit();
}

/* ---- the course of it ------------------------------------------------------------------------ */

static void run_users(void)
{
	memory_users_start(users, USERS, user_main, seed);
	uint64_t n_stuck = memory_users_await(users, USERS, STUCK_NS);

	native_print("%llu operations, %llu requests to read, %llu to write",
		(unsigned long long)n_operations, (unsigned long long)manager.n_reads,
		(unsigned long long)manager.n_writes);
	native_report("users_go_on", n_stuck, "are stuck");
}

static void kill_manager(void)
{
	struct hel_queue_client queue;
	uint64_t n_without_fault = 0;

	if (!native_make_queue(&queue)) {
		native_print("not ok kill: no queue");
		return;
	}
	memory_server_kill(&manager);
	for (uint32_t i = 0; i < USERS; i++) {
		n_without_fault += native_await_fault(&queue, users[i].thread,
					   native_now_ns() + STUCK_NS / 10) != -ERR_IO;
	}
	memory_users_end(users, USERS);
	native_report("users_of_a_dead_manager_fault", n_without_fault, "do not");
	native_drop_queue(&queue);
}

static void end_bystander(void)
{
	uint64_t n_rounds = bystander.n_rounds;

	native_pause(AFTER_NS);
	native_report("others_do_not_notice", bystander.n_rounds == n_rounds, "stands still");
	bystander.must_end = true;
	while (!bystander.has_ended) {
		native_pause(NATIVE_PAUSE_NS);
	}
	(void)hel_close(HEL_THIS, bystander.thread);
}

static int64_t free_bytes(void)
{
	struct hel_kernel_stats stats = {};

	(void)!hel_kernel_stats(native_authority, &stats);
	return (int64_t)stats.memory_free_bytes;
}

static void check_free(int64_t free_before)
{
	/* The tables of this test stay: they were touched at random. */
	int64_t free_min = free_before - (int64_t)(sizeof(versions) + sizeof(disk)) - SLACK_BYTES;
	uint64_t deadline_ns = native_now_ns() + GIVEN_BACK_NS;

	/* What was given up is freed in slices, and on other CPUs. */
	while (free_bytes() < free_min && native_now_ns() < deadline_ns) {
		native_pause(NATIVE_PAUSE_NS);
	}
	int64_t n_lost = free_min - free_bytes();

	native_report("memory_is_back", n_lost > 0 ? (uint64_t)n_lost : 0, "bytes are lost");
}

static void run_all(void)
{
	int64_t free_before = free_bytes();

	bystander.thread = native_start_thread(HEL_THIS, bystander_main, NULL, &bystander.stack);
	if (!make_manager()) {
		native_print("not ok start: no managed memory");
		return;
	}
	run_users();
	native_report("every_page_is_right", n_wrong, "pages are wrong");
	kill_manager();
	end_bystander();
	(void)hel_space_unmap(HEL_THIS, (uint64_t)frontal, n_pages * HEL_PAGE_SIZE);
	(void)hel_close(HEL_THIS, frontal_handle);
	memory_server_unmap(&manager);
	check_free(free_before);
}

void native_main(void)
{
	native_find_number("operations", &n_operations_wanted);
	native_find_number("seed", &seed);
	native_find_number("megabytes", &megabytes);
	n_pages = min_u64(megabytes * (MIB(1) / HEL_PAGE_SIZE), PAGES_MAX);
	native_print("seed %llu, %llu MiB, %llu operations", (unsigned long long)seed,
		(unsigned long long)megabytes, (unsigned long long)n_operations_wanted);
	native_await_program();
	run_all();
	native_print("done");
}
