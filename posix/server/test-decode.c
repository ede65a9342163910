/* SPDX-License-Identifier: MIT */
/* Decoding of requests: every argument kind, and what a hostile shim may send. */
#include <base/hash.h>
#include <base/random.h>
#include <base/testing.h>
#include <posix/server/request-internal.h>

/* Handlers of the calls that the tests send; the others are not there. */
#define HANDLER(name) \
	int64_t posix_##name(struct request *request); \
	int64_t posix_##name(struct request *request) \
	{ \
		(void)request; \
		return 0; \
	}
HANDLER(openat)
HANDLER(write)

static struct request request;
static struct request_internal internal;

static int decode(uint32_t number, const uint64_t *args, uint32_t null_mask, uint32_t flags,
	const void *payload, size_t size)
{
	struct posix_request header = {
		.number = number, .flags = flags, .in_size = (uint32_t)size, .null_mask = null_mask
	};

	memcpy(header.args, args, sizeof(header.args));
	request.internal = &internal;
	internal.request = &request;
	request_drop(&request);
	return request_decode(&request, &header, payload, size);
}

TEST(table_finds_calls_by_number)
{
	CHECK(call_find(257) != NULL);
	CHECK_STR_EQ(call_find(257)->name, "openat");
	CHECK(call_find(257)->handler == posix_openat);
	CHECK(call_find(174) == NULL);
	CHECK(call_find(448) == NULL);
	CHECK(call_find(UINT32_MAX) == NULL);
	CHECK_STR_EQ(call_find(POSIX_CLONE)->name, "clone");
	CHECK_STR_EQ(call_find(POSIX_CPU_CLOCK)->name, "cpu_clock");
	CHECK(call_find(POSIX_SYSCALL_COUNT) == NULL);
}

TEST(table_row_without_handler_has_none)
{
	CHECK(call_find(POSIX_EPOLL_WAIT)->handler == NULL);
}

TEST(path_is_decoded)
{
	const char payload[8] = "/etc";

	CHECK_EQ(decode(257, (uint64_t[6]){ 3, 5, 0 }, 0, 0, payload, 8), 0);
	CHECK_STR_EQ(request_path(&request, 1), "/etc");
	CHECK_EQ(request.args[0], 3);
}

TEST(path_without_end_is_refused)
{
	CHECK_EQ(decode(257, (uint64_t[6]){ 3 }, 0, 0, "abcdefgh", 8), -LINUX_EINVAL);
	CHECK_EQ(decode(257, (uint64_t[6]){ 3 }, 0, 0, "", 0), -LINUX_EINVAL);
}

TEST(path_longer_than_the_limit_is_refused)
{
	static char payload[8192];

	memset(payload, 'a', sizeof(payload) - 1);
	CHECK_EQ(decode(257, (uint64_t[6]){ 3 }, 0, 0, payload, sizeof(payload)), -LINUX_EINVAL);
}

TEST(two_paths_follow_each_other_padded)
{
	const char payload[24] = "a\0\0\0\0\0\0\0some/where";

	CHECK_EQ(decode(266, (uint64_t[6]){ 0 }, 0, 0, payload, 24), 0);
	CHECK_STR_EQ(request_path(&request, 0), "a");
	CHECK_STR_EQ(request_path(&request, 2), "some/where");
}

TEST(bulk_in_has_its_count)
{
	size_t size;

	CHECK_EQ(decode(1, (uint64_t[6]){ 1, 5, 5 }, 0, 0, "hello\0\0\0", 8), 0);
	CHECK_MEM_EQ(request_in(&request, 1, &size), "hello", 5);
	CHECK_EQ(size, 5);
}

TEST(bulk_in_beyond_the_payload_is_refused)
{
	CHECK_EQ(decode(1, (uint64_t[6]){ 1, 0, 9 }, 0, 0, "hello\0\0\0", 8), -LINUX_EINVAL);
	CHECK_EQ(decode(1, (uint64_t[6]){ 1, 0, UINT64_MAX }, 0, 0, "hello\0\0\0", 8),
		-LINUX_EINVAL);
	CHECK_EQ(decode(1, (uint64_t[6]){ 1, 0, POSIX_BULK_MAX + 1 }, 0, 0, "hello\0\0\0", 8),
		-LINUX_EINVAL);
}

