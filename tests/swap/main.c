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
#include <base/string.h>
#include <tests/native/memory-server.h>

constexpr uint32_t USERS = 3;
constexpr uint32_t REQUESTS = 3; /* that the manager has in flight */
constexpr uint32_t WORDS = HEL_PAGE_SIZE / sizeof(uint64_t);
constexpr uint64_t PAGES_MAX = 1u << 16;
constexpr uint64_t SLOTS = 1u << 16;
constexpr uint64_t STUCK_NS = 60'000'000'000;
constexpr uint64_t NEW_PAGES = 256; /* when the manager is gone */
constexpr uint64_t SLACK_PAGES = 256; /* page tables, reserves of accounts */
constexpr uint64_t SLACK_BYTES = 64 * 1024;

/* What a page is full of. Version 0: zeros. */
struct stamp {
	uint32_t index, version;
};

const char native_name[] = "swap";

static struct memory_user users[USERS];
static uint64_t n_operations_wanted = 20'000, seed = 1, megabytes = 68;
static uint64_t n_pages; /* a multiple of USERS */
static hel_handle memory_handle;
static uint64_t *memory; /* mapped */
static uint32_t versions[PAGES_MAX]; /* what users have written last; the owner's */
static uint32_t forked[PAGES_MAX]; /* the same when the child was made */
static struct stamp disk[SLOTS]; /* the manager's */
static bool is_lost[PAGES_MAX]; /* with the manager */
static _Atomic uint64_t n_wrong;

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

static void bring_page(uint64_t index, void *page)
{
	page_fill(page, disk[index]);
}

static void store_page(uint64_t index, void *page)
{
	disk[index] = page_stamp(page);
	n_wrong += !page_is(page, disk[index]);
}

static struct memory_server manager = {
	.n_pages = SLOTS,
	.n_requests = REQUESTS,
	.bring = bring_page,
	.store = store_page,
};

static bool make_manager(void)
{
	hel_handle backing;

	return hel_memory_create_swap(native_authority, SLOTS * HEL_PAGE_SIZE, &backing) == 0 &&
		memory_server_start(&manager, backing, seed);
}

/* ---- users ----------------------------------------------------------------------------------- */

static void user_use(struct memory_user *user, uint64_t index)
{
	uint64_t *page = memory + index * WORDS;

	n_wrong += !page_is(page, stamp_of(index, versions[index]));
	if (versions[index] == 0 || random_chance(&user->random, 3)) {
		versions[index]++;
		page_fill(page, stamp_of(index, versions[index]));
	}
}

static NORETURN void user_main(struct memory_user *user)
{
	uint64_t n_own = n_pages / USERS;

	for (uint64_t i = 0; i < n_own; i++) {
		user_use(user, i * USERS + user->number);
	}
	for (uint64_t i = 0; i < n_operations_wanted / USERS; i++) {
		user_use(user, random_below(&user->random, n_own) * USERS + user->number);
	}
	user->is_over = true;
	hel_thread_exit();
}

/* ---- the course of it ------------------------------------------------------------------------ */

static void run_users(const char *name)
{
	memory_users_start(users, USERS, user_main, seed);
	uint64_t n_stuck = memory_users_await(users, USERS, STUCK_NS);

	memory_users_end(users, USERS);
	native_print("%llu requests to read, %llu to write", (unsigned long long)manager.n_reads,
		(unsigned long long)manager.n_writes);
	native_report(name, n_stuck, "are stuck");
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
		native_print("not ok fork: it cannot be made");
		return;
	}
	memcpy(forked, versions, sizeof(forked));
	run_users("users_go_on_after_a_fork");
	for (uint64_t index = 0; index < n_pages; index++) {
		n_bad += read_page(child, index, page) != 0 ||
			!page_is(page, stamp_of(index, forked[index]));
		n_wrong += !page_is(memory + index * WORDS, stamp_of(index, versions[index]));
	}
	native_report("a_child_has_what_was", n_bad, "pages are wrong");
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
	native_print("%llu pages of %llu are lost", (unsigned long long)n_lost,
		(unsigned long long)n_pages);
	native_report("what_is_left_is_right", n_bad, "pages are wrong");
	native_report("what_was_out_is_lost", n_lost == 0, "or nothing was out");
	return n_lost;
}

