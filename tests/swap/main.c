/* SPDX-License-Identifier: MIT */
/*
 * Swappable memory in the guest: more of it than the machine has memory, a swap manager that is
 * slow at random, a fork, and the end of the manager.
 *
 *	hati.test=swap swap.operations=20000 swap.seed=7 swap.megabytes=68
 *
 * Each user owns every USERS-th page. A page is full of words that are made of its index and the
 * number of the write; all of them are checked by the user at each access, and by the manager when
 * it stores a page. (It keeps two words for each page and makes the others again.) A child that
 * shares all pages is checked against what they were when it was forked, after its parent has
 * changed them. When the manager has been killed each page is right, or lost and says so; what is
 * left can be used on, and so can new memory.
 *
 * The result is in the log: `swap: ok NAME`, `swap: not ok NAME: why`, and in the end `swap: done`.
 */
#include <abi/hel/start.h>
#include <base/assert.h>
#include <base/format.h>
#include <base/random.h>
#include <base/string.h>
#include <hel/hel-calls.h>
#include <hel/queue-client.h>

constexpr uint32_t USERS = 3;
constexpr uint32_t REQUESTS = 3; /* that the manager has in flight */
constexpr uint32_t WORDS = HEL_PAGE_SIZE / sizeof(uint64_t);
constexpr uint64_t PAGES_MAX = 1u << 16;
constexpr uint64_t SLOTS = 1u << 16;
constexpr size_t STACK_BYTES = 32 * 1024;
constexpr uint64_t PAUSE_NS = 1'000'000;
constexpr uint64_t STUCK_NS = 60'000'000'000;
constexpr uint64_t NEW_PAGES = 256; /* when the manager is gone */
constexpr uint64_t SLACK_PAGES = 256; /* page tables, reserves of accounts */
constexpr uint64_t SLACK_BYTES = 64 * 1024;

/* What a page is full of. Version 0: zeros. */
struct stamp {
	uint32_t index, version;
};

static struct user {
	hel_handle thread;
	struct random random;
	_Atomic bool is_over;
	_Alignas(16) uint8_t stack[STACK_BYTES];
} users[USERS];

static struct {
	hel_handle thread, universe;
	hel_handle backing; /* in its universe */
	uint64_t *slots; /* the backing, mapped */
	struct hel_queue_client queue;
	struct random random;
	_Atomic uint64_t n_reads, n_writes;
	_Alignas(16) uint8_t stack[STACK_BYTES];
} manager;

static const struct hel_start *start_page;
static hel_handle log_authority, authority;
static uint64_t n_operations_wanted = 20'000, seed = 1, megabytes = 68;
static uint64_t n_pages; /* a multiple of USERS */
static hel_handle memory_handle;
static uint64_t *memory; /* mapped */
static uint32_t versions[PAGES_MAX]; /* what users have written last; the owner's */
static uint32_t forked[PAGES_MAX]; /* the same when the child was made */
static struct stamp disk[SLOTS]; /* the manager's */
static bool is_lost[PAGES_MAX]; /* with the manager */
static _Atomic uint64_t n_wrong;

__asm__(".text\n"
	".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %rsp\n"
	"	call swap_main\n"
	"	ud2\n");

static PRINTF_LIKE(1, 2) void swap_print(const char *format, ...)
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
	swap_print("swap: not ok start: %s:%d: assertion failed: %s", file, line, expression);
	hel_thread_exit();
}

static void report(const char *name, uint64_t n, const char *what)
{
	if (n == 0) {
		swap_print("swap: ok %s", name);
	} else {
		swap_print("swap: not ok %s: %llu %s", name, (unsigned long long)n, what);
	}
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

static uint64_t word_of(struct stamp stamp, uint32_t at)
{
	uint64_t word = (uint64_t)stamp.version << 32 | stamp.index;

	if (stamp.version == 0) {
		return 0;
	}
	return at == 0 ? word : word * 0x9e37'79b9'7f4a'7c15 + at;
}

static void page_fill(uint64_t *page, struct stamp stamp)
{
	for (uint32_t i = 0; i < WORDS; i++) {
		page[i] = word_of(stamp, i);
	}
}

static struct stamp page_stamp(const uint64_t *page)
{
	return (struct stamp){ .index = (uint32_t)page[0], .version = (uint32_t)(page[0] >> 32) };
}

static bool page_is(const uint64_t *page, struct stamp stamp)
{
	for (uint32_t i = 0; i < WORDS; i++) {
		if (page[i] != word_of(stamp, i)) {
			return false;
		}
	}
	return true;
}

static struct stamp stamp_of(uint64_t index, uint32_t version)
{
	return (struct stamp){ .index = (uint32_t)index, .version = version };
}

/* ---- the manager ----------------------------------------------------------------------------- */

static void manager_submit(void)
{
	struct hel_manage_record *record =
		hel_queue_reserve(&manager.queue, HEL_SUBMIT_MANAGE, sizeof(*record), 1);

	record->backing = manager.backing;
	hel_queue_commit(&manager.queue);
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
		uint64_t *page = manager.slots + i * WORDS;

		if (is_read) {
			page_fill(page, disk[i]);
		} else {
			disk[i] = page_stamp(page);
			n_wrong += !page_is(page, disk[i]);
		}
	}
	*(is_read ? &manager.n_reads : &manager.n_writes) += 1;
	while (hel_memory_update(manager.backing,
		       is_read ? HEL_UPDATE_INITIALISED : HEL_UPDATE_WRITTEN_BACK, request->offset,
		       request->length, 0) == -ERR_NO_MEMORY) {
		pause_for(PAUSE_NS);
	}
}

