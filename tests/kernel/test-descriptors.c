/* SPDX-License-Identifier: MIT */
/* Handles, rights, universes, tokens; unknown calls. */
#include "test.h"

static const hel_handle nonsense[] = { HEL_NULL, 1, 0xffffffff, 0x1'0000'ffff,
	0xffff'ffff'0000'0000, HEL_THIS };

TEST(nop_succeeds)
{
	CHECK_EQ(hel_nop(), 0);
}

TEST(unknown_call_is_an_error)
{
	CHECK_EQ(hel_call0(HEL_CALL_BASE + 9).error, -ERR_ILLEGAL_SYSCALL);
	CHECK_EQ(hel_call0(HEL_CALL_BASE + 4000).error, -ERR_ILLEGAL_SYSCALL);
}

TEST(close_refuses_nonsense)
{
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		CHECK_EQ(hel_close(HEL_THIS, nonsense[i]), -ERR_BAD_HANDLE);
	}
}

TEST(close_makes_handle_stale)
{
	hel_handle token, other;

	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_close(HEL_THIS, token), 0);
	CHECK_EQ(hel_close(HEL_THIS, token), -ERR_BAD_HANDLE);
	/* The slot is used again, under another generation. */
	CHECK_EQ(hel_token_create(&other), 0);
	CHECK(other != token);
	CHECK_EQ(hel_close(HEL_THIS, token), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_close(HEL_THIS, other), 0);
}

TEST(close_refuses_wrong_universe)
{
	hel_handle token;

	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_close(token, token), -ERR_BAD_TYPE);
	CHECK_EQ(hel_close(12345, token), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_close(HEL_THIS, token), 0);
}

TEST(info_tells_type_rights_identity)
{
	struct hel_descriptor_info token_info, copy_info, event_info;
	hel_handle token, copy, event;

	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, token, HEL_THIS, HEL_RIGHT_READ, &copy), 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, token, &token_info), 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, copy, &copy_info), 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, event, &event_info), 0);
	CHECK_EQ(token_info.type, HEL_TYPE_TOKEN);
	CHECK_EQ(event_info.type, HEL_TYPE_EVENT);
	CHECK_EQ(copy_info.rights, HEL_RIGHT_READ);
	CHECK_EQ(token_info.identity, copy_info.identity);
	CHECK(token_info.identity != event_info.identity);
	CHECK_EQ(hel_close(HEL_THIS, token), 0);
	CHECK_EQ(hel_close(HEL_THIS, copy), 0);
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
}

TEST(info_checks_pointer_and_handle)
{
	hel_handle token;

	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, token, (void *)8), -ERR_FAULT);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, token, (void *)0xffff'8000'0000'0000), -ERR_FAULT);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, 77777, (void *)8), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_close(HEL_THIS, token), 0);
}

TEST(transfer_shrinks_rights_only)
{
	struct hel_descriptor_info info;
	hel_handle event, derived, signal_only;

	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(hel_transfer(
			 HEL_THIS, event, HEL_THIS, HEL_RIGHT_SIGNAL | HEL_RIGHT_DERIVE, &derived),
		0);
	/* Asking for more than there is gives no more. */
	CHECK_EQ(hel_transfer(HEL_THIS, derived, HEL_THIS, HEL_RIGHTS_ALL & ~HEL_RIGHT_DERIVE,
			 &signal_only),
		0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, signal_only, &info), 0);
	CHECK_EQ(info.rights, HEL_RIGHT_SIGNAL);
	CHECK_EQ(hel_transfer(HEL_THIS, signal_only, HEL_THIS, 0, &derived), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_event_raise(signal_only, 1), 0);
	hel_close(HEL_THIS, event);
	hel_close(HEL_THIS, signal_only);
}

TEST(transfer_into_other_universe)
{
	struct hel_descriptor_info info;
	hel_handle universe, token, inside, back;

	CHECK_EQ(hel_universe_create(&universe), 0);
	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, token, universe, 0, &inside), 0);
	CHECK_EQ(hel_close(HEL_THIS, token), 0);
	CHECK_EQ(hel_descriptor_info(universe, inside, &info), 0);
	CHECK_EQ(info.type, HEL_TYPE_TOKEN);
	CHECK_EQ(hel_transfer(universe, inside, HEL_THIS, 0, &back), 0);
	CHECK_EQ(hel_close(universe, inside), 0);
	CHECK_EQ(hel_close(HEL_THIS, back), 0);
	CHECK_EQ(hel_close(HEL_THIS, universe), 0);
}

