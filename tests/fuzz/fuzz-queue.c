/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: a program that writes anything into the memory of its queue.
 *
 * The input is a list of steps: write bytes into the ring and move the tail, or write a word of the
 * header, or make a call. Whatever happens, the machine goes on and nothing is left.
 */
#include "fuzz-machine.h"

static struct user_queue queue;

static uint32_t next_word(void)
{
	uint32_t word = 0;

	for (unsigned i = 0; i < 4; i++) {
		word = word << 8 | fuzz_byte();
	}
	return word;
}

/* Bytes at the tail of the ring, which goes on by as many. */
static void write_ring(void)
{
	uint32_t n_bytes = (fuzz_byte() % 32 + 1u) * 8;
	uint32_t ring_size = queue.client.params.submit_size;

	for (uint32_t i = 0; i < n_bytes; i++) {
		queue.client.ring[(queue.client.submit_tail + i) % ring_size] = fuzz_byte();
	}
	queue.client.submit_tail += n_bytes;
	queue.client.header->submit_tail = queue.client.submit_tail;
}

static void write_header(void)
{
	struct hel_queue_header *header = queue.client.header;

	switch (fuzz_byte() % 6) {
	case 0: header->submit_tail += (int8_t)fuzz_byte(); break;
	case 1: header->submit_tail = next_word(); break;
	case 2: header->supply_tail += fuzz_byte(); break;
	case 3: header->supply_tail = next_word(); break;
	case 4: header->supply[fuzz_byte() % HEL_SUPPLY_MAX] = fuzz_byte(); break;
	default: header->n_completions = next_word(); break;
	}
	queue.client.submit_tail = header->submit_tail;
}

void fuzz_play(UNUSED void *context)
{
	struct hel_stream_lanes lanes;
	hel_handle event;

	/* Handles that the input can guess. */
	if (hel_stream_create(&lanes) != 0 || hel_event_create(0, &event) != 0 ||
		queue_open(&queue, 4, 1024, 1024) != 0) {
		return;
	}
	while (fuzz_n_left > 0) {
		switch (fuzz_byte() % 8) {
		case 0: write_header(); break;
		case 1: (void)hel_event_raise(event, 1); break;
		case 2: (void)hel_lane_shutdown(lanes.lane[0]); break;
		case 3:
			(void)hel_drive(queue.client.handle, HEL_DRIVE_WAIT,
				queue.client.header->n_completions, sim_time_ns + 1000, NULL);
			break;
		case 4: (void)queue_drive(&queue); break;
		default: write_ring(); break;
		}
	}
	(void)queue_drive(&queue);
}