static NORETURN void manager_main(UNUSED void *context)
{
	for (uint32_t i = 0; i < REQUESTS; i++) {
		manager_submit();
	}
	for (;;) {
		const struct hel_element *element;

		(void)hel_drive(manager.queue.handle, HEL_DRIVE_WAIT, manager.queue.n_taken,
			HEL_DEADLINE_NEVER, NULL);
		while ((element = hel_queue_take(&manager.queue)) != NULL) {
			struct hel_manage_result request =
				*(const struct hel_manage_result *)(element + 1);
			bool is_good = element->error == 0;

			hel_queue_release(&manager.queue, element);
			if (is_good) {
				manager_answer(&request);
				manager_submit();
			}
		}
	}
}

/* ---- users ----------------------------------------------------------------------------------- */

static void user_use(struct user *user, uint64_t index)
{
	uint64_t *page = memory + index * WORDS;

	n_wrong += !page_is(page, stamp_of(index, versions[index]));
	if (versions[index] == 0 || random_chance(&user->random, 3)) {
		versions[index]++;
		page_fill(page, stamp_of(index, versions[index]));
	}
}

static NORETURN void user_main(struct user *user)
{
	uint64_t number = (uint64_t)(user - users);
	uint64_t n_own = n_pages / USERS;

	for (uint64_t i = 0; i < n_own; i++) {
		user_use(user, i * USERS + number);
	}
	for (uint64_t i = 0; i < n_operations_wanted / USERS; i++) {
		user_use(user, random_below(&user->random, n_own) * USERS + number);
	}
	user->is_over = true;
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

static hel_handle make_thread(
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

	if (hel_thread_create(&args, &thread) != 0) {
		swap_print("swap: not ok start: a thread cannot be made");
		hel_thread_exit();
	}
	return thread;
}

static hel_handle start_thread(
	hel_handle universe, void (*run)(void *context), void *context, uint8_t *stack)
{
	hel_handle thread = make_thread(universe, run, context, stack);

	(void)hel_thread_start(thread);
	return thread;
}

static bool map(hel_handle handle, uint64_t size_bytes, uint32_t flags, void **out_pointer)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = handle,
		.size_bytes = size_bytes,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | flags,
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
	void *pointer;

	if (hel_queue_create(&params, &handle) != 0 ||
		!map(handle, hel_queue_memory_size(&params), HEL_MAP_FORK_DROP, &pointer)) {
		return false;
	}
	hel_queue_client_init(client, handle, pointer, &params);
	return true;
}

static void drop_mapping(const struct hel_queue_client *client)
{
	(void)hel_space_unmap(
		HEL_THIS, (uint64_t)client->header, hel_queue_memory_size(&client->params));
}

static void drop_queue(const struct hel_queue_client *client)
{
	drop_mapping(client);
	(void)hel_close(HEL_THIS, client->handle);
}

/* The swap space, and a universe with nothing but the manager's queue and the backing. */
static bool make_manager(void)
{
	hel_handle backing;

	if (hel_memory_create_swap(authority, SLOTS * HEL_PAGE_SIZE, &backing) != 0 ||
		!map(backing, SLOTS * HEL_PAGE_SIZE, HEL_MAP_FORK_DROP, (void **)&manager.slots) ||
		hel_universe_create(&manager.universe) != 0 ||
		hel_transfer(HEL_THIS, backing, manager.universe, 0, &manager.backing) != 0 ||
		hel_close(HEL_THIS, backing) != 0 || !make_queue(&manager.queue)) {
		return false;
	}
	hel_handle own = manager.queue.handle;

	if (hel_transfer(HEL_THIS, own, manager.universe, 0, &manager.queue.handle) != 0 ||
		hel_close(HEL_THIS, own) != 0) {
		return false;
	}
	random_init(&manager.random, seed);
	manager.thread = start_thread(manager.universe, manager_main, NULL, manager.stack);
	/* Now it lives as long as its thread. */
	return hel_close(HEL_THIS, manager.universe) == 0;
}

