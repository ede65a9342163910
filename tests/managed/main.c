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
#include <abi/hel/start.h>
#include <base/assert.h>
#include <base/format.h>
#include <base/random.h>
#include <base/string.h>
#include <hel/hel-calls.h>
#include <hel/queue-client.h>

constexpr uint32_t USERS = 4;
constexpr uint32_t REQUESTS = 4; /* that the manager has in flight */
constexpr uint32_t STRETCH = 32; /* pages that are used one after the other */
constexpr uint64_t PAGES_MAX = 1u << 20;
constexpr size_t STACK_BYTES = 32 * 1024;
constexpr uint64_t BYSTANDER_PAGES = 64;
constexpr uint64_t PAUSE_NS = 1'000'000;
constexpr uint64_t STUCK_NS = 600'000'000'000;
constexpr uint64_t AFTER_NS = 200'000'000; /* that the bystander has to go on for */
constexpr int64_t SLACK_BYTES = 4 * 1024 * 1024; /* what caches hold */

/* The first and the last words of a page. */
struct stamp {
	uint64_t index, version;
};

static struct user {
	hel_handle thread;
	struct random random;
	_Atomic uint64_t n_operations;
	_Atomic bool is_over; /* all operations are done; it goes on until it faults */
	_Alignas(16) uint8_t stack[STACK_BYTES];
} users[USERS];

static struct manager {
	hel_handle thread, universe;
	hel_handle backing; /* in its universe */
	uint8_t *pages; /* the backing, mapped */
	struct random random;
	_Atomic uint64_t n_reads, n_writes;
	_Alignas(16) uint8_t stack[STACK_BYTES];
} manager;

static struct {
	hel_handle thread;
	_Atomic uint64_t n_rounds;
	_Atomic bool must_end, has_ended;
	_Alignas(16) uint8_t stack[STACK_BYTES];
} bystander;

static const struct hel_start *start_page;
static hel_handle log_authority, authority;
static uint64_t n_operations_wanted = 20'000, seed = 1, megabytes = 1024;
static uint64_t n_pages;
static struct hel_managed_handles handles;
static uint8_t *frontal;
static uint32_t versions[PAGES_MAX]; /* what users have written last; the owner's */
static uint32_t disk[PAGES_MAX]; /* what was written back; the manager's */
static _Atomic uint64_t n_wrong;

__asm__(".text\n"
	".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %rsp\n"
	"	call managed_main\n"
	"	ud2\n");

static PRINTF_LIKE(1, 2) void managed_print(const char *format, ...)
{
	char line[HEL_LOG_MAX];
	va_list arguments;

	va_start(arguments, format);
	size_t size = vformat_to(line, sizeof(line), format, arguments);

	va_end(arguments);
	hel_log(log_authority, HEL_LOG_INFO, line, min_size(size, sizeof(line) - 1));
}

NORETURN void assert_fail(const char *file, int line, const char *expression)
{
	managed_print("managed: not ok start: %s:%d: assertion failed: %s", file, line, expression);
	hel_thread_exit();
}

static uint64_t now_ns(void)
{
	uint64_t time_ns = 0;

	(void)hel_clock_get(&time_ns);
	return time_ns;
}

