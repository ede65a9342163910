/* SPDX-License-Identifier: MIT */
/* Universes and handles, through hel calls. */
#include "machine.h"

USER_TEST(close_refuses_bad_handles)
{
	hel_handle token;

	CHECK_EQ(hel_close(HEL_THIS, HEL_NULL), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_close(HEL_THIS, HEL_THIS), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_close(HEL_THIS, 0x1234567890), -ERR_BAD_HANDLE);
	CHECK_OK(hel_token_create(&token));
	CHECK_OK(hel_close(HEL_THIS, token));
	CHECK_EQ(hel_close(HEL_THIS, token), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_close(token, machine_authority), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_close(machine_authority, machine_authority), -ERR_BAD_TYPE);
}

USER_TEST(stale_generation_is_never_another_object)
{
	hel_handle first, second;
	struct hel_descriptor_info info;

	CHECK_OK(hel_token_create(&first));
	for (int i = 0; i < 1000; i++) {
		CHECK_OK(hel_close(HEL_THIS, first));
		CHECK_OK(hel_token_create(&second));
		CHECK_EQ((uint32_t)first, (uint32_t)second);
		CHECK(first != second);
		CHECK_EQ(hel_descriptor_info(HEL_THIS, first, &info), -ERR_BAD_HANDLE);
		first = second;
	}
	CHECK_OK(hel_descriptor_info(HEL_THIS, second, &info));
	CHECK_EQ(info.type, HEL_TYPE_TOKEN);
}

USER_TEST(rights_only_shrink)
{
	hel_handle event, narrow, again;
	struct hel_descriptor_info info;

	CHECK_OK(hel_event_create(0, &event));
	CHECK_OK(hel_transfer(
		HEL_THIS, event, HEL_THIS, HEL_RIGHT_WAIT | HEL_RIGHT_DERIVE, &narrow));
	CHECK_OK(hel_descriptor_info(HEL_THIS, narrow, &info));
	CHECK_EQ(info.rights, HEL_RIGHT_WAIT | HEL_RIGHT_DERIVE);
	CHECK_EQ(hel_event_raise(narrow, 1), -ERR_NO_RIGHTS);
	CHECK_OK(hel_transfer(HEL_THIS, narrow, HEL_THIS, HEL_RIGHTS_ALL, &again));
	CHECK_OK(hel_descriptor_info(HEL_THIS, again, &info));
	CHECK_EQ(info.rights, HEL_RIGHT_WAIT | HEL_RIGHT_DERIVE);
	CHECK_OK(hel_transfer(HEL_THIS, narrow, HEL_THIS, HEL_RIGHT_WAIT, &again));
	CHECK_EQ(hel_transfer(HEL_THIS, again, HEL_THIS, 0, &narrow), -ERR_NO_RIGHTS);
}

USER_TEST(rights_are_those_of_the_type)
{
	hel_handle token;
	struct hel_descriptor_info info;

	CHECK_OK(hel_token_create(&token));
	CHECK_OK(hel_descriptor_info(HEL_THIS, token, &info));
	CHECK_EQ(info.rights, HEL_RIGHT_READ | HEL_RIGHT_DERIVE);
}

USER_TEST(identity_names_the_object)
{
	hel_handle token, copy, other;
	struct hel_descriptor_info info, copy_info, other_info;

	CHECK_OK(hel_token_create(&token));
	CHECK_OK(hel_token_create(&other));
	CHECK_OK(hel_transfer(HEL_THIS, token, HEL_THIS, 0, &copy));
	CHECK_OK(hel_descriptor_info(HEL_THIS, token, &info));
	CHECK_OK(hel_descriptor_info(HEL_THIS, copy, &copy_info));
	CHECK_OK(hel_descriptor_info(HEL_THIS, other, &other_info));
	CHECK_EQ(info.identity, copy_info.identity);
	CHECK(info.identity != other_info.identity);
	CHECK_EQ(
		hel_descriptor_info(HEL_THIS, token, (struct hel_descriptor_info *)16), -ERR_FAULT);
}