TEST(transfer_needs_rights_on_universes)
{
	hel_handle universe, weak, token, out;

	CHECK_EQ(hel_universe_create(&universe), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, universe, HEL_THIS, HEL_RIGHT_READ, &weak), 0);
	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, token, weak, 0, &out), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_transfer(weak, token, HEL_THIS, 0, &out), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_close(weak, token), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_transfer(HEL_THIS, token, token, 0, &out), -ERR_BAD_TYPE);
	hel_close(HEL_THIS, universe);
	hel_close(HEL_THIS, weak);
	hel_close(HEL_THIS, token);
}

TEST(universe_cannot_hold_itself)
{
	hel_handle universe, out;

	CHECK_EQ(hel_universe_create(&universe), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, universe, universe, 0, &out), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_close(HEL_THIS, universe), 0);
}

TEST(universe_grows_and_reuses_slots)
{
	static hel_handle handles[2000];
	hel_handle token;

	CHECK_EQ(hel_token_create(&token), 0);
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
			CHECK_EQ(hel_transfer(HEL_THIS, token, HEL_THIS, 0, &handles[i]), 0);
		}
		for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
			CHECK_EQ(hel_close(HEL_THIS, handles[(i * 7) % ARRAY_SIZE(handles)]), 0);
		}
	}
	CHECK((uint32_t)handles[0] < 4096);
	CHECK_EQ(hel_close(HEL_THIS, token), 0);
}

/* A chain of universes, each of which holds the next: its end must not need a deep stack. */
TEST(universe_chain_ends)
{
	hel_handle outer, inner, moved;

	CHECK_EQ(hel_universe_create(&inner), 0);
	for (unsigned i = 0; i < 3000; i++) {
		CHECK_EQ(hel_universe_create(&outer), 0);
		CHECK_EQ(hel_transfer(HEL_THIS, inner, outer, 0, &moved), 0);
		CHECK_EQ(hel_close(HEL_THIS, inner), 0);
		inner = outer;
	}
	CHECK_EQ(hel_close(HEL_THIS, inner), 0);
	CHECK_EQ(hel_nop(), 0);
}

TEST(universe_end_closes_lanes)
{
	struct hel_stream_lanes lanes;
	static struct completion completion;
	hel_handle universe, inside;
	uint8_t byte;
	struct hel_action receive = RECEIVE(&byte, 1);

	CHECK_EQ(hel_universe_create(&universe), 0);
	CHECK_EQ(hel_stream_create(&lanes), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, lanes.lane[1], universe, 0, &inside), 0);
	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[1]), 0);
	uint64_t context = submit_exchange(lanes.lane[0], &receive, 1);

	CHECK(!is_complete(context));
	CHECK_EQ(hel_close(HEL_THIS, universe), 0);
	CHECK(await(context, &completion));
	CHECK_EQ(result_of(&completion, 0)->error, -ERR_END_OF_LANE);
	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[0]), 0);
}

TEST(universe_has_limits)
{
	struct hel_limits limits = { HEL_UNLIMITED, HEL_UNLIMITED, HEL_UNLIMITED, 3 };
	struct hel_account_info info;
	hel_handle universe, token, inside[4];

	CHECK_EQ(hel_universe_create(&universe), 0);
	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_universe_set_limits(HEL_THIS, &limits), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_universe_set_limits(token, &limits), -ERR_BAD_TYPE);
	CHECK_EQ(hel_universe_set_limits(universe, &limits), 0);
	for (size_t i = 0; i < 3; i++) {
		CHECK_EQ(hel_transfer(HEL_THIS, token, universe, 0, &inside[i]), 0);
	}
	CHECK_EQ(hel_transfer(HEL_THIS, token, universe, 0, &inside[3]), -ERR_NO_MEMORY);
	CHECK_EQ(hel_universe_account(universe, &info), 0);
	CHECK_EQ(info.used.n_handles, 3);
	CHECK_EQ(info.limits.n_handles, 3);
	CHECK_EQ(hel_close(universe, inside[1]), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, token, universe, 0, &inside[1]), 0);
	CHECK_EQ(hel_close(HEL_THIS, token), 0);
	CHECK_EQ(hel_close(HEL_THIS, universe), 0);
}