static void pause_for(uint64_t duration_ns)
{
	static const uint32_t never = 0;

	(void)hel_futex_wait(&never, 0, now_ns() + duration_ns, ~0u);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static struct stamp *stamp_head(uint8_t *pages, uint64_t index)
{
	return (struct stamp *)(pages + index * HEL_PAGE_SIZE);
}

static struct stamp *stamp_tail(uint8_t *pages, uint64_t index)
{
	return (struct stamp *)(pages + (index + 1) * HEL_PAGE_SIZE) - 1;
}

static void page_stamp(uint8_t *pages, uint64_t index, uint32_t version)
{
	*stamp_head(pages, index) = (struct stamp){ index, version };
	*stamp_tail(pages, index) = (struct stamp){ index, version };
}

static void page_check(uint64_t index)
{
	const struct stamp *head = stamp_head(frontal, index);
	const struct stamp *tail = stamp_tail(frontal, index);

	if (head->index != index || tail->index != index || head->version != versions[index] ||
		tail->version != versions[index]) {
		n_wrong++;
	}
}

/* ---- the manager ----------------------------------------------------------------------------- */

static void manager_submit(struct hel_queue_client *queue)
{
	struct hel_manage_record *record =
		hel_queue_reserve(queue, HEL_SUBMIT_MANAGE, sizeof(*record), 1);

	record->backing = manager.backing;
	hel_queue_commit(queue);
}

static void manager_answer(const struct hel_manage_result *request)
{
	uint64_t first = request->offset / HEL_PAGE_SIZE;
	uint64_t end = first + request->length / HEL_PAGE_SIZE;
	bool is_read = request->kind == HEL_MANAGE_INITIALISE;

	if (random_chance(&manager.random, 16)) {
		pause_for(random_below(&manager.random, 3'000'000));
	}
	for (uint64_t i = first; i < end; i++) {
		if (is_read) {
			page_stamp(manager.pages, i, disk[i]);
		} else {
			/* Its owner may be writing it: then it comes again. */
			disk[i] = (uint32_t)stamp_tail(manager.pages, i)->version;
		}
	}
	*(is_read ? &manager.n_reads : &manager.n_writes) += 1;
	/* Out of memory: the page cache is about to make room. */
	while (hel_memory_update(manager.backing,
		       is_read ? HEL_UPDATE_INITIALISED : HEL_UPDATE_WRITTEN_BACK, request->offset,
		       request->length, 0) == -ERR_NO_MEMORY) {
		pause_for(PAUSE_NS);
	}
}

static NORETURN void manager_main(struct hel_queue_client *queue)
{
	for (uint32_t i = 0; i < REQUESTS; i++) {
		manager_submit(queue);
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
				manager_answer(&request);
				manager_submit(queue);
			}
		}
	}
}

/* ---- users ----------------------------------------------------------------------------------- */

static void user_use(struct user *user, uint64_t index)
{
	page_check(index);
	if (random_chance(&user->random, 3)) {
		versions[index]++;
		page_stamp(frontal, index, versions[index]);
	}
}

static NORETURN void user_main(struct user *user)
{
	uint64_t number = (uint64_t)(user - users);
	uint64_t n_own = n_pages / USERS;

	for (;;) {
		uint64_t at = random_below(&user->random, n_own);
		uint64_t n = random_chance(&user->random, 8) ? STRETCH : 1;

		for (uint64_t i = 0; i < n && at + i < n_own; i++) {
			user_use(user, (at + i) * USERS + number);
			user->n_operations++;
		}
		if (user->n_operations >= n_operations_wanted / USERS) {
			user->is_over = true;
		}
	}
}

/* ---- the bystander --------------------------------------------------------------------------- */

static NORETURN void bystander_main(UNUSED void *context)
{
	while (!bystander.must_end) {
		struct hel_map_args args = {
			.space = HEL_THIS,
			.size_bytes = BYSTANDER_PAGES * HEL_PAGE_SIZE,
			.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FORK_COPY,
		};
		uint64_t address;

		if (hel_space_map(&args, &address) == 0) {
			for (uint64_t i = 0; i < BYSTANDER_PAGES; i++) {
				*(volatile uint64_t *)(address + i * HEL_PAGE_SIZE) = i;
			}
			(void)hel_space_unmap(HEL_THIS, address, args.size_bytes);
			bystander.n_rounds++;
		}
		pause_for(PAUSE_NS);
	}
	bystander.has_ended = true;
	hel_thread_exit();
}

/* ---- making it all --------------------------------------------------------------------------- */

static hel_handle find_handle(const char *name)
{
	for (uint32_t i = 0; i < start_page->n_handles; i++) {
		if (str_equal(start_page->handles[i].name, name)) {
			return start_page->handles[i].handle;
		}
	}
	return HEL_NULL;
}

/* The number behind @name in the command line, if it is there. */
static void find_number(const char *name, uint64_t *out_number)
{
	const char *text = (const char *)start_page->command_line;
	size_t length = strlen(name);

	for (; text != NULL && *text != 0; text++) {
		if (memcmp(text, name, min_size(length, strlen(text))) == 0 &&
			strlen(text) > length && text[length] == '=') {
			*out_number = 0;
			for (text += length + 1; *text >= '0' && *text <= '9'; text++) {
				*out_number = *out_number * 10 + (uint64_t)(*text - '0');
			}
			return;
		}
	}
}

