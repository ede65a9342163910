/* SPDX-License-Identifier: MIT */
/*
 * Random trees of grants, compared with a model: a descriptor is dead when its grant or one above
 * has been revoked, and only then.
 */
#include "machine.h"

static int info_of(hel_handle handle)
{
	struct hel_descriptor_info info;

	return hel_descriptor_info(HEL_THIS, handle, &info);
}

constexpr uint32_t MODEL_MAX = 300;
constexpr uint32_t MODEL_NONE = UINT32_MAX;

static struct {
	hel_handle handle;
	uint32_t parent, depth;
	bool is_revoked;
} model_grants[MODEL_MAX];

static struct {
	hel_handle handle;
	uint32_t grant; /* MODEL_NONE: the maker's own */
} model_handles[MODEL_MAX];

static uint32_t n_model_grants, n_model_handles;
static struct random model_random;

static bool model_is_below(uint32_t grant, uint32_t above)
{
	while (grant != above && grant != MODEL_NONE) {
		grant = model_grants[grant].parent;
	}
	return grant == above;
}

static int model_look_up(uint32_t handle)
{
	uint32_t grant = model_handles[handle].grant;

	while (grant != MODEL_NONE && !model_grants[grant].is_revoked) {
		grant = model_grants[grant].parent;
	}
	return grant == MODEL_NONE ? 0 : -ERR_REVOKED;
}

static void model_add(hel_handle handle, uint32_t grant)
{
	model_handles[n_model_handles].handle = handle;
	model_handles[n_model_handles++].grant = grant;
}

static void model_grant(uint32_t from)
{
	uint32_t parent = model_handles[from].grant;
	uint32_t depth = parent != MODEL_NONE ? model_grants[parent].depth + 1 : 0;
	int expected = model_look_up(from);
	struct hel_grant_handles made;

	expected = expected == 0 && depth > 15 ? -ERR_NO_SPACE : expected;
	CHECK_EQ(hel_grant_create(HEL_NULL, model_handles[from].handle, 0, 0, &made), expected);
	if (expected == 0) {
		model_grants[n_model_grants].handle = made.grant;
		model_grants[n_model_grants].parent = parent;
		model_grants[n_model_grants].depth = depth;
		model_grants[n_model_grants].is_revoked = false;
		model_add(made.handle, n_model_grants++);
	}
}

static void model_put_under(uint32_t from, uint32_t grant)
{
	int expected = model_look_up(from);
	struct hel_grant_handles made;

	if (expected == 0 && !model_is_below(grant, model_handles[from].grant)) {
		expected = -ERR_ILLEGAL_ARGS;
	}
	for (uint32_t at = grant; expected == 0 && at != MODEL_NONE; at = model_grants[at].parent) {
		expected = model_grants[at].is_revoked ? -ERR_REVOKED : 0;
	}
	CHECK_EQ(hel_grant_create(
			 model_grants[grant].handle, model_handles[from].handle, 0, 0, &made),
		expected);
	if (expected == 0) {
		model_add(made.handle, grant);
	}
}

static void model_step(void)
{
	uint32_t from = (uint32_t)random_below(&model_random, n_model_handles);
	uint32_t grant = (uint32_t)random_below(&model_random, max_u64(n_model_grants, 1));
	hel_handle copy;
	int expected = model_look_up(from);

	switch (n_model_grants == 0 ? 0 : random_below(&model_random, 12)) {
	case 0:
	case 1: model_grant(from); break;
	case 2: model_put_under(from, grant); break;
	case 3:
		if (random_chance(&model_random, 4)) {
			CHECK_OK(hel_grant_revoke(model_grants[grant].handle));
			model_grants[grant].is_revoked = true;
		}
		break;
	case 4:
		CHECK_OK(hel_close(HEL_THIS, model_handles[from].handle));
		model_handles[from] = model_handles[--n_model_handles];
		break;
	default:
		CHECK_EQ(hel_transfer(HEL_THIS, model_handles[from].handle, HEL_THIS, 0, &copy),
			expected);
		if (expected == 0) {
			model_add(copy, model_handles[from].grant);
		}
		break;
	}
}

USER_TEST(grants_are_as_the_model_says)
{
	random_init(&model_random, test_seed(1));
	for (uint32_t round = 0; round < 60; round++) {
		hel_handle token;

		CHECK_OK(hel_token_create(&token));
		n_model_grants = 0;
		n_model_handles = 0;
		model_add(token, MODEL_NONE);
		while (n_model_handles > 0 && n_model_handles < MODEL_MAX &&
			n_model_grants < MODEL_MAX) {
			model_step();
		}
		for (uint32_t i = 0; i < n_model_handles; i++) {
			CHECK_EQ(info_of(model_handles[i].handle), model_look_up(i));
			CHECK_OK(hel_close(HEL_THIS, model_handles[i].handle));
		}
		for (uint32_t i = 0; i < n_model_grants; i++) {
			CHECK_OK(hel_close(HEL_THIS, model_grants[i].handle));
		}
	}
}

TEST_MAIN()