TEST(bulk_out_limits)
{
	CHECK_EQ(decode(0, (uint64_t[6]){ 0, 0, POSIX_BULK_INLINE }, 0, 0, "", 0), 0);
	CHECK_EQ(internal.bulk_max, POSIX_BULK_INLINE);
	CHECK_EQ(decode(0, (uint64_t[6]){ 0, 0, POSIX_BULK_INLINE + 1 }, 0, 0, "", 0),
		-LINUX_EINVAL);
	CHECK_EQ(decode(0, (uint64_t[6]){ 0, 0, POSIX_BULK_MAX }, 0, POSIX_REQUEST_BULK_OUT, "", 0),
		0);
	CHECK_EQ(decode(0, (uint64_t[6]){ 0, 0, POSIX_BULK_MAX + 1 }, 0, POSIX_REQUEST_BULK_OUT, "",
			 0),
		-LINUX_EINVAL);
}

TEST(null_output_is_null)
{
	size_t size;

	/* wait4(pid, NULL, 0, rusage) */
	CHECK_EQ(decode(61, (uint64_t[6]){ 1 }, 2, 0, "", 0), 0);
	CHECK(request_out(&request, 1, &size) == NULL);
	CHECK(request_out(&request, 3, &size) != NULL);
	CHECK_EQ(size, 144);
	CHECK_EQ(internal.out_total, 144);
}

TEST(outputs_are_zero_and_padded)
{
	size_t size;
	uint8_t *status, *rusage;

	CHECK_EQ(decode(61, (uint64_t[6]){ 1 }, 0, 0, "", 0), 0);
	status = request_out(&request, 1, &size);
	CHECK_EQ(size, 4);
	rusage = request_out(&request, 3, NULL);
	CHECK_EQ(rusage - status, 8);
	CHECK_EQ(status[0], 0);
	CHECK_EQ(rusage[143], 0);
	CHECK_EQ(internal.out_total, 152);
}

TEST(inout_output_holds_the_input)
{
	const uint64_t offset = 77;
	uint64_t *out;

	CHECK_EQ(decode(40, (uint64_t[6]){ 1, 2 }, 0, 0, &offset, 8), 0);
	out = request_out(&request, 2, NULL);
	CHECK_EQ(*out, 77);
}

TEST(counted_output_is_limited)
{
	CHECK_EQ(decode(115, (uint64_t[6]){ 16 }, 0, 0, "", 0), 0);
	CHECK_EQ(internal.out_total, 64);
	CHECK_EQ(decode(115, (uint64_t[6]){ 1u << 30 }, 0, 0, "", 0), -LINUX_EINVAL);
	CHECK_EQ(decode(115, (uint64_t[6]){ UINT64_MAX / 2 }, 0, 0, "", 0), -LINUX_EINVAL);
	CHECK_EQ(decode(115, (uint64_t[6]){ UINT64_MAX / 2 }, 2, 0, "", 0), 0);
}

TEST(size_that_the_header_denies_is_garbage)
{
	struct posix_request header = { .number = 257, .in_size = 16 };

	CHECK_EQ(request_decode(&request, &header, "abc", 8), 1);
	header.in_size = POSIX_PAYLOAD_MAX + 8;
	CHECK_EQ(request_decode(&request, &header, "abc", POSIX_PAYLOAD_MAX + 8), 1);
}

TEST(internal_request_has_one_payload)
{
	const uint64_t registers[20] = { 1, 2, 3 };
	size_t size;

	CHECK_EQ(decode(POSIX_CLONE, (uint64_t[6]){ 17 }, 0, 0, registers, sizeof(registers)), 0);
	CHECK_MEM_EQ(request_in(&request, 4, &size), registers, sizeof(registers));
	CHECK_EQ(size, sizeof(registers));
	CHECK_EQ(internal.out_total, 0);
}