/* ---- the course of it ------------------------------------------------------------------------ */

static void run_users(const char *name)
{
	uint64_t deadline_ns = now_ns() + STUCK_NS;
	uint64_t n_stuck = 0;

	for (uint32_t i = 0; i < USERS; i++) {
		random_init(&users[i].random, seed * 1'000'003 + i);
		users[i].is_over = false;
		users[i].thread = start_thread(
			HEL_THIS, (void (*)(void *))user_main, &users[i], users[i].stack);
	}
	for (uint32_t i = 0; i < USERS; i++) {
		while (!users[i].is_over && now_ns() < deadline_ns) {
			pause_for(PAUSE_NS);
		}
		n_stuck += !users[i].is_over;
		(void)hel_thread_kill(users[i].thread);
		(void)hel_close(HEL_THIS, users[i].thread);
	}
	swap_print("swap: %llu requests to read, %llu to write",
		(unsigned long long)manager.n_reads, (unsigned long long)manager.n_writes);
	report(name, n_stuck, "are stuck");
}

/* A page of another space. */
static int read_page(hel_handle space, uint64_t index, uint64_t *out_page)
{
	size_t n_bytes;

	return hel_space_read(
		space, (uint64_t)(memory + index * WORDS), out_page, HEL_PAGE_SIZE, &n_bytes);
}

/* The child shares all pages, many of which are out. In the end all of both are looked at. */
static void check_child(void)
{
	static uint64_t page[WORDS];
	uint64_t n_bad = 0;
	hel_handle child;

	if (hel_space_fork(HEL_THIS, HEL_THIS, &child) != 0) {
		swap_print("swap: not ok fork: it cannot be made");
		return;
	}
	memcpy(forked, versions, sizeof(forked));
	run_users("users_go_on_after_a_fork");
	for (uint64_t index = 0; index < n_pages; index++) {
		n_bad += read_page(child, index, page) != 0 ||
			!page_is(page, stamp_of(index, forked[index]));
		n_wrong += !page_is(memory + index * WORDS, stamp_of(index, versions[index]));
	}
	report("a_child_has_what_was", n_bad, "pages are wrong");
	(void)hel_close(HEL_THIS, child);
}

/* Read each page of the memory that had a manager. Return: how many are lost. */
static uint64_t find_lost(void)
{
	static uint64_t page[WORDS];
	uint64_t n_bad = 0, n_lost = 0;

	for (uint64_t index = 0; index < n_pages; index++) {
		int error =
			hel_memory_read(memory_handle, index * HEL_PAGE_SIZE, page, HEL_PAGE_SIZE);

		is_lost[index] = error == -ERR_IO;
		n_lost += is_lost[index];
		n_bad += !is_lost[index] &&
			(error != 0 || !page_is(page, stamp_of(index, versions[index])));
	}
	swap_print("swap: %llu pages of %llu are lost", (unsigned long long)n_lost,
		(unsigned long long)n_pages);
	report("what_is_left_is_right", n_bad, "pages are wrong");
	report("what_was_out_is_lost", n_lost == 0, "or nothing was out");
	return n_lost;
}

static NORETURN void touch_main(void *context)
{
	(void)*(volatile uint64_t *)context;
	hel_thread_exit();
}

