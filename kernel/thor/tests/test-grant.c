/* SPDX-License-Identifier: MIT */
/* Grants: what is revoked, and what goes on. What goes through memory is in test-grant-memory.c. */
#include "machine.h"

constexpr uint64_t PAGE = HEL_PAGE_SIZE;

static struct user_queue queue;
static struct completion completion;

/* ---- slices: each step of a sweep is the last of its stay in the kernel ---------------------- */

static bool always_pauses;

bool __real_sched_should_pause(uint64_t since_ns);
bool __wrap_sched_should_pause(uint64_t since_ns);

bool __wrap_sched_should_pause(uint64_t since_ns)
{
	return always_pauses || __real_sched_should_pause(since_ns);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static int info_of(hel_handle handle)
{
	struct hel_descriptor_info info;

	return hel_descriptor_info(HEL_THIS, handle, &info);
}

/* A grant of a token. */
static struct hel_grant_handles grant_token(uint32_t flags)
{
	struct hel_grant_handles handles = {};
	hel_handle token;

	if (hel_token_create(&token) != 0 ||
		hel_grant_create(HEL_NULL, token, 0, flags, &handles) != 0 ||
		hel_close(HEL_THIS, token) != 0) {
		handles = (struct hel_grant_handles){};
	}
	return handles;
}

static struct hel_grant_handles grant_of_handle(hel_handle handle)
{
	struct hel_grant_handles handles = {};

	return hel_grant_create(HEL_NULL, handle, 0, 0, &handles) == 0
		? handles
		: (struct hel_grant_handles){};
}

static struct hel_stream_lanes make_stream(void)
{
	struct hel_stream_lanes lanes = {};

	return hel_stream_create(&lanes) == 0 ? lanes : (struct hel_stream_lanes){};
}

static int await_error(uint64_t context)
{
	return queue_await(&queue, context, &completion) ? completion.error : INT32_MIN;
}

/* The error of the one action of an exchange. */
static int await_action(uint64_t context)
{
	int error = await_error(context);

	return error != 0 ? error : completion.results[0].error;
}

/* ---- descriptors ----------------------------------------------------------------------------- */

USER_TEST(revoked_descriptors_are_errors)
{
	hel_handle event;
	struct hel_grant_handles granted;

	CHECK_OK(hel_event_create(0, &event));
	CHECK_OK(hel_grant_create(HEL_NULL, event, 0, 0, &granted));
	CHECK_OK(hel_event_raise(granted.handle, 1));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(hel_event_raise(granted.handle, 1), -ERR_REVOKED);
	CHECK_EQ(info_of(granted.handle), -ERR_REVOKED);
	/* Who has granted it goes on. */
	CHECK_OK(hel_event_raise(event, 1));
	CHECK_OK(hel_close(HEL_THIS, granted.handle));
	CHECK_EQ(info_of(granted.handle), -ERR_BAD_HANDLE);
	CHECK_OK(hel_grant_revoke(granted.grant));
}

USER_TEST(copies_go_with_it)
{
	struct hel_grant_handles granted = grant_token(0);
	hel_handle universe, copy, narrow, there, back;
	struct hel_descriptor_info info;

	CHECK_OK(hel_universe_create(&universe));
	CHECK_OK(hel_transfer(HEL_THIS, granted.handle, HEL_THIS, 0, &copy));
	CHECK_OK(hel_transfer(HEL_THIS, copy, HEL_THIS, HEL_RIGHT_READ, &narrow));
	CHECK_OK(hel_transfer(HEL_THIS, copy, universe, 0, &there));
	CHECK_OK(hel_transfer(universe, there, HEL_THIS, 0, &back));
	CHECK_OK(hel_close(HEL_THIS, granted.handle));
	CHECK_OK(info_of(narrow));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(info_of(copy), -ERR_REVOKED);
	CHECK_EQ(info_of(narrow), -ERR_REVOKED);
	CHECK_EQ(info_of(back), -ERR_REVOKED);
	CHECK_EQ(hel_descriptor_info(universe, there, &info), -ERR_REVOKED);
	CHECK_EQ(hel_transfer(HEL_THIS, copy, HEL_THIS, 0, &back), -ERR_REVOKED);
	CHECK_EQ(hel_transfer(universe, there, HEL_THIS, 0, &back), -ERR_REVOKED);
	CHECK_OK(hel_close(universe, there));
}

USER_TEST(rights_of_a_grant)
{
	hel_handle token, weak;
	struct hel_grant_handles granted, more;
	struct hel_descriptor_info info;

	CHECK_OK(hel_token_create(&token));
	CHECK_OK(hel_grant_create(HEL_NULL, token, HEL_RIGHT_READ, 0, &granted));
	CHECK_OK(hel_descriptor_info(HEL_THIS, granted.handle, &info));
	CHECK_EQ(info.rights, HEL_RIGHT_READ);
	CHECK_OK(hel_descriptor_info(HEL_THIS, granted.grant, &info));
	CHECK_EQ(info.type, HEL_TYPE_GRANT);
	CHECK_EQ(info.rights, HEL_RIGHT_GRANT | HEL_RIGHT_MANAGE | HEL_RIGHT_DERIVE);
	/* Who may put descriptors under it need not be able to revoke. */
	CHECK_OK(hel_transfer(HEL_THIS, granted.grant, HEL_THIS, HEL_RIGHT_GRANT, &weak));
	CHECK_OK(hel_grant_create(weak, token, 0, 0, &more));
	CHECK_EQ(more.grant, weak);
	CHECK_EQ(hel_grant_revoke(weak), -ERR_NO_RIGHTS);
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(info_of(more.handle), -ERR_REVOKED);
}

USER_TEST(grant_create_refuses_nonsense)
{
	struct hel_grant_handles granted = grant_token(0);
	struct hel_grant_handles other = grant_token(0);
	struct hel_grant_handles made;
	hel_handle token;

	CHECK_OK(hel_token_create(&token));
	CHECK_EQ(hel_grant_create(HEL_NULL, token, 1u << 31, 0, &made), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_grant_create(HEL_NULL, token, 0, 2, &made), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_grant_create(granted.grant, token, 0, HEL_GRANT_REVOKE_ON_CLOSE, &made),
		-ERR_ILLEGAL_ARGS);
	/* It would not go with its own grant. */
	CHECK_EQ(hel_grant_create(granted.grant, other.handle, 0, 0, &made), -ERR_ILLEGAL_ARGS);
	CHECK_OK(hel_grant_create(granted.grant, granted.handle, 0, 0, &made));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(hel_grant_create(granted.grant, token, 0, 0, &made), -ERR_REVOKED);
	CHECK_EQ(hel_grant_create(HEL_NULL, granted.handle, 0, 0, &made), -ERR_REVOKED);
}

/* Nothing is left behind if there is no room for the answer, or for the second descriptor. */
USER_TEST(grant_create_fails_as_a_whole)
{
	hel_handle token, last, copy;
	struct hel_grant_handles made;

	CHECK_OK(hel_token_create(&token));
	CHECK_EQ(hel_grant_create(HEL_NULL, token, 0, HEL_GRANT_REVOKE_ON_CLOSE,
			 (struct hel_grant_handles *)16),
		-ERR_FAULT);
	while (hel_transfer(HEL_THIS, token, HEL_THIS, 0, &copy) == 0) {
		last = copy;
	}
	CHECK_OK(hel_close(HEL_THIS, last));
	CHECK_EQ(hel_grant_create(HEL_NULL, token, 0, 0, &made), -ERR_NO_SPACE);
	CHECK_OK(hel_transfer(HEL_THIS, token, HEL_THIS, 0, &copy));
}

USER_TEST(grants_nest)
{
	struct hel_grant_handles outer = grant_token(0);
	struct hel_grant_handles inner, sibling;

	CHECK_OK(hel_grant_create(HEL_NULL, outer.handle, 0, 0, &inner));
	CHECK_OK(hel_grant_create(HEL_NULL, outer.handle, 0, 0, &sibling));
	CHECK_OK(hel_grant_revoke(inner.grant));
	CHECK_EQ(info_of(inner.handle), -ERR_REVOKED);
	CHECK_OK(info_of(sibling.handle));
	CHECK_OK(info_of(outer.handle));
	CHECK_OK(hel_grant_revoke(outer.grant));
	CHECK_EQ(info_of(sibling.handle), -ERR_REVOKED);
	CHECK_EQ(info_of(outer.handle), -ERR_REVOKED);
	CHECK_OK(hel_grant_revoke(sibling.grant));
}

USER_TEST(grants_nest_only_so_deep)
{
	struct hel_grant_handles outer = grant_token(0);
	struct hel_grant_handles inner = outer, next;
	uint32_t depth = 0;
	int error;

	while ((error = hel_grant_create(HEL_NULL, inner.handle, 0, 0, &next)) == 0) {
		/* Neither its descriptors nor those of the grant are needed. */
		CHECK_OK(hel_close(HEL_THIS, inner.handle));
		if (inner.grant != outer.grant) {
			CHECK_OK(hel_close(HEL_THIS, inner.grant));
		}
		inner = next;
		depth++;
	}
	CHECK_EQ(error, -ERR_NO_SPACE);
	CHECK_EQ(depth, 15);
	CHECK_OK(info_of(inner.handle));
	CHECK_OK(hel_grant_revoke(outer.grant));
	CHECK_EQ(info_of(inner.handle), -ERR_REVOKED);
}

USER_TEST(closing_a_grant_revokes_if_asked_to)
{
	struct hel_grant_handles kept = grant_token(0);
	struct hel_grant_handles taken = grant_token(HEL_GRANT_REVOKE_ON_CLOSE);
	hel_handle copy;

	CHECK_OK(hel_close(HEL_THIS, kept.grant));
	CHECK_OK(info_of(kept.handle));
	CHECK_OK(hel_transfer(HEL_THIS, taken.grant, HEL_THIS, 0, &copy));
	CHECK_OK(hel_close(HEL_THIS, taken.grant));
	CHECK_OK(info_of(taken.handle));
	CHECK_OK(hel_close(HEL_THIS, copy));
	CHECK_EQ(info_of(taken.handle), -ERR_REVOKED);
}

/* What was revoked is no descriptor of the object any more: so the stream ends. */
USER_TEST(revoking_gives_up_the_object)
{
	struct hel_stream_lanes lanes = make_stream();
	struct hel_grant_handles granted = grant_of_handle(lanes.lane[1]);
	struct hel_action receive = RECEIVE_INLINE(8);

	CHECK_OK(queue_open(&queue, 2, 4096, 1024));
	uint64_t context = submit_exchange(&queue, lanes.lane[0], &receive, 1);

	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[1]));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(await_action(context), -ERR_END_OF_LANE);
	queue_close(&queue);
}

