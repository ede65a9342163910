/* SPDX-License-Identifier: MIT */
/* Grants: what another process was given, and loses. */
#include "test.h"

constexpr uint64_t WINDOW = 0x7000'0000'0000; /* where the other process has it */
constexpr uint64_t STACK_BYTES = 16384;

/* What runs in the other process: it counts, in memory that it was granted. */
static __attribute__((noreturn)) void count_for_ever(void)
{
	_Atomic uint32_t *counter = (_Atomic uint32_t *)WINDOW;

	for (;;) {
		atomic_fetch_add(counter, 1);
	}
}

struct process {
	hel_handle universe, space, thread;
	uint64_t stack;
};

/* A copy of this process, in a universe of its own, with @memory at WINDOW. */
static bool process_make(struct process *process, hel_handle memory)
{
	struct hel_map_args window = {
		.memory = memory,
		.address = WINDOW,
		.size_bytes = HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FIXED,
	};
	struct hel_thread_args args = { .ip = (uint64_t)count_for_ever };
	uint64_t ignored;

	process->stack = map_pages(STACK_BYTES);
	if (process->stack == 0 || hel_space_fork(HEL_THIS, HEL_THIS, &process->space) != 0 ||
		hel_universe_create(&process->universe) != 0) {
		return false;
	}
	window.space = process->space;
	args.space = process->space;
	args.universe = process->universe;
	args.sp = process->stack + STACK_BYTES - 8;
	return hel_space_map(&window, &ignored) == 0 &&
		hel_thread_create(&args, &process->thread) == 0;
}

static void process_drop(struct process *process)
{
	(void)hel_thread_kill(process->thread);
	hel_close(HEL_THIS, process->thread);
	hel_close(HEL_THIS, process->space);
	hel_close(HEL_THIS, process->universe);
	unmap_pages(process->stack, STACK_BYTES);
}

TEST(revoked_memory_faults_elsewhere)
{
	struct hel_grant_handles granted;
	struct hel_observe_result observation;
	struct hel_map_args own = {
		.space = HEL_THIS,
		.size_bytes = HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	struct process process;
	uint64_t address;

	CHECK_EQ(hel_memory_allocate(HEL_PAGE_SIZE, 0, &own.memory), 0);
	CHECK_EQ(hel_space_map(&own, &address), 0);
	CHECK_EQ(hel_grant_create(HEL_NULL, own.memory, 0, 0, &granted), 0);
	CHECK(process_make(&process, granted.handle));
	_Atomic uint32_t *counter = (_Atomic uint32_t *)address;
	uint64_t observed = observe(process.thread, 0);

	CHECK_EQ(hel_thread_start(process.thread), 0);
	CHECK(wait_until(counter, 1000));
	CHECK_EQ(hel_grant_revoke(granted.grant), 0);
	/* From now on nobody counts, and the memory is still there. */
	uint32_t last = atomic_load(counter);

	CHECK(await_observation(observed, &observation));
	CHECK_EQ(observation.observation, HEL_OBSERVE_FAULT);
	CHECK_EQ(observation.address, WINDOW);
	CHECK_EQ(atomic_load(counter), last);
	atomic_store(counter, 1);
	CHECK_EQ(atomic_load(counter), 1);
	process_drop(&process);
	unmap_pages(address, HEL_PAGE_SIZE);
	hel_close(HEL_THIS, own.memory);
	hel_close(HEL_THIS, granted.grant);
	hel_close(HEL_THIS, granted.handle);
}

TEST(revoked_lanes_hang_up)
{
	static struct completion completion;
	struct hel_stream_lanes lanes;
	struct hel_grant_handles granted;
	struct hel_action receive = RECEIVE_INLINE(8);

	CHECK_EQ(hel_stream_create(&lanes), 0);
	CHECK_EQ(hel_grant_create(HEL_NULL, lanes.lane[1], 0, 0, &granted), 0);
	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[1]), 0);
	uint64_t theirs = submit_exchange(granted.handle, &receive, 1);

	CHECK(!is_complete(theirs));
	CHECK_EQ(hel_grant_revoke(granted.grant), 0);
	CHECK(await(theirs, &completion));
	CHECK_EQ(result_of(&completion, 0)->error, -ERR_END_OF_LANE);
	/* That was the last descriptor of it. */
	CHECK(await(submit_exchange(lanes.lane[0], &receive, 1), &completion));
	CHECK_EQ(result_of(&completion, 0)->error, -ERR_END_OF_LANE);
	CHECK_EQ(hel_lane_shutdown(granted.handle), -ERR_REVOKED);
	hel_close(HEL_THIS, lanes.lane[0]);
	hel_close(HEL_THIS, granted.grant);
	hel_close(HEL_THIS, granted.handle);
}

/* A grant that revokes on close goes with the process that made it. */
TEST(grants_end_with_their_makers)
{
	struct hel_grant_handles granted;
	struct hel_descriptor_info info;
	hel_handle universe, token, inside;

	CHECK_EQ(hel_universe_create(&universe), 0);
	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_grant_create(HEL_NULL, token, 0, HEL_GRANT_REVOKE_ON_CLOSE, &granted), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, granted.grant, universe, 0, &inside), 0);
	CHECK_EQ(hel_close(HEL_THIS, granted.grant), 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, granted.handle, &info), 0);
	CHECK_EQ(hel_close(HEL_THIS, universe), 0);
	CHECK_EQ(hel_nop(), 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, granted.handle, &info), -ERR_REVOKED);
	hel_close(HEL_THIS, granted.handle);
	hel_close(HEL_THIS, token);
}
