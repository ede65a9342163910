/* SPDX-License-Identifier: MIT */
/*
 * A Linux process that does its worst to what it shares with the system: its shim's pages, its
 * queue, its lane to posix, the kernel's calls. It may end, or hang until it is killed; nobody else
 * may notice.
 *
 *	spoil [WAY]		all ways, or one, some times each, in a child with a time limit
 *
 * Prints `ok WAY` or `not ok WAY: why`. There is no libc: the headers are those of native programs.
 */
#include <base/format.h>
#include <base/random.h>
#include <base/string.h>
#include <hel/queue-client.h>
#include <protocols/posix/wire.h>

constexpr uint64_t LIMIT_NS = 300'000'000; /* for a child */
constexpr uint64_t FLOOD_NS = 20'000'000'000; /* for one that uses things up */
constexpr uint64_t GONE_NS = 20'000'000'000; /* after it was killed */
constexpr uint32_t NOBODY = 65534;
constexpr uint32_t HEL_NUMBERS = 130;
constexpr uint64_t BUFFER_BYTES = 65536;

enum linux_call {
	CALL_write = 1,
	CALL_open = 2,
	CALL_close = 3,
	CALL_mmap = 9,
	CALL_mprotect = 10,
	CALL_munmap = 11,
	CALL_rt_sigaction = 13,
	CALL_pipe = 22,
	CALL_mremap = 25,
	CALL_madvise = 28,
	CALL_nanosleep = 35,
	CALL_getpid = 39,
	CALL_clone = 56,
	CALL_fork = 57,
	CALL_exit = 60,
	CALL_wait4 = 61,
	CALL_kill = 62,
	CALL_uname = 63,
	CALL_setresuid = 117,
	CALL_setresgid = 119,
	CALL_exit_group = 231,
};

static struct random random_state;
static int64_t own_pid;
static uint8_t buffer[BUFFER_BYTES];

static uint64_t pick(uint64_t end)
{
	return random_u64(&random_state) % end;
}

/* ---- Linux calls --------------------------------------------------------------------------- */

static int64_t linux_call(
	uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = 0;
	int64_t result;

	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		: "rcx", "r11", "memory");
	return result;
}

#define LINUX(name_, a_, b_, c_) \
	linux_call(CALL_##name_, (uint64_t)(a_), (uint64_t)(b_), (uint64_t)(c_), 0, 0)

static void say(const char *text)
{
	LINUX(write, 1, text, strlen(text));
}

static void rest(uint64_t ns)
{
	uint64_t time[2] = { 0, ns };

	LINUX(nanosleep, time, 0, 0);
}

static uint64_t address_of(const void *pointer)
{
	return (uint64_t)pointer;
}

/* Some calls that the shim answers, some for posix, and a child. */
static void make_calls(void)
{
	uint8_t name[400];
	uint64_t action[4] = { 1, 0x04000000, 0, 0 };

	for (uint32_t i = 0; i < 4; i++) {
		LINUX(getpid, 0, 0, 0);
		LINUX(uname, name, 0, 0);
		int64_t fd = LINUX(open, "/dev/null", 2, 0);

		LINUX(write, fd, buffer, pick(BUFFER_BYTES));
		LINUX(close, fd, 0, 0);
	}
	linux_call(CALL_rt_sigaction, 10, address_of(action), 0, 8, 0);
	/* Not what getpid() says now, which may be 0: that would be everybody of this group. */
	LINUX(kill, own_pid, 10, 0);
	int64_t child = LINUX(fork, 0, 0, 0);

	if (child == 0) {
		LINUX(exit_group, 0, 0, 0);
	}
	LINUX(wait4, child, 0, 0);
}

/* ---- what we share ------------------------------------------------------------------------- */

static struct posix_thread_page *thread_page(void)
{
	struct posix_thread_page *page;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(page));
	return page;
}

static void spoil(uint8_t *bytes, uint64_t size)
{
	uint64_t at = pick(size);
	uint64_t value = pick(3) == 0 ? 0 : random_u64(&random_state) >> pick(64);

	switch (pick(4)) {
	case 0: bytes[at] = (uint8_t)value; break;
	case 1: bytes[at] ^= (uint8_t)(1 << pick(8)); break;
	default: memcpy(bytes + at / 8 * 8, &value, min_size(sizeof(value), size - at / 8 * 8));
	}
}

static void spoil_and_call(uint8_t *bytes, uint64_t size)
{
	for (uint32_t i = 0; i < 50; i++) {
		for (uint64_t n = pick(8); n > 0; n--) {
			spoil(bytes, size);
		}
		make_calls();
	}
}

static void way_thread_page(void)
{
	spoil_and_call((uint8_t *)thread_page(), HEL_PAGE_SIZE);
}

static void way_bounce_page(void)
{
	spoil_and_call((uint8_t *)thread_page(), sizeof(struct hel_bounce_page));
}

