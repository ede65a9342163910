/* SPDX-License-Identifier: MIT */
/*
 * Large transfers: slice by slice, with everything that can happen between two of them.
 *
 * Copying takes no time in the simulation, so each slice is given some where the kernel asks for
 * the time. The first thread has a greater priority than the one that carries: its deadlines come
 * in the middle.
 */
#include "managed-server.h"

#include <thor/sched/sched.h>

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint64_t N_PAGES = 384; /* 24 slices */
constexpr uint64_t SIZE = N_PAGES * PAGE;
constexpr uint64_t SLICE_NS = 100'000;
constexpr uint64_t MIDDLE_NS = 1'000'000; /* after so long it is under way, and not yet done */

static struct user_queue queue;
static struct hel_stream_lanes lanes;
static struct completion left, right;
static uint64_t from, to, word;
static struct hel_action actions[2];
static uint64_t contexts[2];
static hel_handle carrier;
static uint64_t slice_ns;
static uint64_t n_slices;

bool __real_sched_should_pause(uint64_t since_ns);
bool __wrap_sched_should_pause(uint64_t since_ns);

bool __wrap_sched_should_pause(uint64_t since_ns)
{
	sim_time_ns += slice_ns;
	n_slices++;
	return __real_sched_should_pause(since_ns);
}

/* ---- data ------------------------------------------------------------------------------------ */

/* Each page is told by its first and last word. */
static void fill(uint64_t address, uint64_t n_pages)
{
	for (uint64_t i = 0; i < n_pages; i++) {
		uint64_t mark = i + 1;

		sim_store(address + i * PAGE, &mark, sizeof(mark));
		sim_store(address + i * PAGE + PAGE - sizeof(mark), &mark, sizeof(mark));
	}
}

static uint64_t load(uint64_t address)
{
	uint64_t value;

	sim_load(&value, address, sizeof(value));
	return value;
}

/* How many pages have come; none behind the first that has not. */
static uint64_t count_received(uint64_t address, uint64_t n_pages)
{
	uint64_t n_received = 0;

	while (n_received < n_pages && load(address + n_received * PAGE) == n_received + 1 &&
		load(address + n_received * PAGE + PAGE - 8) == n_received + 1) {
		n_received++;
	}
	for (uint64_t i = n_received; i < n_pages; i++) {
		CHECK_EQ(load(address + i * PAGE), 0);
		CHECK_EQ(load(address + i * PAGE + PAGE - 8), 0);
	}
	return n_received;
}

static void begin(void)
{
	struct hel_stream_lanes made;
	uint32_t zero = 0;

	CHECK_OK(queue_open(&queue, 8, 32768, 16384));
	CHECK_OK(hel_stream_create(&made));
	lanes = made;
	from = user_map(N_PAGES);
	to = user_map(N_PAGES);
	word = user_map(1);
	CHECK(from != 0 && to != 0 && word != 0);
	fill(from, N_PAGES);
	sim_store(word, &zero, sizeof(zero));
	actions[0] = SEND(from, SIZE);
	actions[1] = RECEIVE(to, SIZE);
	slice_ns = 0;
	/* A slice in which pages have to be made present is smaller. */
	CHECK_OK(hel_space_populate(HEL_THIS, to, N_PAGES * PAGE, HEL_POPULATE_WRITE));
	n_slices = 0;
	CHECK_OK(hel_thread_set_priority(HEL_THIS, 1));
}

