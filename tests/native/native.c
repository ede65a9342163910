/* SPDX-License-Identifier: MIT */
/* What native test programs share: see native.h. */
#include <tests/native/native.h>

#include <base/assert.h>
#include <base/format.h>
#include <base/string.h>

const struct hel_start *native_start;
hel_handle native_log, native_authority;

/* ---- the start ------------------------------------------------------------------------------- */

__asm__(".text\n"
	".globl _start\n"
	"_start:\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %rsp\n"
	"	call native_begin\n"
	"	ud2\n");

NORETURN __attribute__((used)) void native_begin(const struct hel_start *start);

NORETURN void native_begin(const struct hel_start *start)
{
	native_start = start;
	native_authority = native_find_handle("authority");
	native_log = native_find_handle("log");
	native_main();
	hel_thread_exit();
}

hel_handle native_find_handle(const char *name)
{
	for (uint32_t i = 0; i < native_start->n_handles; i++) {
		if (str_equal(native_start->handles[i].name, name)) {
			return native_start->handles[i].handle;
		}
	}
	return HEL_NULL;
}

/* Whether @text begins with @start; then *@text is what is behind it. */
static bool native_skip(const char **text, const char *start)
{
	size_t length = strlen(start);

	if (strlen(*text) < length || memcmp(*text, start, length) != 0) {
		return false;
	}
	*text += length;
	return true;
}

void native_find_number(const char *name, uint64_t *number)
{
	for (const char *text = (const char *)native_start->command_line;
		text != NULL && *text != 0; text++) {
		const char *at = text;

		if (!native_skip(&at, native_name) || !native_skip(&at, ".") ||
			!native_skip(&at, name) || !native_skip(&at, "=")) {
			continue;
		}
		*number = 0;
		for (; *at >= '0' && *at <= '9'; at++) {
			*number = *number * 10 + (uint64_t)(*at - '0');
		}
		return;
	}
}

/* ---- the log --------------------------------------------------------------------------------- */

void native_print(const char *format, ...)
{
	char line[HEL_LOG_MAX];
	va_list arguments;

	va_start(arguments, format);
	size_t size = format_to(line, sizeof(line), "%s: ", native_name);

	size += vformat_to(line + size, sizeof(line) - size, format, arguments);
	va_end(arguments);
	hel_log(native_log != HEL_NULL ? native_log : native_authority, HEL_LOG_INFO, line,
		min_size(size, sizeof(line) - 1));
}

NORETURN void assert_fail(const char *file, int line, const char *expression)
{
	native_print("not ok start: %s:%d: assertion failed: %s", file, line, expression);
	hel_thread_exit();
}

void native_report(const char *name, uint64_t n_wrong, const char *what)
{
	if (n_wrong == 0) {
		native_print("ok %s", name);
	} else {
		native_print("not ok %s: %llu %s", name, (unsigned long long)n_wrong, what);
	}
}

/* Whether @text comes in what is logged from @offset on; that moves on, with the end of @log. */
static bool log_has(uint64_t *offset, char *log, size_t size, const char *text)
{
	size_t n_kept = strlen(log), n_read = 0;

	(void)hel_log_read(native_authority, offset, log + n_kept, size - 1 - n_kept, &n_read);
	log[n_kept + n_read] = '\0';
	if (strstr(log, text) != NULL) {
		return true;
	}
	/* It may have come in part. */
	n_kept = min_size(n_kept + n_read, strlen(text));
	memmove(log, log + strlen(log) - n_kept, n_kept + 1);
	return false;
}

void native_await_program(void)
{
	char log[1024] = "";
	uint64_t offset = 0, waits = 0;

	native_find_number("waits", &waits);
	while (waits != 0 && !log_has(&offset, log, sizeof(log), NATIVE_PROGRAM_RUNS)) {
		native_pause(NATIVE_PAUSE_NS);
	}
}

/* ---- time ------------------------------------------------------------------------------------ */

uint64_t native_now_ns(void)
{
	uint64_t time_ns = 0;

	(void)hel_clock_get(&time_ns);
	return time_ns;
}

void native_pause(uint64_t duration_ns)
{
	static const uint32_t never = 0;

	(void)hel_futex_wait(&never, 0, native_now_ns() + duration_ns, ~0u);
}

/* ---- threads, memory, queues ----------------------------------------------------------------- */

hel_handle native_make_thread(
	hel_handle universe, void (*run)(void *context), void *context, struct native_stack *stack)
{
	struct hel_thread_args args = {
		.universe = universe,
		.space = HEL_THIS,
		.ip = (uint64_t)run,
		.sp = (uint64_t)stack->bytes + NATIVE_STACK_BYTES - 8,
		.argument = (uint64_t)context,
	};
	hel_handle thread = HEL_NULL;

	if (hel_thread_create(&args, &thread) != 0) {
		native_print("not ok start: a thread cannot be made");
		hel_thread_exit();
	}
	return thread;
}

hel_handle native_start_thread(
	hel_handle universe, void (*run)(void *context), void *context, struct native_stack *stack)
{
	hel_handle thread = native_make_thread(universe, run, context, stack);

	(void)hel_thread_start(thread);
	return thread;
}

bool native_map(hel_handle memory, uint64_t size_bytes, uint32_t flags, void **out_pointer)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory,
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

bool native_make_queue(struct hel_queue_client *queue)
{
	struct hel_queue_params params = {
		.n_chunks = 4,
		.chunk_size = 4096,
		.submit_size = 4096,
	};
	hel_handle handle;
	void *memory;

	if (hel_queue_create(&params, &handle) != 0) {
		return false;
	}
	if (!native_map(handle, hel_queue_memory_size(&params), HEL_MAP_FORK_DROP, &memory)) {
		(void)hel_close(HEL_THIS, handle);
		return false;
	}
	hel_queue_client_init(queue, handle, memory, &params);
	return true;
}

void native_unmap_queue(const struct hel_queue_client *queue)
{
	(void)hel_space_unmap(
		HEL_THIS, (uint64_t)queue->header, hel_queue_memory_size(&queue->params));
}

void native_drop_queue(const struct hel_queue_client *queue)
{
	native_unmap_queue(queue);
	(void)hel_close(HEL_THIS, queue->handle);
}

int native_await_fault(struct hel_queue_client *queue, hel_handle thread, uint64_t deadline_ns)
{
	struct hel_observe_record *record =
		hel_queue_reserve(queue, HEL_SUBMIT_OBSERVE, sizeof(*record), 1);
	const struct hel_element *element;
	int reason = 0;

	record->thread = thread;
	record->sequence = 0;
	hel_queue_commit(queue);
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