static void way_process_page(void)
{
	spoil_and_call(
		(uint8_t *)thread_page()->process_page - POSIX_PROCESS_PAGE_OFFSET, HEL_PAGE_SIZE);
}

static void way_queue(void)
{
	spoil_and_call((uint8_t *)thread_page()->queue_address, HEL_PAGE_SIZE);
}

static void way_stack(void)
{
	spoil_and_call((uint8_t *)align_down(address_of(thread_page()), POSIX_SLOT_SIZE) +
			POSIX_SLOT_STACK_LOW,
		POSIX_SLOT_STACK_TOP - POSIX_SLOT_STACK_LOW);
}

/* ---- while calls are being made ------------------------------------------------------------ */

static uint8_t racer_stack[16384];
static uint8_t *raced_bytes;
static uint64_t raced_size;

__attribute__((used)) static void race(void)
{
	for (;;) {
		spoil(raced_bytes, raced_size);
	}
}

/* A thread that spoils what belongs to ours. It needs no thread-local storage, and never ends. */
static void start_racer(uint8_t *bytes, uint64_t size)
{
	uint64_t flags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000; /* VM FS FILES SIGHAND THREAD */
	uint64_t top = align_down(address_of(racer_stack + sizeof(racer_stack)), 16);
	int64_t result;

	raced_bytes = bytes;
	raced_size = size;
	__asm__ volatile("xorl %%edx, %%edx\n\t"
			 "xorl %%r10d, %%r10d\n\t"
			 "syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "call race\n"
			 "1:"
		: "=a"(result)
		: "a"((uint64_t)CALL_clone), "D"(flags), "S"(top)
		: "rcx", "rdx", "r10", "r11", "memory");
}

static void way_race_thread_page(void)
{
	start_racer((uint8_t *)thread_page(), HEL_PAGE_SIZE);
	for (;;) {
		make_calls();
	}
}

static void way_race_queue(void)
{
	start_racer((uint8_t *)thread_page()->queue_address, HEL_PAGE_SIZE);
	for (;;) {
		make_calls();
	}
}

/* ---- the shim's memory, by Linux calls ----------------------------------------------------- */

/* All must be refused, so the process is well in the end. */
static void way_remap(void)
{
	static const uint64_t places[] = { POSIX_SHIM_REGION, POSIX_SHIM_REGION + 0x9000,
		POSIX_SHIM_REGION + 0xa000, POSIX_SHIM_REGION + 0xb000, POSIX_CLOCK_PAGE,
		POSIX_SHIM_IMAGE, POSIX_SHIM_IMAGE + 0x4000, 0x7fffffffe000 };

	for (uint32_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint64_t place = places[i], below = POSIX_SHIM_REGION - 0x10000;
		/* munmap has nothing to take away there, which is no error */
		(void)LINUX(munmap, place, 4096, 0);
		(void)LINUX(munmap, below, place - below + 4096, 0);
		bool is_refused = LINUX(mprotect, place, 4096, 7) < 0 &&
			LINUX(madvise, place, 4096, 4) < 0 &&
			linux_call(CALL_mremap, place, 4096, 8192, 1, 0) < 0 &&
			linux_call(CALL_mmap, place, 4096, 3, 0x32, ~0ull) < 0;

		if (!is_refused) {
			say("# remap: something was allowed\n");
			LINUX(exit_group, 3, 0, 0);
		}
		make_calls();
	}
	LINUX(exit_group, 7, 0, 0);
}

/* ---- the kernel's calls -------------------------------------------------------------------- */

static uint64_t wild_argument(void)
{
	static const uint64_t values[] = { 0, 1, 4096, 8192, 65536, POSIX_SHIM_REGION,
		POSIX_SHIM_REGION + 0x9000, POSIX_SHIM_IMAGE, 0x400000, 0x7ffffffff000,
		0xffff800000000000, ~0ull, ~0ull - 4095, 1ull << 40, 1ull << 63 };

	switch (pick(5)) {
	case 0: return values[pick(ARRAY_SIZE(values))];
	case 1: return address_of(buffer) + pick(BUFFER_BYTES);
	case 2: return random_u64(&random_state) >> pick(64);
	default: return pick(16); /* handles, small numbers */
	}
}

static void make_hel_call(uint32_t number)
{
	register uint64_t r10 __asm__("r10") = wild_argument();
	register uint64_t r8 __asm__("r8") = wild_argument();
	register uint64_t r9 __asm__("r9") = wild_argument();
	int64_t result;
	uint64_t value = wild_argument();

	__asm__ volatile("syscall"
		: "=a"(result), "+d"(value)
		: "a"((uint64_t)HEL_CALL_BASE + number), "D"(wild_argument()), "S"(wild_argument()),
		"r"(r10), "r"(r8), "r"(r9)
		: "rcx", "r11", "memory");
}

