/* SPDX-License-Identifier: MIT */
/* Between player-draw.c (arguments of all sorts) and player.c (who makes calls of them). */
#ifndef TESTS_TORTURE_PLAYER_INTERNAL_H
#define TESTS_TORTURE_PLAYER_INTERNAL_H

#include <abi/hel/kernlet.h>

#include "player.h"

/* Room for any of them; also for results. */
union player_record {
	struct hel_map_args map;
	struct hel_thread_args thread;
	struct hel_queue_params queue;
	struct hel_stream_lanes lanes;
	struct hel_kernlet_header kernlet;
	uint64_t words[32];
};

/** player__shape_of() - what the arguments of a call are, a letter for each */
const char *player__shape_of(uint32_t number);

/** player__draw() - a number below @bound, at most 256 */
uint32_t player__draw(struct player *player, uint32_t bound);

/** player__pick() - a handle of a type from the pool, or HEL_NULL */
hel_handle player__pick(struct player *player, uint32_t type);

/** player__draw_kind() - an argument for a letter of player__shape_of(); now and then another */
uint64_t player__draw_kind(struct player *player, char kind);

uint64_t player__draw_pages(struct player *player);
uint64_t player__draw_bytes(struct player *player);
uint64_t player__draw_small(struct player *player);
/** player__draw_buffer() - an address, often over the edge of a page */
uint64_t player__draw_buffer(struct player *player);
uint64_t player__draw_deadline(struct player *player);
void player__draw_words(struct player *player, uint64_t *words, uint32_t n_words);

/** player__draw_record() - the structure that a call takes */
void player__draw_record(struct player *player, uint32_t number, union player_record *out_record);

uint64_t player__now_ns(void);

#endif