TEST(internal_request_counts_its_output)
{
	static uint64_t records[448];
	size_t size;

	CHECK_EQ(decode(POSIX_POLL, (uint64_t[6]){ 448 }, 0, 0, records, sizeof(records)), 0);
	CHECK(request_out(&request, 0, &size) != NULL);
	CHECK_EQ(size, sizeof(records));
	CHECK_EQ(decode(POSIX_POLL, (uint64_t[6]){ 1ull << 60 }, 0, 0, records, sizeof(records)),
		-LINUX_EINVAL);
	request_drop(&request);
}

TEST(internal_strings_are_found_and_missing_ones_empty)
{
	const char payload[32] = "proc\0\0\0\0/proc\0\0\0proc\0\0\0\0\0\0\0\0\0\0\0";

	CHECK_EQ(decode(POSIX_MOUNT, (uint64_t[6]){ 0 }, 0, 0, payload, 32), 0);
	CHECK_STR_EQ(request_path(&request, 0), "proc");
	CHECK_STR_EQ(request_path(&request, 1), "/proc");
	CHECK_STR_EQ(request_path(&request, 2), "proc");
	CHECK_STR_EQ(request_path(&request, 3), "");
	CHECK_STR_EQ(request_path(&request, 9), "");
}

TEST(long_payload_is_kept_when_it_must_be)
{
	static char payload[1024];

	memset(payload, 'x', sizeof(payload));
	CHECK_EQ(decode(1, (uint64_t[6]){ 1, 0, sizeof(payload) }, 0, 0, payload, sizeof(payload)),
		0);
	CHECK(request_in(&request, 1, NULL) == payload);
	CHECK_EQ(request_keep_payload(&request), 0);
	CHECK(request_in(&request, 1, NULL) != payload);
	CHECK_MEM_EQ(request_in(&request, 1, NULL), payload, sizeof(payload));
	request_drop(&request);
}

/* Whatever the bytes say, nothing outside the payload is touched (the sanitizers watch). */
TEST(random_requests_never_go_astray)
{
	struct random random;
	uint64_t sum = 0;

	random_init(&random, test_seed(1));
	for (unsigned round = 0; round < 20000; round++) {
		size_t size = random_below(&random, 400) & ~(size_t)7;
		uint8_t *payload = malloc(size + 1);
		uint64_t args[6];
		uint32_t number = random_chance(&random, 4)
			? POSIX_CLONE + (uint32_t)random_below(&random, 22)
			: (uint32_t)random_below(&random, 460);

		for (size_t i = 0; i < size; i++) {
			payload[i] = random_chance(&random, 5) ? 0 : (uint8_t)random_u64(&random);
		}
		for (unsigned i = 0; i < 6; i++) {
			args[i] = random_chance(&random, 2) ? random_below(&random, 300)
							    : random_u64(&random);
		}
		if (decode(number, args, (uint32_t)random_below(&random, 64),
			    random_chance(&random, 2) ? POSIX_REQUEST_BULK_OUT : 0, payload,
			    size) == 0 &&
			internal.row != NULL) {
			for (unsigned i = 0; i < 6; i++) {
				size_t part = 0;
				const uint8_t *in = request_in(&request, i, &part);
				uint8_t *out;

				if (in != NULL) {
					sum += hash_bytes(in, part, 0);
				}
				out = request_out(&request, i, &part);
				if (out != NULL) {
					memset(out, 1, part);
				}
			}
		}
		request_drop(&request);
		free(payload);
	}
	CHECK(sum != 0);
}

TEST(unimplemented_calls_are_counted)
{
	char text[256];

	unimplemented_count(300);
	unimplemented_count(300);
	unimplemented_count(165);
	text[unimplemented_print(text, sizeof(text) - 1)] = '\0';
	CHECK_STR_EQ(text, "165 mount 1\n300 - 2\n");
	for (uint32_t i = 0; i < 200; i++) {
		unimplemented_count(0xffff0000u | i);
	}
	CHECK(unimplemented_print(text, 20) <= 20);
}

/* Such a number would bring the handler other arguments than it expects. */
TEST(numbers_of_calls_that_are_internal_requests_have_no_handler)
{
	static const uint32_t numbers[] = { 7, 16, 56, 59, 72, 79, 157, 165, 232, 280 };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct call_row *row = call_find(numbers[i]);

		CHECK(row != NULL && row->name != NULL);
		CHECK(row->handler == NULL);
	}
}

TEST_MAIN()