static void way_hel_calls(void)
{
	for (uint32_t i = 0; i < 3000; i++) {
		for (uint64_t n = pick(64); n > 0; n--) {
			spoil(buffer, BUFFER_BYTES);
		}
		make_hel_call((uint32_t)pick(HEL_NUMBERS));
		if (pick(100) == 0) {
			make_calls();
		}
	}
}

/* ---- the lane ------------------------------------------------------------------------------ */

static struct hel_queue_client queue;

static bool open_queue(void)
{
	const struct hel_queue_params params = {
		.n_chunks = 4,
		.chunk_size = 16384,
		.submit_size = 16384,
	};
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = hel_queue_memory_size(&params),
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;

	if (hel_queue_create(&params, &args.memory) != 0 || hel_space_map(&args, &address) != 0) {
		return false;
	}
	hel_queue_client_init(&queue, args.memory, (void *)address, &params);
	return true;
}

/* A message that may begin as a request does. */
static uint64_t fill_message(void)
{
	struct posix_request *request = (struct posix_request *)buffer;
	uint64_t size = pick(3) == 0 ? pick(5000) : sizeof(*request) + pick(256);

	for (uint64_t i = 0; i < size; i++) {
		buffer[i] = (uint8_t)random_u64(&random_state);
	}
	if (pick(8) != 0) {
		request->number = pick(2) == 0 ? (uint32_t)pick(450) : 10000 + (uint32_t)pick(40);
		request->flags = (uint32_t)pick(16);
		request->in_size =
			pick(2) == 0 ? (uint32_t)(size - sizeof(*request)) : (uint32_t)pick(300000);
		for (uint32_t i = 0; i < 6; i++) {
			request->args[i] = wild_argument();
		}
	}
	return size;
}

static void submit_to_lane(uint32_t flags)
{
	uint32_t n_actions = 1 + (uint32_t)pick(3);
	struct hel_exchange_record *record = hel_queue_reserve(&queue, HEL_SUBMIT_EXCHANGE,
		sizeof(*record) + n_actions * sizeof(struct hel_action), 1);

	if (record == NULL) {
		return;
	}
	record->lane = thread_page()->lane;
	record->n_actions = n_actions;
	record->flags = flags;
	for (uint32_t i = 0; i < n_actions; i++) {
		record->actions[i] = (struct hel_action){
			.type = pick(4) == 0 ? (uint16_t)pick(12) : HEL_ACTION_SEND,
			.handle = pick(16),
			.address = address_of(buffer),
			.length = fill_message(),
		};
	}
	hel_queue_commit(&queue);
}

static void send_to_lane(bool receives)
{
	if (!open_queue()) {
		LINUX(exit_group, 1, 0, 0);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		submit_to_lane(pick(8) == 0 ? (uint32_t)pick(8) : 0);
		hel_drive(queue.handle, 0, 0, 0, NULL);
		while (receives && hel_queue_take(&queue) != NULL) {
		}
	}
	make_calls();
}

static void way_lane(void)
{
	send_to_lane(true);
}

static void way_lane_without_looking(void)
{
	send_to_lane(false);
}

static void way_close(void)
{
	struct posix_thread_page *page = thread_page();

	switch (pick(4)) {
	case 0: hel_close(HEL_THIS, page->lane); break;
	case 1: hel_lane_shutdown(page->lane); break;
	case 2: hel_close(HEL_THIS, page->queue); break;
	default:
		for (hel_handle handle = 1; handle < 64; handle++) {
			hel_close(HEL_THIS, handle);
		}
	}
	make_calls();
}

static void way_unmap(void)
{
	uint64_t address = pick(2) == 0
		? POSIX_SHIM_IMAGE + pick(16) * HEL_PAGE_SIZE
		: align_down(address_of(thread_page()), POSIX_SLOT_SIZE) + pick(16) * HEL_PAGE_SIZE;

	if (pick(2) == 0) {
		(void)!hel_space_unmap(HEL_THIS, address, HEL_PAGE_SIZE * (1 + pick(8)));
	} else {
		(void)!hel_space_protect(HEL_THIS, address, HEL_PAGE_SIZE, (uint32_t)pick(8));
	}
	make_calls();
}

/* ---- having much --------------------------------------------------------------------------- */

static void way_many_events(void)
{
	hel_handle handle;

	while (hel_event_create(0, &handle) == 0) {
	}
	make_calls();
}

static void way_many_streams(void)
{
	struct hel_stream_lanes lanes;

	while (hel_stream_create(&lanes) == 0) {
	}
	make_calls();
}

static void way_many_queues(void)
{
	while (open_queue()) {
	}
	make_calls();
}