/* ---- what is made of what was granted -------------------------------------------------------- */

USER_TEST(parts_and_views_go_with_it)
{
	hel_handle memory, slice, view, dma_space, event;
	struct hel_grant_handles granted, granted_space;

	CHECK_OK(hel_memory_allocate(4 * PAGE, 0, &memory));
	granted = grant_of_handle(memory);
	CHECK_OK(hel_memory_slice(granted.handle, PAGE, PAGE, &slice));
	CHECK_OK(hel_memory_copy_on_write(granted.handle, 0, PAGE, &view));
	CHECK_OK(hel_dma_space_create(&dma_space));
	granted_space = grant_of_handle(dma_space);
	CHECK_OK(hel_dma_space_event(granted_space.handle, &event));
	CHECK_OK(info_of(slice));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_OK(hel_grant_revoke(granted_space.grant));
	CHECK_EQ(info_of(slice), -ERR_REVOKED);
	CHECK_EQ(info_of(view), -ERR_REVOKED);
	CHECK_EQ(info_of(event), -ERR_REVOKED);
	CHECK_OK(info_of(memory));
}

USER_TEST(what_an_authority_makes_goes_with_it)
{
	struct hel_grant_handles granted = grant_of_handle(machine_authority);
	struct hel_msi_info message;
	hel_handle memory, io, line, msi;

	CHECK_OK(hel_memory_physical(granted.handle, GIB(8), PAGE, HEL_CACHE_UNCACHED, &memory));
	CHECK_OK(hel_io_create(granted.handle, 0x80, 1, &io));
	CHECK_OK(hel_irq_create_line(granted.handle, 5, HEL_IRQ_LINE_LEVEL, &line));
	CHECK_OK(hel_irq_create_msi(granted.handle, &message, &msi));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(info_of(memory), -ERR_REVOKED);
	CHECK_EQ(info_of(io), -ERR_REVOKED);
	CHECK_EQ(info_of(line), -ERR_REVOKED);
	CHECK_EQ(info_of(msi), -ERR_REVOKED);
	/* The line is free for others. */
	CHECK_OK(hel_irq_create_line(machine_authority, 5, 0, &line));
}

