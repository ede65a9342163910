/* SPDX-License-Identifier: MIT */
/* Players that play together: see party.h. */
#include <tests/torture/party.h>

#include <hel/hel-calls.h>

bool party_enter(struct party_member *member)
{
	if (player_begin(&member->player) != 0) {
		member->ending = PARTY_ENDED_EARLY;
		return false;
	}
	for (uint32_t i = 0; i < PARTY_GIFTS; i++) {
		player_adopt(&member->player, member->gifts[i]);
	}
	return true;
}

void party_leave(struct party_member *member)
{
	member->ending = player_finish(&member->player) ? PARTY_ENDED_WELL : PARTY_LOST_RECORDS;
}

static void party_give(
	struct party_member *member, uint32_t index, hel_handle handle, uint32_t rights)
{
	member->gifts[index] = HEL_NULL;
	(void)!hel_transfer(HEL_THIS, handle, member->universe, rights, &member->gifts[index]);
}

void party_give_gifts(struct party_member *const *members, uint32_t n_members, hel_handle authority)
{
	struct hel_stream_lanes lanes = {};
	hel_handle event = HEL_NULL;
	hel_handle memory = HEL_NULL;

	(void)!hel_stream_create(&lanes);
	(void)!hel_event_create(0, &event);
	(void)!hel_memory_allocate(8 * HEL_PAGE_SIZE, 0, &memory);
	for (uint32_t i = 0; i < n_members; i++) {
		party_give(members[i], PARTY_GIFT_LANE, lanes.lane[i % 2], 0);
		party_give(members[i], PARTY_GIFT_EVENT, event, 0);
		party_give(members[i], PARTY_GIFT_MEMORY, memory, 0);
		party_give(members[i], PARTY_GIFT_THREAD, members[(i + 1) % n_members]->thread,
			HEL_RIGHTS_ALL & ~(uint32_t)HEL_RIGHT_MANAGE);
		party_give(members[i], PARTY_GIFT_AUTHORITY, authority, 0);
	}
	(void)hel_close(HEL_THIS, lanes.lane[0]);
	(void)hel_close(HEL_THIS, lanes.lane[1]);
	(void)hel_close(HEL_THIS, event);
	(void)hel_close(HEL_THIS, memory);
}

void party_close(struct party_member *member)
{
	player_abandon(&member->player, member->universe);
	for (uint32_t i = 0; i < PARTY_GIFTS; i++) {
		(void)hel_close(member->universe, member->gifts[i]);
	}
	(void)hel_close(HEL_THIS, member->thread);
}