static void end(void)
{
	slice_ns = 0;
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	(void)hel_close(HEL_THIS, lanes.lane[1]);
	(void)hel_space_unmap(HEL_THIS, from, SIZE);
	(void)hel_space_unmap(HEL_THIS, to, SIZE);
	(void)hel_space_unmap(HEL_THIS, word, PAGE);
	queue_close(&queue);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void sleep_ns(uint64_t duration_ns)
{
	CHECK_EQ(hel_futex_wait((const uint32_t *)word, 0, sim_time_ns + duration_ns, 1),
		-ERR_TIMED_OUT);
}

static void submit_both(void)
{
	for (uint32_t side = 0; side < 2; side++) {
		contexts[side] = submit_exchange(&queue, lanes.lane[side], &actions[side], 1);
	}
}

static void carry(UNUSED void *context)
{
	submit_both();
	(void)queue_drive(&queue);
}

static void start_carrying(void)
{
	CHECK_OK(user_create(carry, NULL, &carrier));
	CHECK_OK(hel_thread_set_priority(carrier, 0));
	CHECK_OK(hel_thread_start(carrier));
}

/* The carrier goes its way until it is under way. */
static void begin_in_the_middle(void)
{
	begin();
	slice_ns = SLICE_NS;
	start_carrying();
	sleep_ns(MIDDLE_NS);
	CHECK(queue_is_quiet(&queue));
	CHECK(n_slices > 4 && n_slices < 20);
}

static void expect_both(int send_error, int receive_error)
{
	CHECK(queue_await(&queue, contexts[0], &left));
	CHECK(queue_await(&queue, contexts[1], &right));
	CHECK_EQ(left.error, 0);
	CHECK_EQ(right.error, 0);
	CHECK_EQ(left.results[0].error, send_error);
	CHECK_EQ(right.results[0].error, receive_error);
	CHECK_EQ(left.results[0].value, send_error == 0 ? actions[0].length : 0);
	CHECK_EQ(right.results[0].value, receive_error == 0 ? actions[0].length : 0);
}

static void end_carrier(void)
{
	CHECK_OK(hel_thread_kill(carrier));
	CHECK_OK(hel_close(HEL_THIS, carrier));
}

/* ---- sizes ----------------------------------------------------------------------------------- */

USER_TEST(transfers_of_any_size_arrive)
{
	static const uint64_t sizes[] = {
		65535,
		65536,
		65537,
		131072,
		262144,
		262145,
		1 << 20,
		(1 << 20) + 1,
		SIZE - 8,
	};
	uint8_t byte = 0x5a, zero = 0;

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t skew = i % 3 * 3;
		uint64_t last = sizes[i] - 1;

		actions[0] = SEND(from + skew, sizes[i]);
		actions[1] = RECEIVE(to + 8 - skew, SIZE - 8);
		sim_store(from + skew + last, &byte, 1);
		sim_store(to + 8 - skew + last, &zero, 1);
		sim_store(to + 8 - skew + last + 1, &zero, 1);
		submit_both();
		expect_both(0, 0);
		sim_load(&byte, to + 8 - skew + last, 1);
		CHECK_EQ(byte, 0x5a);
		if (8 - skew + last + 1 < SIZE) {
			sim_load(&zero, to + 8 - skew + last + 1, 1);
			CHECK_EQ(zero, 0);
		}
		fill(from, N_PAGES);
	}
	actions[0] = SEND(from, SIZE);
	actions[1] = RECEIVE(to, SIZE);
	submit_both();
	expect_both(0, 0);
	CHECK_EQ(count_received(to, N_PAGES), N_PAGES);
	CHECK(n_slices >= 23);
	end();
}

/* Segments that end anywhere, some empty, some larger than slices. */
USER_TEST(scattered_transfers_of_any_size_arrive)
{
	struct hel_sg segments[5] = {
		{ 0, 100 * PAGE },
		{ 0, 0 },
		{ 0, 8 },
		{ 0, 60 * PAGE - 8 },
		{ 0, N_PAGES * PAGE - 160 * PAGE },
	};
	uint64_t offset = 0;

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(segments); i++) {
		segments[i].address = from + offset;
		offset += segments[i].length;
	}
	sim_store(word + 64, segments, sizeof(segments));
	actions[0] = SEND_SG(word + 64, ARRAY_SIZE(segments));
	submit_both();
	actions[0].length = SIZE;
	expect_both(0, 0);
	CHECK_EQ(count_received(to, N_PAGES), N_PAGES);
	/* A segment that is not there. */
	segments[4].address = 0x1000;
	sim_store(word + 64, segments, sizeof(segments));
	actions[0] = SEND_SG(word + 64, ARRAY_SIZE(segments));
	submit_both();
	expect_both(-ERR_FAULT, -ERR_DISMISSED);
	end();
}