/* ---- operations ------------------------------------------------------------------------------ */

USER_TEST(operations_end)
{
	hel_handle event;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_event_create(0, &event));
	struct hel_grant_handles granted = grant_of_handle(event);
	uint64_t mine = submit_event(&queue, event, 0);
	uint64_t theirs[3] = {
		submit_event(&queue, granted.handle, 0),
		submit_event(&queue, granted.handle, 0),
		submit_event(&queue, granted.handle, 0),
	};

	CHECK_OK(queue_drive(&queue));
	submit_cancel(&queue, theirs[1]);
	CHECK_EQ(await_error(theirs[1]), -ERR_CANCELLED);
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(await_error(theirs[0]), -ERR_REVOKED);
	CHECK_EQ(await_error(theirs[2]), -ERR_REVOKED);
	CHECK_EQ(await_error(submit_event(&queue, granted.handle, 0)), -ERR_REVOKED);
	CHECK_OK(hel_event_raise(event, 1));
	CHECK_OK(await_error(mine));
	queue_close(&queue);
}

static void idle_main(UNUSED void *context)
{
}

USER_TEST(observations_end)
{
	hel_handle thread;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(user_create(idle_main, NULL, &thread));
	struct hel_grant_handles granted = grant_of_handle(thread);
	uint64_t context = submit_observe(&queue, granted.handle, 0);

	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(await_error(context), -ERR_REVOKED);
	context = submit_observe(&queue, thread, 0);
	CHECK_OK(hel_thread_kill(thread));
	CHECK_OK(await_error(context));
	queue_close(&queue);
}