static void report(const char *name, uint64_t n, const char *what)
{
	if (n == 0) {
		managed_print("managed: ok %s", name);
	} else {
		managed_print("managed: not ok %s: %llu %s", name, (unsigned long long)n, what);
	}
}

static hel_handle start_thread(
	hel_handle universe, void (*run)(void *context), void *context, uint8_t *stack)
{
	struct hel_thread_args args = {
		.universe = universe,
		.space = HEL_THIS,
		.ip = (uint64_t)run,
		.sp = (uint64_t)stack + STACK_BYTES - 8,
		.argument = (uint64_t)context,
	};
	hel_handle thread = HEL_NULL;

	if (hel_thread_create(&args, &thread) != 0 || hel_thread_start(thread) != 0) {
		managed_print("managed: not ok start: a thread cannot be made");
		hel_thread_exit();
	}
	return thread;
}

static bool map(hel_handle memory, uint64_t size_bytes, void **out_pointer)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
		.size_bytes = size_bytes,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;

	if (hel_space_map(&args, &address) != 0) {
		return false;
	}
	*out_pointer = (void *)address;
	return true;
}

static bool make_queue(struct hel_queue_client *client)
{
	struct hel_queue_params params = {
		.n_chunks = 4,
		.chunk_size = 4096,
		.submit_size = 4096,
	};
	hel_handle handle;
	void *memory;

	if (hel_queue_create(&params, &handle) != 0 ||
		!map(handle, hel_queue_memory_size(&params), &memory)) {
		return false;
	}
	hel_queue_client_init(client, handle, memory, &params);
	return true;
}

static void drop_queue(struct hel_queue_client *client)
{
	(void)hel_space_unmap(
		HEL_THIS, (uint64_t)client->header, hel_queue_memory_size(&client->params));
	(void)hel_close(HEL_THIS, client->handle);
}

/* Object, mappings, and a universe with nothing but the manager's queue and the backing. */
static bool make_manager(struct hel_queue_client *queue)
{
	struct hel_managed_handles made;

	if (hel_memory_create_managed(n_pages * HEL_PAGE_SIZE, 0, &made) != 0 ||
		!map(made.frontal, n_pages * HEL_PAGE_SIZE, (void **)&frontal) ||
		!map(made.backing, n_pages * HEL_PAGE_SIZE, (void **)&manager.pages) ||
		hel_universe_create(&manager.universe) != 0 ||
		hel_transfer(HEL_THIS, made.backing, manager.universe, 0, &manager.backing) != 0 ||
		hel_close(HEL_THIS, made.backing) != 0 || !make_queue(queue)) {
		return false;
	}
	hel_handle own = queue->handle;

	if (hel_transfer(HEL_THIS, own, manager.universe, 0, &queue->handle) != 0 ||
		hel_close(HEL_THIS, own) != 0) {
		return false;
	}
	handles = made;
	random_init(&manager.random, seed);
	manager.thread = start_thread(
		manager.universe, (void (*)(void *))manager_main, queue, manager.stack);
	/* Now it lives as long as its thread. */
	return hel_close(HEL_THIS, manager.universe) == 0;
}

/* ---- the course of it ------------------------------------------------------------------------ */

static bool all_users_are_over(void)
{
	bool are_over = true;

	for (uint32_t i = 0; i < USERS; i++) {
		are_over = are_over && users[i].is_over;
	}
	return are_over;
}

static void run_users(void)
{
	uint64_t deadline_ns = now_ns() + STUCK_NS;

	for (uint32_t i = 0; i < USERS; i++) {
		random_init(&users[i].random, seed * 1'000'003 + i);
		users[i].thread = start_thread(
			HEL_THIS, (void (*)(void *))user_main, &users[i], users[i].stack);
	}
	while (!all_users_are_over() && now_ns() < deadline_ns) {
		pause_for(PAUSE_NS);
	}
	uint64_t n_operations = 0;

	for (uint32_t i = 0; i < USERS; i++) {
		n_operations += users[i].n_operations;
	}
	managed_print("managed: %llu operations, %llu requests to read, %llu to write",
		(unsigned long long)n_operations, (unsigned long long)manager.n_reads,
		(unsigned long long)manager.n_writes);
	report("users_go_on", !all_users_are_over(), "is stuck");
}