/* Submissions that never complete. */
static void way_many_operations(void)
{
	hel_handle event;

	if (!open_queue() || hel_event_create(0, &event) != 0) {
		LINUX(exit_group, 1, 0, 0);
	}
	for (uint32_t i = 0; i < 1'000'000; i++) {
		struct hel_await_event_record *record =
			hel_queue_reserve(&queue, HEL_SUBMIT_AWAIT_EVENT, sizeof(*record), i);

		if (record == NULL) {
			hel_drive(queue.handle, 0, 0, 0, NULL);
			continue;
		}
		record->event = event;
		record->sequence = 0;
		hel_queue_commit(&queue);
	}
	make_calls();
}

static void way_many_threads(void)
{
	struct hel_thread_args args = { .universe = HEL_THIS, .space = HEL_THIS };
	hel_handle thread;

	while (hel_thread_create(&args, &thread) == 0) {
	}
	make_calls();
}

/* ---- the parent ---------------------------------------------------------------------------- */

struct way {
	const char *name;
	void (*run)(void);
	uint32_t n_times;
	int32_t expected; /* exit status, or -1: any end */
	bool is_flood; /* goes on until it is refused more, and has to be refused */
};

static const struct way ways[] = {
	{ "thread_page", way_thread_page, 40, -1, false },
	{ "bounce_page", way_bounce_page, 40, -1, false },
	{ "process_page", way_process_page, 40, -1, false },
	{ "queue", way_queue, 40, -1, false },
	{ "stack", way_stack, 10, -1, false },
	{ "race_thread_page", way_race_thread_page, 5, -1, false },
	{ "race_queue", way_race_queue, 5, -1, false },
	{ "remap", way_remap, 1, 7, false },
	{ "hel_calls", way_hel_calls, 60, -1, false },
	{ "lane", way_lane, 30, -1, false },
	{ "lane_without_looking", way_lane_without_looking, 10, -1, false },
	{ "close", way_close, 12, -1, false },
	{ "unmap", way_unmap, 30, -1, false },
	{ "many_events", way_many_events, 2, -1, true },
	{ "many_streams", way_many_streams, 2, -1, true },
	{ "many_queues", way_many_queues, 2, -1, true },
	{ "many_operations", way_many_operations, 2, -1, true },
	{ "many_threads", way_many_threads, 2, -1, true },
};

/* Waits until the child is gone; false: the time is over. */
static bool await_child(int64_t child, uint64_t limit_ns, int32_t *out_status)
{
	for (uint64_t waited_ns = 0; waited_ns < limit_ns; waited_ns += 2'000'000) {
		if (LINUX(wait4, child, out_status, 1) == child) {
			return true;
		}
		rest(2'000'000);
	}
	return false;
}

static const char *run_once(const struct way *way, uint64_t seed)
{
	int32_t status = 0;
	int64_t child = LINUX(fork, 0, 0, 0);

	if (child < 0) {
		return "fork";
	}
	if (child == 0) {
		/* root may send signals to numbers that it has made up */
		LINUX(setresgid, NOBODY, NOBODY, NOBODY);
		LINUX(setresuid, NOBODY, NOBODY, NOBODY);
		random_init(&random_state, seed);
		own_pid = LINUX(getpid, 0, 0, 0);
		way->run();
		LINUX(exit_group, 0, 0, 0);
	}
	bool is_over = await_child(child, way->is_flood ? FLOOD_NS : LIMIT_NS, &status);

	if (!is_over) {
		LINUX(kill, child, 9, 0);
		if (!await_child(child, GONE_NS, &status)) {
			return "it cannot be killed";
		}
	}
	if (way->is_flood && !is_over) {
		return "there is no end";
	}
	return way->expected < 0 || status == way->expected << 8 ? NULL : "the status";
}

static bool run_way(const struct way *way)
{
	char line[128];
	const char *error = NULL;

	for (uint32_t i = 0; i < way->n_times && error == NULL; i++) {
		error = run_once(way, i + 1);
	}
	if (error == NULL) {
		format_to(line, sizeof(line), "ok %s\n", way->name);
	} else {
		format_to(line, sizeof(line), "not ok %s: %s\n", way->name, error);
	}
	say(line);
	return error == NULL;
}

__attribute__((noreturn, used)) static void start(const uint64_t *stack)
{
	const char *wanted = stack[0] > 1 ? (const char *)stack[2] : NULL;
	bool is_well = true;

	for (uint32_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (wanted == NULL || strcmp(wanted, ways[i].name) == 0) {
			is_well &= run_way(&ways[i]);
		}
	}
	for (;;) {
		LINUX(exit_group, is_well ? 0 : 1, 0, 0);
	}
}

__attribute__((naked, noreturn)) void _start(void);
__attribute__((naked, noreturn)) void _start(void)
{
	__asm__("movq %rsp, %rdi\n\t"
		"andq $-16, %rsp\n\t"
		"call start");
}
