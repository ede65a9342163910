/* SPDX-License-Identifier: MIT */
/* Handles, rights, universes and tokens. */
#include "kernel-test.h"

static void handles_that_name_nothing_are_refused(void)
{
	struct hel_descriptor_info info;

	CHECK_EQ(hel_close(HEL_THIS, HEL_NULL), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_close(HEL_THIS, 0xffffffff), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_close(HEL_THIS, 0x123456789abcdef0), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, 0x7fffffff00000001, &info), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_event_raise(HEL_NULL, 1), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_close(0x55, 0x66), -ERR_BAD_HANDLE);
}

static void closed_handles_stay_dead(void)
{
	hel_handle first, second;

	CHECK_EQ(hel_token_create(&first), 0);
	CHECK_EQ(hel_close(HEL_THIS, first), 0);
	CHECK_EQ(hel_close(HEL_THIS, first), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_token_create(&second), 0);
	CHECK(first != second);
	CHECK_EQ(hel_close(HEL_THIS, first), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_close(HEL_THIS, second), 0);
}

static void handles_are_not_reused_soon(void)
{
	hel_handle handles[64];

	for (int i = 0; i < 64; i++) {
		CHECK_EQ(hel_token_create(&handles[i]), 0);
		CHECK_EQ(hel_close(HEL_THIS, handles[i]), 0);
		for (int k = 0; k < i; k++) {
			CHECK(handles[k] != handles[i]);
		}
	}
}

static void wrong_types_are_refused(void)
{
	struct hel_memory_info info;
	hel_handle token, event;

	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(hel_event_raise(token, 1), -ERR_BAD_TYPE);
	CHECK_EQ(hel_memory_info(event, &info), -ERR_BAD_TYPE);
	CHECK_EQ(hel_lane_shutdown(token), -ERR_BAD_TYPE);
	CHECK_EQ(hel_thread_start(event), -ERR_BAD_TYPE);
	CHECK_EQ(hel_drive(token, 0, 0, 0, NULL), -ERR_BAD_TYPE);
	CHECK_EQ(hel_close(token, event), -ERR_BAD_TYPE);
	CHECK_EQ(hel_close(HEL_THIS, token), 0);
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
}

static void duplicates_name_the_same_object(void)
{
	struct hel_descriptor_info first, second;
	hel_handle event, copy;

	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, event, HEL_THIS, 0, &copy), 0);
	CHECK(copy != event);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, event, &first), 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, copy, &second), 0);
	CHECK_EQ(first.type, HEL_TYPE_EVENT);
	CHECK_EQ(second.type, HEL_TYPE_EVENT);
	CHECK(first.identity == second.identity);
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
	CHECK_EQ(hel_event_raise(copy, 1), 0);
	CHECK_EQ(hel_close(HEL_THIS, copy), 0);
}

static void rights_only_shrink(void)
{
	struct hel_descriptor_info info;
	hel_handle event, weak, weaker;

	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, event, HEL_THIS, HEL_RIGHT_WAIT | HEL_RIGHT_DERIVE, &weak),
		0);
	CHECK_EQ(hel_event_raise(weak, 1), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_transfer(HEL_THIS, weak, HEL_THIS, HEL_RIGHTS_ALL, &weaker), 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, weaker, &info), 0);
	CHECK_EQ(info.rights & HEL_RIGHT_SIGNAL, 0);
	CHECK_EQ(hel_event_raise(weaker, 1), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_close(HEL_THIS, weaker), 0);
	CHECK_EQ(hel_close(HEL_THIS, weak), 0);
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
}

static void descriptors_without_derive_are_not_passed_on(void)
{
	hel_handle event, fixed, copy;

	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, event, HEL_THIS, HEL_RIGHT_WAIT, &fixed), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, fixed, HEL_THIS, 0, &copy), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_close(HEL_THIS, fixed), 0);
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
}

static void universes_keep_their_own_handles(void)
{
	struct hel_descriptor_info info;
	hel_handle universe, event, inside;

	CHECK_EQ(hel_universe_create(&universe), 0);
	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, event, universe, 0, &inside), 0);
	CHECK_EQ(hel_descriptor_info(universe, inside, &info), 0);
	CHECK_EQ(info.type, HEL_TYPE_EVENT);
	CHECK_EQ(hel_close(universe, inside), 0);
	CHECK_EQ(hel_close(universe, inside), -ERR_BAD_HANDLE);
	CHECK_EQ(hel_event_raise(event, 1), 0);
	CHECK_EQ(hel_close(HEL_THIS, universe), 0);
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
}

static void universes_need_grant_and_take(void)
{
	hel_handle universe, closed, event, inside;

	CHECK_EQ(hel_universe_create(&universe), 0);
	CHECK_EQ(hel_event_create(0, &event), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, universe, HEL_THIS, HEL_RIGHT_DERIVE, &closed), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, event, closed, 0, &inside), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_transfer(HEL_THIS, event, universe, 0, &inside), 0);
	CHECK_EQ(hel_close(closed, inside), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_close(HEL_THIS, closed), 0);
	CHECK_EQ(hel_close(HEL_THIS, universe), 0);
	CHECK_EQ(hel_close(HEL_THIS, event), 0);
}

static void wild_pointers_are_faults(void)
{
	hel_handle token;

	CHECK_EQ(hel_token_create(&token), 0);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, token, (void *)8), -ERR_FAULT);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, token, (void *)0xffffffff80000000), -ERR_FAULT);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, token, (void *)0x8000000000000000), -ERR_FAULT);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, token, (void *)0x7ffffffffffc), -ERR_FAULT);
	CHECK_EQ(hel_descriptor_info(HEL_THIS, token, (void *)~0ull), -ERR_FAULT);
	CHECK_EQ(hel_random((void *)16, 8), -ERR_FAULT);
	CHECK_EQ(hel_close(HEL_THIS, token), 0);
}

static void unknown_calls_are_refused(void)
{
	CHECK_EQ(hel_call0(HEL_CALL_BASE + 0x7fff).error, -ERR_ILLEGAL_SYSCALL);
	CHECK_EQ(hel_call0(0xffffffff).error, -ERR_ILLEGAL_SYSCALL);
	CHECK_EQ(hel_nop(), 0);
}

static void random_bytes_differ(void)
{
	uint64_t first[4] = { 0 }, second[4] = { 0 };

	CHECK_EQ(hel_random(first, sizeof(first)), 0);
	CHECK_EQ(hel_random(second, sizeof(second)), 0);
	for (int i = 0; i < 4; i++) {
		CHECK(first[i] != second[i]);
	}
	CHECK_EQ(hel_random(first, 1u << 20), -ERR_ILLEGAL_ARGS);
}

static void clock_only_goes_forward(void)
{
	uint64_t last_ns = ktest_now();

	for (int i = 0; i < 10000; i++) {
		uint64_t now_ns = ktest_now();

		CHECK(now_ns >= last_ns);
		last_ns = now_ns;
	}
}

const struct ktest_case descriptor_cases[] = {
	KTEST(handles_that_name_nothing_are_refused),
	KTEST(closed_handles_stay_dead),
	KTEST(handles_are_not_reused_soon),
	KTEST(wrong_types_are_refused),
	KTEST(duplicates_name_the_same_object),
	KTEST(rights_only_shrink),
	KTEST(descriptors_without_derive_are_not_passed_on),
	KTEST(universes_keep_their_own_handles),
	KTEST(universes_need_grant_and_take),
	KTEST(wild_pointers_are_faults),
	KTEST(unknown_calls_are_refused),
	KTEST(random_bytes_differ),
	KTEST(clock_only_goes_forward),
	KTEST_END,
};