USER_TEST(operations_on_managed_memory_end)
{
	struct hel_managed_handles managed;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_memory_create_managed(4 * PAGE, 0, &managed));
	struct hel_grant_handles backing = grant_of_handle(managed.backing);
	struct hel_grant_handles frontal = grant_of_handle(managed.frontal);
	uint64_t manage = submit_manage(&queue, backing.handle);
	uint64_t lock;

	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_grant_revoke(backing.grant));
	CHECK_EQ(await_error(manage), -ERR_REVOKED);
	/* The page never comes; the fence has nothing to wait for. */
	lock = submit_lock(&queue, frontal.handle, 0, PAGE, 0);
	CHECK_OK(await_error(submit_fence(&queue, frontal.handle, 0, PAGE)));
	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_grant_revoke(frontal.grant));
	CHECK_EQ(await_error(lock), -ERR_REVOKED);
	CHECK_EQ(await_error(submit_fence(&queue, frontal.handle, 0, PAGE)), -ERR_REVOKED);
	queue_close(&queue);
}

/* An operation that is complete, and waits for a chunk, is left alone. */
USER_TEST(completions_that_wait_stay)
{
	struct hel_managed_handles managed;
	uint64_t contexts[64];

	CHECK_OK(queue_open(&queue, 1, 1024, 8192));
	CHECK_OK(hel_memory_create_managed(64 * PAGE, 0, &managed));
	struct hel_grant_handles backing = grant_of_handle(managed.backing);

	for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
		contexts[i] = submit_fence(&queue, managed.frontal, 0, PAGE);
	}
	uint64_t manage = submit_manage(&queue, backing.handle);

	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_grant_revoke(backing.grant));
	CHECK_OK(hel_grant_revoke(backing.grant));
	for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
		CHECK_OK(await_error(contexts[i]));
	}
	CHECK_EQ(await_error(manage), -ERR_REVOKED);
	queue_close(&queue);
}