static NORETURN void touch_main(void *context)
{
	(void)*(volatile uint64_t *)context;
	hel_thread_exit();
}

/* Touch the first page that is lost. */
static void check_fault(void)
{
	struct hel_queue_client queue;
	uint64_t index = 0;

	while (index < n_pages - 1 && !is_lost[index]) {
		index++;
	}
	if (!native_make_queue(&queue)) {
		native_print("not ok fault: no queue");
		return;
	}
	hel_handle thread =
		native_start_thread(HEL_THIS, touch_main, memory + index * WORDS, &users[0].stack);
	int reason = native_await_fault(&queue, thread, native_now_ns() + STUCK_NS);

	(void)hel_thread_kill(thread);
	(void)hel_close(HEL_THIS, thread);
	native_drop_queue(&queue);
	native_report("a_fault_says_so", reason != -ERR_IO, "another or no fault");
}

/* Write to what is left, and to new memory, and find it there. */
static void use_the_rest(void)
{
	uint64_t *others;
	uint64_t n_bad = 0;

	if (!native_map(HEL_NULL, NEW_PAGES * HEL_PAGE_SIZE, HEL_MAP_FORK_COPY | HEL_MAP_SWAPPABLE,
		    (void **)&others)) {
		native_print("not ok rest: no new memory");
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
	native_report("the_rest_goes_on", n_bad, "pages are wrong");
	(void)hel_space_unmap(HEL_THIS, (uint64_t)others, NEW_PAGES * HEL_PAGE_SIZE);
}

/* Who asks for what is out waits until the manager's end has come round. */
static void kill_manager(void)
{
	memory_server_kill(&manager);
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
	uint64_t deadline_ns = native_now_ns() + STUCK_NS;
	struct hel_limits used;

	/* What was given up is freed in slices, and on other CPUs. */
	do {
		native_pause(NATIVE_PAUSE_NS);
		used = account_used();
	} while ((used.n_pages > n_pages_max || used.kernel_bytes > n_bytes_max) &&
		native_now_ns() < deadline_ns);
	native_report("pages_are_back", used.n_pages > n_pages_max ? used.n_pages - n_pages_max : 0,
		"pages too many");
	native_report("bytes_are_back",
		used.kernel_bytes > n_bytes_max ? used.kernel_bytes - n_bytes_max : 0,
		"bytes too many");
}

static bool make_memory(void)
{
	return hel_memory_allocate(
		       n_pages * HEL_PAGE_SIZE, HEL_ALLOCATE_SWAPPABLE, &memory_handle) == 0 &&
		native_map(memory_handle, n_pages * HEL_PAGE_SIZE, HEL_MAP_FORK_COPY,
			(void **)&memory);
}

static void run_all(void)
{
	const struct hel_limits before = account_used();

	if (!make_manager() || !make_memory()) {
		native_print("not ok start: no swappable memory");
		return;
	}
	run_users("users_go_on");
	check_child();
	native_report("every_page_is_right", n_wrong, "pages are wrong");
	kill_manager();
	(void)hel_close(HEL_THIS, memory_handle);
	(void)hel_space_unmap(HEL_THIS, (uint64_t)memory, n_pages * HEL_PAGE_SIZE);
	memory_server_unmap(&manager);
	check_account(&before);
}

void native_main(void)
{
	native_find_number("operations", &n_operations_wanted);
	native_find_number("seed", &seed);
	native_find_number("megabytes", &megabytes);
	n_pages = min_u64(megabytes * (MIB(1) / HEL_PAGE_SIZE), PAGES_MAX) / USERS * USERS;
	native_print("seed %llu, %llu MiB, %llu operations", (unsigned long long)seed,
		(unsigned long long)megabytes, (unsigned long long)n_operations_wanted);
	native_await_program();
	run_all();
	native_print("done");
}