USER_TEST(transfers_have_a_limit)
{
	struct hel_sg segments[64];
	struct hel_action action;

	begin();
	actions[0] = SEND(from, ((uint64_t)1 << 32) - 1);
	actions[1] = RECEIVE(to, HEL_ACTION_BYTES_MAX);
	submit_both();
	/* Both end: the sender's is found first. */
	CHECK(queue_await(&queue, contexts[0], &left));
	CHECK(queue_await(&queue, contexts[1], &right));
	CHECK((left.results[0].error == -ERR_FAULT && right.results[0].error == -ERR_DISMISSED) ||
		(left.results[0].error == -ERR_DISMISSED && right.results[0].error == -ERR_FAULT));
	CHECK_EQ(load(to + SIZE - 8), N_PAGES);
	action = SEND(from, HEL_ACTION_BYTES_MAX + 1);
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[0], &action, 1), &left));
	CHECK_EQ(left.error, -ERR_ILLEGAL_ARGS);
	action = RECEIVE(to, ~(uint64_t)0);
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[0], &action, 1), &left));
	CHECK_EQ(left.error, -ERR_ILLEGAL_ARGS);
	for (size_t i = 0; i < ARRAY_SIZE(segments); i++) {
		segments[i] = (struct hel_sg){ from, HEL_ACTION_BYTES_MAX / 64 };
	}
	sim_store(word + 64, segments, sizeof(segments));
	actions[0] = SEND_SG(word + 64, 64);
	submit_both();
	expect_both(-ERR_FAULT, -ERR_DISMISSED);
	segments[63].length++;
	sim_store(word + 64, segments, sizeof(segments));
	action = SEND_SG(word + 64, 64);
	CHECK(queue_await(&queue, submit_exchange(&queue, lanes.lane[0], &action, 1), &left));
	CHECK_EQ(left.error, -ERR_ILLEGAL_ARGS);
	end();
}

/* Both sides are refused or told that there is no memory, or one is and the other waits. */
static bool try_without_memory(uint64_t n_allocations)
{
	submit_both();
	fixture_fail_after(n_allocations);
	(void)queue_drive(&queue);
	fixture_fail_after(~0ull);
	bool has_left = queue_await(&queue, contexts[0], &left);
	bool has_right = queue_await(&queue, contexts[1], &right);

	if (has_left && has_right && left.error != 0) {
		CHECK_EQ(left.error, -ERR_NO_MEMORY);
		CHECK_EQ(right.error, -ERR_NO_MEMORY);
		return false;
	}
	if (has_left && has_right) {
		CHECK_EQ(right.error, 0);
		CHECK_EQ(left.results[0].error, right.results[0].error);
		CHECK(left.results[0].error == 0 || left.results[0].error == -ERR_NO_MEMORY);
		return left.results[0].error == 0;
	}
	CHECK_EQ((has_left ? &left : &right)->error, -ERR_NO_MEMORY);
	submit_cancel(&queue, contexts[has_left ? 1 : 0]);
	CHECK(queue_await(&queue, contexts[has_left ? 1 : 0], &left));
	return false;
}

USER_TEST(transfers_without_memory_fail)
{
	uint64_t n_allocations = 0;

	begin();
	CHECK_OK(hel_space_discard(HEL_THIS, to, N_PAGES * PAGE));
	while (!try_without_memory(n_allocations)) {
		n_allocations++;
		CHECK(n_allocations < 1000);
	}
	CHECK(n_allocations > 3);
	end();
}

/* ---- while it goes on ------------------------------------------------------------------------ */