/* ---- lanes ----------------------------------------------------------------------------------- */

USER_TEST(granted_lanes_hang_up)
{
	struct hel_stream_lanes lanes = make_stream();
	struct hel_grant_handles granted = grant_of_handle(lanes.lane[1]);
	struct hel_action receive = RECEIVE_INLINE(8), dismiss = DISMISS();

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	uint64_t theirs = submit_exchange(&queue, granted.handle, &receive, 1);
	uint64_t mine = submit_exchange(&queue, lanes.lane[1], &receive, 1);

	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(await_action(theirs), -ERR_END_OF_LANE);
	CHECK_EQ(await_action(submit_exchange(&queue, granted.handle, &receive, 1)), -ERR_REVOKED);
	/* The stream itself goes on. */
	CHECK_OK(await_action(submit_exchange(&queue, lanes.lane[0], &dismiss, 1)));
	CHECK_EQ(await_action(mine), -ERR_DISMISSED);
	queue_close(&queue);
}

/* An exchange that has taken over its lane's descriptor. */
USER_TEST(exchanges_that_close_their_lanes)
{
	struct hel_stream_lanes lanes = make_stream();
	struct hel_grant_handles granted = grant_of_handle(lanes.lane[1]);
	struct hel_action receive = RECEIVE_INLINE(8);
	hel_handle copy;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_transfer(HEL_THIS, granted.handle, HEL_THIS, 0, &copy));
	uint64_t theirs =
		submit_exchange_with(&queue, granted.handle, &receive, 1, HEL_EXCHANGE_CLOSE_LANE);

	CHECK_OK(queue_drive(&queue));
	CHECK_EQ(info_of(granted.handle), -ERR_BAD_HANDLE);
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(await_action(theirs), -ERR_END_OF_LANE);
	CHECK_EQ(await_action(
			 submit_exchange_with(&queue, copy, &receive, 1, HEL_EXCHANGE_CLOSE_LANE)),
		-ERR_REVOKED);
	CHECK_OK(hel_close(HEL_THIS, copy));
	queue_close(&queue);
}

/* What waits behind an ACCEPT ends as well, and lanes that came over the granted one. */
USER_TEST(conversations_end)
{
	struct hel_stream_lanes lanes = make_stream();
	struct hel_grant_handles granted = grant_of_handle(lanes.lane[1]);
	struct hel_action accept[2] = { ACCEPT(HEL_ACTION_WANT_LANE), ancillary(PULL()) };
	struct hel_action offer[1] = { OFFER(HEL_ACTION_WANT_LANE) };
	struct hel_action receive = RECEIVE_INLINE(8);

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	uint64_t theirs[2] = {
		submit_exchange(&queue, granted.handle, accept, 2),
		submit_exchange(&queue, granted.handle, accept, 2),
	};
	uint64_t mine = submit_exchange(&queue, lanes.lane[0], offer, 1);

	CHECK_OK(await_action(mine));
	hel_handle conversation = completion.results[0].value;

	CHECK_OK(hel_grant_revoke(granted.grant));
	for (int i = 0; i < 2; i++) {
		CHECK_OK(await_error(theirs[i]));
		CHECK_EQ(completion.results[0].error, i == 0 ? 0 : -ERR_END_OF_LANE);
		CHECK_EQ(completion.results[1].error, -ERR_END_OF_LANE);
		if (i == 0) {
			CHECK_EQ(info_of(completion.results[0].value), -ERR_REVOKED);
		}
	}
	/* Nobody has the other end any more. */
	CHECK_EQ(
		await_action(submit_exchange(&queue, conversation, &receive, 1)), -ERR_END_OF_LANE);
	CHECK_OK(info_of(lanes.lane[0]));
	queue_close(&queue);
}