/* Wait for the next observation of a thread; its reason if it is a fault, else 0. */
static int observe_fault(struct hel_queue_client *queue, hel_handle thread)
{
	struct hel_observe_record *record =
		hel_queue_reserve(queue, HEL_SUBMIT_OBSERVE, sizeof(*record), 2);
	const struct hel_element *element;
	int reason = 0;

	record->thread = thread;
	record->sequence = 0;
	hel_queue_commit(queue);
	uint64_t deadline_ns = now_ns() + STUCK_NS / 10;

	while ((element = hel_queue_take(queue)) == NULL) {
		if (hel_drive(queue->handle, HEL_DRIVE_WAIT, queue->n_taken, deadline_ns, NULL) ==
			-ERR_TIMED_OUT) {
			return 0;
		}
	}
	const struct hel_observe_result *result = (const void *)(element + 1);

	if (element->error == 0 && result->observation == HEL_OBSERVE_FAULT) {
		reason = result->reason;
	}
	hel_queue_release(queue, element);
	return reason;
}

static void kill_manager(void)
{
	struct hel_queue_client queue;
	uint64_t n_without_fault = 0;

	if (!make_queue(&queue)) {
		managed_print("managed: not ok kill: no queue");
		return;
	}
	(void)hel_thread_kill(manager.thread);
	for (uint32_t i = 0; i < USERS; i++) {
		n_without_fault += observe_fault(&queue, users[i].thread) != -ERR_IO;
		(void)hel_thread_kill(users[i].thread);
		(void)hel_close(HEL_THIS, users[i].thread);
	}
	report("users_of_a_dead_manager_fault", n_without_fault, "do not");
	(void)hel_close(HEL_THIS, manager.thread);
	drop_queue(&queue);
}

static void end_bystander(void)
{
	uint64_t n_rounds = bystander.n_rounds;

	pause_for(AFTER_NS);
	report("others_do_not_notice", bystander.n_rounds == n_rounds, "stands still");
	bystander.must_end = true;
	while (!bystander.has_ended) {
		pause_for(PAUSE_NS);
	}
	(void)hel_close(HEL_THIS, bystander.thread);
}

static int64_t free_bytes(void)
{
	struct hel_kernel_stats stats = {};

	/* What was given up is freed on other CPUs, too, a little later. */
	pause_for(AFTER_NS);
	(void)!hel_kernel_stats(authority, &stats);
	return (int64_t)stats.memory_free_bytes;
}

static void run_all(void)
{
	struct hel_queue_client queue;
	int64_t free_before = free_bytes();

	bystander.thread = start_thread(HEL_THIS, bystander_main, NULL, bystander.stack);
	if (!make_manager(&queue)) {
		managed_print("managed: not ok start: no managed memory");
		return;
	}
	run_users();
	report("every_page_is_right", n_wrong, "pages are wrong");
	kill_manager();
	end_bystander();
	(void)hel_space_unmap(HEL_THIS, (uint64_t)frontal, n_pages * HEL_PAGE_SIZE);
	(void)hel_space_unmap(HEL_THIS, (uint64_t)manager.pages, n_pages * HEL_PAGE_SIZE);
	(void)hel_close(HEL_THIS, handles.frontal);
	(void)hel_space_unmap(
		HEL_THIS, (uint64_t)queue.header, hel_queue_memory_size(&queue.params));
	/* The tables of this test stay: they were touched at random. */
	int64_t n_lost = free_before - free_bytes() - (int64_t)(sizeof(versions) + sizeof(disk));

	report("memory_is_back", n_lost > SLACK_BYTES ? (uint64_t)n_lost : 0, "bytes are lost");
}

NORETURN __attribute__((used)) void managed_main(const struct hel_start *start);

NORETURN void managed_main(const struct hel_start *start)
{
	start_page = start;
	authority = find_handle("authority");
	log_authority = find_handle("log");
	find_number("managed.operations", &n_operations_wanted);
	find_number("managed.seed", &seed);
	find_number("managed.megabytes", &megabytes);
	n_pages = min_u64(megabytes * (MIB(1) / HEL_PAGE_SIZE), PAGES_MAX);
	managed_print("managed: seed %llu, %llu MiB, %llu operations", (unsigned long long)seed,
		(unsigned long long)megabytes, (unsigned long long)n_operations_wanted);
	run_all();
	managed_print("managed: done");
	hel_thread_exit();
}