USER_TEST(transfer_between_universes)
{
	hel_handle universe, token, there, back;
	struct hel_descriptor_info info, back_info;

	CHECK_OK(hel_universe_create(&universe));
	CHECK_OK(hel_token_create(&token));
	CHECK_OK(hel_descriptor_info(HEL_THIS, token, &info));
	CHECK_OK(hel_transfer(HEL_THIS, token, universe, 0, &there));
	CHECK_OK(hel_close(HEL_THIS, token));
	CHECK_OK(hel_transfer(universe, there, HEL_THIS, 0, &back));
	CHECK_OK(hel_descriptor_info(HEL_THIS, back, &back_info));
	CHECK_EQ(info.identity, back_info.identity);
	CHECK_OK(hel_close(universe, there));
	CHECK_EQ(hel_transfer(universe, there, HEL_THIS, 0, &back), -ERR_BAD_HANDLE);
	/* Without GRANT nothing goes in, without TAKE nothing comes out. */
	CHECK_OK(hel_transfer(HEL_THIS, back, universe, 0, &there));
	CHECK_OK(hel_transfer(HEL_THIS, universe, HEL_THIS, HEL_RIGHT_TAKE, &token));
	CHECK_EQ(hel_transfer(HEL_THIS, back, token, 0, &there), -ERR_NO_RIGHTS);
	CHECK_OK(hel_transfer(HEL_THIS, universe, HEL_THIS, HEL_RIGHT_GRANT, &token));
	CHECK_EQ(hel_close(token, there), -ERR_NO_RIGHTS);
}

USER_TEST(universe_refuses_itself)
{
	hel_handle universe, inside;

	CHECK_OK(hel_universe_create(&universe));
	CHECK_EQ(hel_transfer(HEL_THIS, universe, universe, 0, &inside), -ERR_ILLEGAL_ARGS);
}

/* A long chain of universes that hold each other ends without a deep stack. */
USER_TEST(chain_of_universes_ends)
{
	hel_handle outer, inner, inside;

	CHECK_OK(hel_universe_create(&inner));
	for (int i = 0; i < 3000; i++) {
		CHECK_OK(hel_universe_create(&outer));
		CHECK_OK(hel_transfer(HEL_THIS, inner, outer, 0, &inside));
		CHECK_OK(hel_close(HEL_THIS, inner));
		inner = outer;
	}
	CHECK_OK(hel_close(HEL_THIS, inner));
}

/* Filling a table ends with an error, and everything comes back. */
USER_TEST(table_is_exhausted)
{
	hel_handle universe, token, last = HEL_NULL, handle;
	int64_t n_handles = 0;
	int error;

	CHECK_OK(hel_universe_create(&universe));
	CHECK_OK(hel_token_create(&token));
	while ((error = hel_transfer(HEL_THIS, token, universe, 0, &handle)) == 0) {
		last = handle;
		n_handles++;
	}
	CHECK_EQ(error, -ERR_NO_SPACE);
	CHECK(n_handles >= 4096);
	CHECK_OK(hel_close(universe, last));
	CHECK_OK(hel_transfer(HEL_THIS, token, universe, 0, &handle));
	CHECK_OK(hel_close(HEL_THIS, universe));
	CHECK_OK(hel_close(HEL_THIS, token));
}

USER_TEST(calls_that_do_not_exist)
{
	const uint64_t arguments[6] = {};

	CHECK_EQ(hel_sim_call(HEL_CALL_BASE + 7, arguments).error, -ERR_ILLEGAL_SYSCALL);
	CHECK_EQ(hel_sim_call(HEL_CALL_BASE + 9999, arguments).error, -ERR_ILLEGAL_SYSCALL);
	CHECK_EQ(hel_sim_call(UINT32_MAX, arguments).error, -ERR_ILLEGAL_SYSCALL);
}

/* Garbage in every argument of every call: an error each time, and nothing breaks. */
USER_TEST(calls_with_garbage)
{
	static const uint64_t garbage[] = { 0, 1, ~(uint64_t)0, 0x7fff'ffff'f000, 0x8000'0000'0000,
		0xffff'8000'0000'0000, 4095, 4096, 0x1'0000'0000, 0x1'0000'0001, 0x2'0000'0003 };
	static const uint8_t numbers[] = {
#define HEL_CALL(number, name, n_arguments) number,
#include <abi/hel/calls.gen.h>
#undef HEL_CALL
	};
	struct random random;

	random_init(&random, test_seed(1));
	for (unsigned i = 0; i < 20'000; i++) {
		uint32_t number = numbers[random_below(&random, ARRAY_SIZE(numbers))];
		uint64_t arguments[6];

		for (unsigned j = 0; j < 6; j++) {
			arguments[j] = garbage[random_below(&random, ARRAY_SIZE(garbage))];
		}
		/* These mean what they say. */
		if (HEL_CALL_BASE + number == HEL_CALL_thread_exit ||
			(HEL_CALL_BASE + number >= HEL_CALL_thread_kill &&
				HEL_CALL_BASE + number <= HEL_CALL_thread_set_affinity &&
				HEL_CALL_BASE + number != HEL_CALL_thread_stats)) {
			continue;
		}
		(void)hel_sim_call(HEL_CALL_BASE + number, arguments);
	}
}

TEST_MAIN()