USER_TEST(descriptors_are_dead_on_arrival)
{
	struct hel_stream_lanes lanes = make_stream();
	struct hel_stream_lanes watched = make_stream();
	struct hel_grant_handles granted = grant_of_handle(watched.lane[1]);
	struct hel_action push[2] = { PUSH(granted.handle), PUSH(granted.handle) };
	struct hel_action pull[2] = { PULL(), PULL() };
	struct hel_action receive = RECEIVE_INLINE(8);

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	uint64_t pushed = submit_exchange(&queue, lanes.lane[0], push, 1);
	uint64_t pulled = submit_exchange(&queue, lanes.lane[1], pull, 1);

	CHECK_OK(await_action(pushed));
	CHECK_OK(await_action(pulled));
	hel_handle copy = completion.results[0].value;

	CHECK_OK(info_of(copy));
	pushed = submit_exchange(&queue, lanes.lane[0], push, 2);
	uint64_t watch = submit_exchange(&queue, watched.lane[0], &receive, 1);

	CHECK_OK(queue_drive(&queue));
	CHECK_OK(hel_close(HEL_THIS, watched.lane[1]));
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_EQ(info_of(copy), -ERR_REVOKED);
	/* What is on its way has let go of the object, too. */
	CHECK_EQ(await_action(watch), -ERR_END_OF_LANE);
	pulled = submit_exchange(&queue, lanes.lane[1], pull, 2);
	CHECK_OK(await_error(pushed));
	CHECK_EQ(completion.results[0].error, -ERR_REVOKED);
	CHECK_EQ(completion.results[1].error, -ERR_REVOKED);
	CHECK_OK(await_error(pulled));
	CHECK_EQ(completion.results[0].error, -ERR_REVOKED);
	CHECK_EQ(completion.results[1].error, -ERR_REVOKED);
	CHECK_EQ(await_action(submit_exchange(&queue, lanes.lane[0], push, 1)), -ERR_REVOKED);
	queue_close(&queue);
}

/* A descriptor that is pushed and never pulled is given back with its exchange. */
USER_TEST(pushes_that_nobody_takes)
{
	struct hel_stream_lanes lanes = make_stream();
	struct hel_grant_handles granted = grant_token(0);
	struct hel_action push = PUSH(granted.handle), dismiss = DISMISS();

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	uint64_t pushed = submit_exchange(&queue, lanes.lane[0], &push, 1);

	CHECK_OK(await_action(submit_exchange(&queue, lanes.lane[1], &dismiss, 1)));
	CHECK_EQ(await_action(pushed), -ERR_DISMISSED);
	pushed = submit_exchange(&queue, lanes.lane[0], &push, 1);
	CHECK_OK(queue_drive(&queue));
	submit_cancel(&queue, pushed);
	CHECK_EQ(await_action(pushed), -ERR_CANCELLED);
	CHECK_OK(info_of(granted.handle));
	queue_close(&queue);
}

/* ---- waiting on a granted queue -------------------------------------------------------------- */

static int wait_result;
static hel_handle wait_queue;

static void wait_main(UNUSED void *context)
{
	wait_result = hel_drive(wait_queue, HEL_DRIVE_WAIT, 0, HEL_DEADLINE_NEVER, NULL);
}

USER_TEST(threads_stop_waiting)
{
	const struct hel_queue_params params = {
		.n_chunks = 1, .chunk_size = 4096, .submit_size = 512
	};
	hel_handle own;

	CHECK_OK(hel_queue_create(&params, &own));
	struct hel_grant_handles granted = grant_of_handle(own);

	wait_queue = granted.handle;
	wait_result = INT32_MAX;
	CHECK(user_start(wait_main, NULL) != HEL_NULL);
	CHECK_OK(hel_thread_yield());
	CHECK_EQ(wait_result, INT32_MAX);
	CHECK_OK(hel_grant_revoke(granted.grant));
	CHECK_OK(hel_thread_yield());
	CHECK_EQ(wait_result, -ERR_REVOKED);
}

/* ---- long sweeps ----------------------------------------------------------------------------- */

constexpr uint32_t MANY = 1000;

static hel_handle many_grant, many_copies[MANY], many_universe;

/* Many uses of a few grants: copies here and there, and operations. */
static bool make_many(void)
{
	struct hel_grant_handles granted = grant_token(0), inner = {};

	if (queue_open(&queue, 4, 4096, 65536) != 0 || hel_universe_create(&many_universe) != 0 ||
		hel_grant_create(HEL_NULL, granted.handle, 0, 0, &inner) != 0) {
		return false;
	}
	for (uint32_t i = 0; i < MANY; i++) {
		if (hel_transfer(HEL_THIS, i % 3 == 0 ? inner.handle : granted.handle,
			    i % 2 == 0 ? HEL_THIS : many_universe, 0, &many_copies[i]) != 0) {
			return false;
		}
	}
	many_grant = granted.grant;
	return true;
}