/* The reason of the fault of a thread that has not been started yet; 0: it has none. */
static int run_to_fault(struct hel_queue_client *queue, hel_handle thread)
{
	struct hel_observe_record *record =
		hel_queue_reserve(queue, HEL_SUBMIT_OBSERVE, sizeof(*record), 2);
	const struct hel_element *element;
	uint64_t deadline_ns = now_ns() + STUCK_NS;
	int reason = 0;

	record->thread = thread;
	record->sequence = 0;
	hel_queue_commit(queue);
	(void)hel_drive(queue->handle, 0, 0, 0, NULL);
	(void)hel_thread_start(thread);
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

/* Touch the first page that is lost. */
static void check_fault(void)
{
	struct hel_queue_client queue;
	uint64_t index = 0;

	while (index < n_pages - 1 && !is_lost[index]) {
		index++;
	}
	if (!make_queue(&queue)) {
		swap_print("swap: not ok fault: no queue");
		return;
	}
	hel_handle thread =
		make_thread(HEL_THIS, touch_main, memory + index * WORDS, users[0].stack);
	int reason = run_to_fault(&queue, thread);

	(void)hel_thread_kill(thread);
	(void)hel_close(HEL_THIS, thread);
	drop_queue(&queue);
	report("a_fault_says_so", reason != -ERR_IO, "another or no fault");
}

/* Write to what is left, and to new memory, and find it there. */
static void use_the_rest(void)
{
	uint64_t *others;
	uint64_t n_bad = 0;

	if (!map(HEL_NULL, NEW_PAGES * HEL_PAGE_SIZE, HEL_MAP_FORK_COPY | HEL_MAP_SWAPPABLE,
		    (void **)&others)) {
		swap_print("swap: not ok rest: no new memory");
		return;
	}
	for (uint64_t index = 0; index < n_pages; index++) {
		if (!is_lost[index]) {
			page_fill(memory + index * WORDS, stamp_of(index, ++versions[index]));
		}
	}
	for (uint64_t i = 0; i < NEW_PAGES; i++) {
		page_fill(others + i * WORDS, stamp_of(i, 1));
	}
	for (uint64_t index = 0; index < n_pages; index++) {
		n_bad += !is_lost[index] &&
			!page_is(memory + index * WORDS, stamp_of(index, versions[index]));
	}
	for (uint64_t i = 0; i < NEW_PAGES; i++) {
		n_bad += !page_is(others + i * WORDS, stamp_of(i, 1));
	}
	report("the_rest_goes_on", n_bad, "pages are wrong");
	(void)hel_space_unmap(HEL_THIS, (uint64_t)others, NEW_PAGES * HEL_PAGE_SIZE);
}

/* Who asks for what is out waits until the manager's end has come round. */
static void kill_manager(void)
{
	(void)hel_thread_kill(manager.thread);
	(void)hel_close(HEL_THIS, manager.thread);
	if (find_lost() > 0) {
		check_fault();
	}
	use_the_rest();
}

static struct hel_limits account_used(void)
{
	struct hel_account_info info = {};

	(void)!hel_universe_account(HEL_THIS, &info);
	return info.used;
}

/* The account of this program; the machine's memory is used by others meanwhile. */
static void check_account(const struct hel_limits *before)
{
	uint64_t n_pages_max = before->n_pages + SLACK_PAGES +
		(sizeof(versions) + sizeof(forked) + sizeof(disk) + sizeof(is_lost)) /
			HEL_PAGE_SIZE;
	uint64_t n_bytes_max = before->kernel_bytes + SLACK_BYTES;
	uint64_t deadline_ns = now_ns() + STUCK_NS;
	struct hel_limits used;

	/* What was given up is freed in slices, and on other CPUs. */
	do {
		pause_for(PAUSE_NS);
		used = account_used();
	} while ((used.n_pages > n_pages_max || used.kernel_bytes > n_bytes_max) &&
		now_ns() < deadline_ns);
	report("pages_are_back", used.n_pages > n_pages_max ? used.n_pages - n_pages_max : 0,
		"pages too many");
	report("bytes_are_back",
		used.kernel_bytes > n_bytes_max ? used.kernel_bytes - n_bytes_max : 0,
		"bytes too many");
}

static bool make_memory(void)
{
	return hel_memory_allocate(
		       n_pages * HEL_PAGE_SIZE, HEL_ALLOCATE_SWAPPABLE, &memory_handle) == 0 &&
		map(memory_handle, n_pages * HEL_PAGE_SIZE, HEL_MAP_FORK_COPY, (void **)&memory);
}

static void run_all(void)
{
	const struct hel_limits before = account_used();

	if (!make_manager() || !make_memory()) {
		swap_print("swap: not ok start: no swappable memory");
		return;
	}
	run_users("users_go_on");
	check_child();
	report("every_page_is_right", n_wrong, "pages are wrong");
	kill_manager();
	(void)hel_close(HEL_THIS, memory_handle);
	(void)hel_space_unmap(HEL_THIS, (uint64_t)memory, n_pages * HEL_PAGE_SIZE);
	(void)hel_space_unmap(HEL_THIS, (uint64_t)manager.slots, SLOTS * HEL_PAGE_SIZE);
	drop_mapping(&manager.queue);
	check_account(&before);
}

NORETURN __attribute__((used)) void swap_main(const struct hel_start *start);

NORETURN void swap_main(const struct hel_start *start)
{
	start_page = start;
	authority = find_handle("authority");
	log_authority = find_handle("log");
	find_number("swap.operations", &n_operations_wanted);
	find_number("swap.seed", &seed);
	find_number("swap.megabytes", &megabytes);
	n_pages = min_u64(megabytes * (MIB(1) / HEL_PAGE_SIZE), PAGES_MAX) / USERS * USERS;
	swap_print("swap: seed %llu, %llu MiB, %llu operations", (unsigned long long)seed,
		(unsigned long long)megabytes, (unsigned long long)n_operations_wanted);
	run_all();
	swap_print("swap: done");
	hel_thread_exit();
}
