/* SPDX-License-Identifier: MIT */
/*
 * The table of calls: calls.def for Linux calls, internal-calls.def for the shim's own requests.
 *
 * Handlers are called posix_<name> and are weak here: a row whose handler does not exist answers
 * -LINUX_ENOSYS and is counted, so that /proc/hati/unimplemented says what programs miss.
 */
#include <base/format.h>
#include <posix/server/request-internal.h>

constexpr uint32_t LINUX_CALLS_END = 456;
constexpr uint32_t INTERNAL_CALLS = POSIX_SYSCALL_COUNT - POSIX_CLONE;
constexpr uint32_t OTHER_COUNTERS = 64;
constexpr uint32_t UNIMPLEMENTED_PART =
	0xffff0000; /* plus the number of a call of which a part is missing */

#define LINUX_CALL(number, name, where, a0, a1, a2, a3, a4, a5) \
	extern int64_t posix_##name(struct request *request) __attribute__((weak));
#include <protocols/posix/calls.def>
#undef LINUX_CALL
#define INTERNAL_CALL(number, name, output) \
	extern int64_t posix_##name(struct request *request) __attribute__((weak));
#include <posix/server/internal-calls.def>
#undef INTERNAL_CALL

#define NONE             { ARGUMENT_NONE, ARGUMENT_FIXED, 0 }
#define VALUE            { ARGUMENT_VALUE, ARGUMENT_FIXED, 0 }
#define PATH             { ARGUMENT_PATH, ARGUMENT_FIXED, 0 }
#define IN(n)            { ARGUMENT_IN, ARGUMENT_FIXED, n }
#define OUT(n)           { ARGUMENT_OUT, ARGUMENT_FIXED, n }
#define INOUT(n)         { ARGUMENT_INOUT, ARGUMENT_FIXED, n }
#define IN_N(k, unit)    { ARGUMENT_IN, k, unit }
#define OUT_N(k, unit)   { ARGUMENT_OUT, k, unit }
#define INOUT_N(k, unit) { ARGUMENT_INOUT, k, unit }
#define BULK_IN(k)       { ARGUMENT_BULK_IN, k, 1 }
#define BULK_OUT(k)      { ARGUMENT_BULK_OUT, k, 1 }

static struct call_row linux_calls[LINUX_CALLS_END] = {
#define LINUX_CALL(number, name_, where, a0, a1, a2, a3, a4, a5) \
	[number] = { \
		.name = #name_, .handler = posix_##name_, .arguments = { a0, a1, a2, a3, a4, a5 } \
	},
#include <protocols/posix/calls.def>
#undef LINUX_CALL
};

#define NO_OUTPUT         NONE
#define OUTPUT(n)         { ARGUMENT_OUT, ARGUMENT_FIXED, n }
#define OUTPUT_N(k, unit) { ARGUMENT_OUT, k, unit }

static const struct call_row internal_calls[INTERNAL_CALLS] = {
#define INTERNAL_CALL(number, name_, output) \
	[number - POSIX_CLONE] = { \
		.name = #name_, .handler = posix_##name_, .is_raw = true, .arguments = { output } \
	},
#include <posix/server/internal-calls.def>
#undef INTERNAL_CALL
};

/*
 * A call that the shim makes an internal request of has a handler of the same name, which expects
 * what that request brings. Its Linux number is no request, whoever sends it.
 */
static void calls_take_apart(void)
{
	for (uint32_t i = 0; i < LINUX_CALLS_END; i++) {
		for (uint32_t k = 0; k < INTERNAL_CALLS; k++) {
			if (linux_calls[i].handler == internal_calls[k].handler) {
				linux_calls[i].handler = NULL;
			}
		}
	}
}

const struct call_row *call_find(uint32_t number)
{
	static bool are_apart;
	const struct call_row *row = NULL;

	if (!are_apart) {
		are_apart = true;
		calls_take_apart();
	}
	if (number < LINUX_CALLS_END) {
		row = &linux_calls[number];
	} else if (number >= POSIX_CLONE && number < POSIX_SYSCALL_COUNT) {
		row = &internal_calls[number - POSIX_CLONE];
	}
	return row != NULL && row->name != NULL ? row : NULL;
}

/* ---- what is missed -------------------------------------------------------------------------- */

static uint32_t linux_counts[LINUX_CALLS_END];
static uint32_t internal_counts[INTERNAL_CALLS];
static struct {
	uint32_t number, count;
} other_counts[OTHER_COUNTERS]; /* the last one collects what no longer fits */

static uint32_t *counter_of(uint32_t number)
{
	if (number < LINUX_CALLS_END) {
		return &linux_counts[number];
	}
	if (number >= POSIX_CLONE && number < POSIX_SYSCALL_COUNT) {
		return &internal_counts[number - POSIX_CLONE];
	}
	for (uint32_t i = 0; i < OTHER_COUNTERS - 1; i++) {
		if (other_counts[i].count == 0 || other_counts[i].number == number) {
			other_counts[i].number = number;
			return &other_counts[i].count;
		}
	}
	other_counts[OTHER_COUNTERS - 1].number = UINT32_MAX;
	return &other_counts[OTHER_COUNTERS - 1].count;
}

void unimplemented_count(uint32_t number)
{
	uint32_t *count = counter_of(number);

	if (*count != UINT32_MAX) {
		(*count)++;
	}
}

static size_t print_count(char *buffer, size_t size, size_t used, uint32_t number, uint32_t count)
{
	bool is_part = number >= UNIMPLEMENTED_PART && number != UINT32_MAX;
	const struct call_row *row = call_find(is_part ? number - UNIMPLEMENTED_PART : number);
	size_t room = used < size ? size - used : 0;

	if (count == 0) {
		return used;
	}
	return used +
		format_to(buffer + min_size(used, size), room, "%u %s%s %u\n", number,
			row != NULL ? row->name : "-", is_part ? "(part)" : "", count);
}

size_t unimplemented_print(char *buffer, size_t size)
{
	size_t used = 0;

	for (uint32_t i = 0; i < LINUX_CALLS_END; i++) {
		used = print_count(buffer, size, used, i, linux_counts[i]);
	}
	for (uint32_t i = 0; i < INTERNAL_CALLS; i++) {
		used = print_count(buffer, size, used, POSIX_CLONE + i, internal_counts[i]);
	}
	for (uint32_t i = 0; i < OTHER_COUNTERS; i++) {
		used = print_count(
			buffer, size, used, other_counts[i].number, other_counts[i].count);
	}
	return min_size(used, size);
}

int64_t posix_unimplemented(struct request *request)
{
	unimplemented_count((uint32_t)request->args[0]);
	return 0;
}