/* Deadlines of others are kept: nobody waits for more than a turn. */
USER_TEST(transfers_let_interrupts_in)
{
	begin();
	slice_ns = SLICE_NS;
	start_carrying();
	for (uint32_t i = 0; queue_is_quiet(&queue); i++) {
		uint64_t deadline_ns = sim_time_ns + 150'000;

		sleep_ns(150'000);
		CHECK(sim_time_ns <= deadline_ns + 4 * SLICE_NS);
		CHECK(i < 100);
	}
	CHECK(sim_time_ns >= 23 * SLICE_NS);
	CHECK_EQ(count_received(to, N_PAGES), N_PAGES);
	end_carrier();
	end();
}

static uint64_t n_computed;
static bool is_computing;

static void compute(UNUSED void *context)
{
	while (is_computing) {
		sim_compute(100'000);
		n_computed++;
	}
}

static hel_handle start_computing(void)
{
	hel_handle thread;

	n_computed = 0;
	is_computing = true;
	CHECK_OK(user_create(compute, NULL, &thread));
	CHECK_OK(hel_thread_set_priority(thread, 0));
	CHECK_OK(hel_thread_start(thread));
	return thread;
}

/* The time is that of the thread that carries. */
USER_TEST(transfers_take_no_more_than_their_share)
{
	struct hel_thread_stats stats;

	begin();
	slice_ns = 2'000'000;
	hel_handle other = start_computing();
	uint64_t start_ns = sim_time_ns;

	start_carrying();
	while (queue_is_quiet(&queue)) {
		sleep_ns(1'000'000);
	}
	uint64_t duration_ns = sim_time_ns - start_ns;

	CHECK(duration_ns > 80'000'000);
	CHECK(n_computed * 100'000 > duration_ns * 4 / 10);
	CHECK(n_computed * 100'000 < duration_ns * 6 / 10);
	CHECK_OK(hel_thread_stats(carrier, &stats));
	CHECK(stats.user_ns + stats.kernel_ns > 40'000'000);
	is_computing = false;
	CHECK_EQ(count_received(to, N_PAGES), N_PAGES);
	end_carrier();
	CHECK_OK(hel_close(HEL_THIS, other));
	end();
}

/* It copies in the kernel, computes in user mode, and waits, which is neither. */
static void carry_compute_and_wait(UNUSED void *context)
{
	submit_both();
	(void)queue_drive(&queue);
	sim_compute(3'000'000);
	sleep_ns(5'000'000);
	sim_compute(1'000'000);
}

static void time_carrier(uint32_t flags, struct hel_thread_stats *out_stats)
{
	struct hel_thread_args args = {
		.universe = HEL_THIS,
		.space = HEL_THIS,
		.ip = SIM_IP,
		.tls_base = sim_program_create(carry_compute_and_wait, NULL),
		.flags = flags,
	};

	begin();
	slice_ns = SLICE_NS;
	CHECK_OK(hel_thread_create(&args, &carrier));
	CHECK_OK(hel_thread_start(carrier));
	/* It makes room for others all the time, but its own is counted. */
	for (uint32_t i = 0; i < 200; i++) {
		sleep_ns(100'000);
	}
	CHECK_OK(hel_thread_stats(carrier, out_stats));
	CHECK_EQ(out_stats->state, THREAD_TERMINATED);
	expect_both(0, 0);
	CHECK_OK(hel_close(HEL_THIS, carrier));
	end();
}

USER_TEST(time_in_the_kernel_is_told_apart)
{
	struct hel_thread_stats timed = {}, other = {};

	time_carrier(HEL_THREAD_TIMED, &timed);
	CHECK_EQ(timed.flags, HEL_THREAD_TIMED);
	/* Whenever the kernel looks at the clock it has taken some time. */
	CHECK(timed.kernel_ns >= 23 * SLICE_NS && timed.kernel_ns <= n_slices * SLICE_NS);
	CHECK(timed.user_ns >= 4'000'000 && timed.user_ns < 4'100'000);
	time_carrier(0, &other);
	CHECK_EQ(other.flags, 0);
	CHECK_EQ(other.kernel_ns, 0);
	CHECK(other.user_ns >= 4'000'000 + 23 * SLICE_NS);
	CHECK(other.user_ns <= 4'200'000 + n_slices * SLICE_NS);
}

/* A thread that waits in the drive that begins it. */
static void carry_and_wait(UNUSED void *context)
{
	submit_both();
	CHECK(queue_await(&queue, contexts[0], &left));
	CHECK(queue_await(&queue, contexts[1], &right));
}

USER_TEST(who_waits_for_its_transfer_carries_it_first)
{
	begin();
	slice_ns = SLICE_NS;
	CHECK_OK(user_create(carry_and_wait, NULL, &carrier));
	CHECK_OK(hel_thread_set_priority(carrier, 0));
	CHECK_OK(hel_thread_start(carrier));
	sleep_ns(40 * SLICE_NS);
	CHECK_EQ(left.results[0].error, 0);
	CHECK_EQ(right.results[0].error, 0);
	CHECK_EQ(count_received(to, N_PAGES), N_PAGES);
	CHECK_OK(hel_close(HEL_THIS, carrier));
	end();
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void check_part(void)
{
	uint64_t n_received = count_received(to, N_PAGES);

	CHECK(n_received > 16 && n_received < N_PAGES);
}

USER_TEST(transfers_can_be_cancelled_under_way)
{
	for (uint32_t side = 0; side < 2; side++) {
		begin_in_the_middle();
		submit_cancel(&queue, contexts[side]);
		CHECK_OK(queue_drive(&queue));
		/* Not when the carrier runs again: now. */
		CHECK(!queue_is_quiet(&queue) || queue.client.n_taken == 2);
		end_carrier();
		CHECK_EQ(queue.client.header->n_completions, 2);
		check_part();
		end();
	}
}

USER_TEST(cancelled_transfers_tell_both_sides)
{
	for (uint32_t side = 0; side < 2; side++) {
		begin_in_the_middle();
		submit_cancel(&queue, contexts[side]);
		expect_both(side == 0 ? -ERR_CANCELLED : -ERR_DISMISSED,
			side == 1 ? -ERR_CANCELLED : -ERR_DISMISSED);
		check_part();
		end_carrier();
		end();
	}
}

USER_TEST(closing_a_lane_ends_transfers_under_way)
{
	for (uint32_t side = 0; side < 2; side++) {
		begin_in_the_middle();
		CHECK_OK(hel_lane_shutdown(lanes.lane[side]));
		expect_both(side == 0 ? -ERR_LANE_SHUTDOWN : -ERR_END_OF_LANE,
			side == 1 ? -ERR_LANE_SHUTDOWN : -ERR_END_OF_LANE);
		check_part();
		end_carrier();
		end();
	}
}

USER_TEST(unmapping_ends_transfers_under_way)
{
	for (uint32_t side = 0; side < 2; side++) {
		begin_in_the_middle();
		CHECK_OK(hel_space_unmap(
			HEL_THIS, (side == 0 ? from : to) + SIZE - 20 * PAGE, 20 * PAGE));
		expect_both(side == 0 ? -ERR_FAULT : -ERR_DISMISSED,
			side == 1 ? -ERR_FAULT : -ERR_DISMISSED);
		CHECK_EQ(load(to + SIZE - 32 * PAGE - 8), N_PAGES - 32);
		end_carrier();
		end();
	}
}

USER_TEST(closing_the_queue_ends_transfers_under_way)
{
	begin_in_the_middle();
	queue_close(&queue);
	uint64_t n_received = count_received(to, N_PAGES);

	sleep_ns(10'000'000);
	CHECK_EQ(count_received(to, N_PAGES), n_received);
	end_carrier();
	CHECK_OK(queue_open(&queue, 1, 1024, 512));
	end();
}

/* ---- without their thread -------------------------------------------------------------------- */

USER_TEST(transfers_outlive_the_thread_that_carries_them)
{
	begin_in_the_middle();
	CHECK_OK(hel_thread_kill(carrier));
	expect_both(0, 0);
	CHECK_EQ(count_received(to, N_PAGES), N_PAGES);
	CHECK_OK(hel_close(HEL_THIS, carrier));
	end();
}

USER_TEST(transfers_go_on_when_their_thread_is_stopped)
{
	begin_in_the_middle();
	CHECK_OK(hel_thread_interrupt(carrier));
	CHECK(queue_await(&queue, submit_observe(&queue, carrier, 0), &left));
	CHECK_EQ(completion_observation(&left)->observation, HEL_OBSERVE_INTERRUPTED);
	expect_both(0, 0);
	CHECK_EQ(count_received(to, N_PAGES), N_PAGES);
	end_carrier();
	end();
}

USER_TEST(transfers_without_thread_leave_time_to_others)
{
	begin_in_the_middle();
	hel_handle other = start_computing();
	uint64_t start_ns = sim_time_ns;

	CHECK_OK(hel_thread_kill(carrier));
	while (queue_is_quiet(&queue)) {
		sleep_ns(100'000);
	}
	/* Each look at the clock takes a slice here, also that after the work. */
	CHECK(n_computed * 100'000 > (sim_time_ns - start_ns) * 5 / 10);
	is_computing = false;
	CHECK_EQ(count_received(to, N_PAGES), N_PAGES);
	CHECK_OK(hel_close(HEL_THIS, carrier));
	CHECK_OK(hel_close(HEL_THIS, other));
	end();
}

USER_TEST(transfers_without_thread_can_be_cancelled)
{
	for (uint32_t side = 0; side < 2; side++) {
		begin_in_the_middle();
		CHECK_OK(hel_thread_kill(carrier));
		sleep_ns(400'000);
		CHECK(queue_is_quiet(&queue));
		submit_cancel(&queue, contexts[side]);
		expect_both(side == 0 ? -ERR_CANCELLED : -ERR_DISMISSED,
			side == 1 ? -ERR_CANCELLED : -ERR_DISMISSED);
		check_part();
		CHECK_OK(hel_close(HEL_THIS, carrier));
		end();
	}
}

/* ---- pages that have to be brought ----------------------------------------------------------- */

USER_TEST(large_transfers_wait_for_pages)
{
	begin();
	server_begin(N_PAGES);
	server_start();
	actions[0] = SEND(server.frontal_address, SIZE);
	submit_both();
	expect_both(0, 0);
	for (uint64_t i = 0; i < N_PAGES; i++) {
		CHECK_EQ(load(to + i * PAGE), server_word(i));
	}
	actions[0] = SEND(from, SIZE);
	actions[1] = RECEIVE(server.frontal_address, SIZE);
	CHECK_OK(hel_memory_advise(server.handles.frontal, HEL_ADVICE_DONT_NEED, 0, SIZE));
	submit_both();
	expect_both(0, 0);
	CHECK_EQ(load(server.frontal_address + SIZE - 8), N_PAGES);
	server.fails_reads = true;
	CHECK_OK(hel_memory_resize(server.handles.backing, SIZE / 2));
	submit_both();
	expect_both(-ERR_DISMISSED, -ERR_FAULT);
	server_end();
	end();
}

/* ---- at any time ----------------------------------------------------------------------------- */

static struct random random_state;
static uint32_t deed;
static const char *failure;

constexpr uint32_t DEEDS = 11;

static void expect(bool is_true, const char *what)
{
	if (!is_true && failure == NULL) {
		failure = what;
	}
}

static void do_deed(void)
{
	uint64_t part = random_below(&random_state, N_PAGES / 2) * PAGE;

	switch (deed) {
	case 0: break;
	case 1:
	case 2: submit_cancel(&queue, contexts[deed - 1]); break;
	case 3:
	case 4: (void)hel_lane_shutdown(lanes.lane[deed - 3]); break;
	case 5: (void)hel_space_unmap(HEL_THIS, from + part, 8 * PAGE); break;
	case 6: (void)hel_space_unmap(HEL_THIS, to + part, 8 * PAGE); break;
	case 7: (void)hel_thread_kill(carrier); break;
	case 8: (void)hel_thread_interrupt(carrier); break;
	case 9: (void)hel_thread_kick(carrier); break;
	default: (void)hel_thread_set_affinity(carrier, 2); break;
	}
	(void)queue_drive(&queue);
}

static bool is_allowed(int send_error, int receive_error)
{
	static const int allowed[DEEDS][2] = {
		{ 0, 0 },
		{ -ERR_CANCELLED, -ERR_DISMISSED },
		{ -ERR_DISMISSED, -ERR_CANCELLED },
		{ -ERR_LANE_SHUTDOWN, -ERR_END_OF_LANE },
		{ -ERR_END_OF_LANE, -ERR_LANE_SHUTDOWN },
		{ -ERR_FAULT, -ERR_DISMISSED },
		{ -ERR_DISMISSED, -ERR_FAULT },
	};

	return (send_error == 0 && receive_error == 0) ||
		(send_error == allowed[deed][0] && receive_error == allowed[deed][1]);
}

/* The other thread has submitted both; it may be killed in the middle of that. */
static _Atomic bool is_submitted;

static void carry_and_say(UNUSED void *context)
{
	submit_both();
	atomic_store(&is_submitted, true);
	(void)queue_drive(&queue);
	sim_compute(1000);
}

static void disturb(UNUSED void *context)
{
	begin();
	atomic_store(&is_submitted, false);
	carrier = user_start(carry_and_say, NULL);
	while (!atomic_load(&is_submitted)) {
		sim_compute(100);
	}
	sim_compute(random_below(&random_state, 1500));
	do_deed();
	expect(queue_await(&queue, contexts[0], &left), "the sender hears nothing");
	expect(queue_await(&queue, contexts[1], &right), "the receiver hears nothing");
	expect(is_allowed(left.results[0].error, right.results[0].error), "errors");
	if (left.results[0].error == 0 && deed != 6) {
		expect(count_received(to, N_PAGES) == N_PAGES, "data");
	}
	sim_compute(10'000);
	expect(queue_is_quiet(&queue), "it ends twice");
	(void)hel_thread_kill(carrier);
	(void)hel_close(HEL_THIS, carrier);
	end();
}

TEST(transfers_are_disturbed_at_any_time)
{
	uint64_t seed = test_seed(1);

	for (uint32_t round = 0; round < 220; round++) {
		failure = NULL;
		deed = round % DEEDS;
		random_init(&random_state, seed + round);
		machine_begin(2 + round % 2, seed + round);
		sim_interleave(round % 3 == 0 ? 0 : 8u << round % 4);
		CHECK(machine_run(disturb, NULL));
		if (failure != NULL) {
			test_fail(
				__FILE__, __LINE__, "round %u, deed %u: %s", round, deed, failure);
		}
		CHECK(machine_end());
	}
}

TEST_MAIN()
