/* SPDX-License-Identifier: MIT */
/*
 * Cycles of descriptors. In each one there is a lane that nobody else has: when the kernel has
 * found that the cycle is garbage its peer, the witness, says END_OF_LANE.
 */
#include "test.h"

constexpr uint32_t RING_MAX = 3000;

static hel_handle universes[RING_MAX];

static bool give(hel_handle handle, hel_handle universe)
{
	hel_handle ignored;

	return hel_transfer(HEL_THIS, handle, universe, 0, &ignored) == 0;
}

/* A stream whose second lane is in @universe alone. */
static bool put_witness(hel_handle universe, hel_handle *out_witness)
{
	struct hel_stream_lanes lanes;

	if (hel_stream_create(&lanes) != 0) {
		return false;
	}
	*out_witness = lanes.lane[0];
	return give(lanes.lane[1], universe) && hel_close(HEL_THIS, lanes.lane[1]) == 0;
}

static uint64_t watch(hel_handle witness)
{
	struct hel_action receive = RECEIVE_INLINE(8);

	return submit_exchange(witness, &receive, 1);
}

/* Whether what the witness is for has ended; it is closed. */
static bool has_ended(uint64_t context, hel_handle witness)
{
	static struct completion completion;

	return await(context, &completion) && completion.error == 0 &&
		result_of(&completion, 0)->error == -ERR_END_OF_LANE &&
		hel_close(HEL_THIS, witness) == 0;
}

/* Universes of which each holds the next, and the last the first; the witness is for the last. */
static bool make_ring(uint32_t n, hel_handle *out_witness)
{
	bool is_made = true;

	for (uint32_t i = 0; i < n; i++) {
		is_made = is_made && hel_universe_create(&universes[i]) == 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		is_made = is_made && give(universes[(i + 1) % n], universes[i]);
	}
	return is_made && put_witness(universes[n - 1], out_witness);
}

static bool close_universes(uint32_t first, uint32_t n)
{
	bool is_closed = true;

	for (uint32_t i = first; i < n; i++) {
		is_closed = hel_close(HEL_THIS, universes[i]) == 0 && is_closed;
	}
	return is_closed;
}

static void end_ring(uint32_t n)
{
	hel_handle witness;

	CHECK(make_ring(n, &witness));
	uint64_t context = watch(witness);

	CHECK(close_universes(0, n));
	CHECK(has_ended(context, witness));
}

TEST(cycle_of_two_universes)
{
	end_ring(2);
}

TEST(cycle_of_3000_universes)
{
	end_ring(RING_MAX);
}

TEST(cycle_of_a_thread_and_its_universe)
{
	hel_handle universe, thread, witness;

	CHECK_EQ(hel_universe_create(&universe), 0);
	CHECK(put_witness(universe, &witness));
	struct hel_thread_args args = { .universe = universe, .space = HEL_THIS, .ip = 0x1000 };

	CHECK_EQ(hel_thread_create(&args, &thread), 0);
	CHECK(give(thread, universe));
	uint64_t context = watch(witness);

	CHECK_EQ(hel_close(HEL_THIS, thread), 0);
	CHECK_EQ(hel_close(HEL_THIS, universe), 0);
	CHECK(has_ended(context, witness));
}

/* What waits on a lane is its queue, and the lanes themselves. */
TEST(cycle_of_a_queue_and_lanes)
{
	struct hel_queue_client client;
	struct hel_stream_lanes lanes, watched;
	constexpr uint32_t size =
		sizeof(struct hel_exchange_record) + 4 * sizeof(struct hel_action);

	CHECK(make_queue(&client, 4, 4096, 4096));
	CHECK_EQ(hel_stream_create(&lanes), 0);
	CHECK_EQ(hel_stream_create(&watched), 0);
	struct hel_exchange_record *record =
		hel_queue_reserve(&client, HEL_SUBMIT_EXCHANGE, size, 1);

	CHECK(record != NULL);
	record->lane = lanes.lane[0];
	record->n_actions = 4;
	record->flags = 0;
	record->actions[0] = PUSH(client.handle);
	record->actions[1] = PUSH(lanes.lane[0]);
	record->actions[2] = PUSH(lanes.lane[1]);
	record->actions[3] = PUSH(watched.lane[1]);
	hel_queue_commit(&client);
	CHECK_EQ(hel_drive(client.handle, 0, 0, 0, NULL), 0);
	uint64_t context = watch(watched.lane[0]);

	CHECK_EQ(hel_close(HEL_THIS, watched.lane[1]), 0);
	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[0]), 0);
	CHECK_EQ(hel_close(HEL_THIS, lanes.lane[1]), 0);
	drop_queue(&client);
	CHECK(has_ended(context, watched.lane[0]));
}

/* Another ring is looked at together with it, and ends; this one has a holder. */
TEST(cycle_with_a_holder_stays)
{
	constexpr uint32_t n = 100;
	hel_handle holder, witness;
	struct hel_descriptor_info info;

	CHECK(make_ring(n, &witness));
	uint64_t context = watch(witness);

	CHECK(close_universes(1, n));
	holder = universes[0];
	end_ring(2);
	CHECK(!is_complete(context));
	CHECK_EQ(hel_descriptor_info(holder, (uint64_t)1 << 32, &info), 0);
	CHECK_EQ(info.type, HEL_TYPE_UNIVERSE);
	CHECK_EQ(hel_close(HEL_THIS, holder), 0);
	CHECK(has_ended(context, witness));
}