static bool are_many_revoked(void)
{
	struct hel_descriptor_info info;

	for (uint32_t i = 0; i < MANY; i++) {
		if (hel_descriptor_info(i % 2 == 0 ? HEL_THIS : many_universe, many_copies[i],
			    &info) != -ERR_REVOKED) {
			return false;
		}
	}
	return true;
}

USER_TEST(long_sweeps_are_cut)
{
	CHECK(make_many());
	always_pauses = true;
	int error = hel_grant_revoke(many_grant);

	always_pauses = false;
	CHECK_OK(error);
	CHECK(are_many_revoked());
	queue_close(&queue);
}

static void revoke_main(UNUSED void *context)
{
	(void)hel_grant_revoke(many_grant);
}

/* Who revokes is killed half-way: the rest is done without it. */
USER_TEST(sweeps_outlive_who_began_them)
{
	struct hel_stream_lanes lanes = make_stream();
	struct hel_action receive = RECEIVE_INLINE(8);
	struct hel_grant_handles granted;

	CHECK(make_many());
	CHECK_OK(hel_grant_create(many_grant, lanes.lane[1], 0, 0, &granted));
	CHECK_OK(hel_close(HEL_THIS, lanes.lane[1]));
	uint64_t context = submit_exchange(&queue, lanes.lane[0], &receive, 1);

	CHECK_OK(queue_drive(&queue));
	always_pauses = true;
	hel_handle thread = user_start(revoke_main, NULL);

	CHECK_OK(hel_thread_yield());
	CHECK_OK(hel_thread_kill(thread));
	CHECK_EQ(await_action(context), -ERR_END_OF_LANE);
	always_pauses = false;
	CHECK(are_many_revoked());
	queue_close(&queue);
}

/* ---- no memory ------------------------------------------------------------------------------- */

static hel_handle failing_event, failing_lane;
static uint32_t n_failures;

static bool is_success_or(int error, int other)
{
	n_failures += error == -ERR_NO_MEMORY;
	return error == 0 || error == other || error == -ERR_NO_MEMORY;
}

/* From a grant to operations and back, while allocation number @n fails; whether one did. */
static bool fail_once(uint64_t n)
{
	struct hel_grant_handles granted = {};
	uint64_t contexts[2];

	fixture_fail_only(n);
	int error = hel_grant_create(HEL_NULL, failing_event, 0, 0, &granted);
	struct hel_action push = PUSH(granted.handle);

	CHECK(is_success_or(error, 0));
	if (error == 0) {
		contexts[0] = submit_event(&queue, granted.handle, 0);
		contexts[1] = submit_exchange(&queue, failing_lane, &push, 1);
		while ((error = queue_drive(&queue)) != 0) {
			CHECK(is_success_or(error, 0));
		}
		CHECK_OK(hel_grant_revoke(granted.grant));
		bool has_failed = fixture_has_failed();

		fixture_fail_after(~(uint64_t)0);
		submit_cancel(&queue, contexts[1]);
		CHECK(is_success_or(await_error(contexts[0]), -ERR_REVOKED));
		CHECK(is_success_or(await_action(contexts[1]), -ERR_CANCELLED));
		CHECK_OK(hel_close(HEL_THIS, granted.handle));
		CHECK_OK(hel_close(HEL_THIS, granted.grant));
		return has_failed;
	}
	fixture_fail_after(~(uint64_t)0);
	return true;
}

USER_TEST(every_allocation_fails)
{
	struct hel_stream_lanes lanes = make_stream();
	uint64_t n = 0;

	n_failures = 0;
	failing_lane = lanes.lane[0];
	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_event_create(0, &failing_event));
	while (fail_once(n)) {
		n++;
	}
	CHECK_EQ(n_failures, n);
	CHECK(n > 5);
	queue_close(&queue);
}

TEST_MAIN()
