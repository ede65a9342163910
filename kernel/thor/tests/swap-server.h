/* SPDX-License-Identifier: MIT */
/*
 * A swap manager for tests, on a machine much of whose memory is taken, and swappable memory whose
 * pages have a word at their start and its complement at their end.
 */
#ifndef THOR_TESTS_SWAP_SERVER_H
#define THOR_TESTS_SWAP_SERVER_H

#include "machine.h"

constexpr uint64_t SWAP_SLOTS = 32768;
constexpr uint32_t SWAP_BALLASTS = 4; /* of 4 MiB */
constexpr uint64_t SWAP_PRESS_PAGES = 5000; /* more than there are */
constexpr uint64_t SWAP_LAST_WORD = HEL_PAGE_SIZE - sizeof(uint64_t);

struct swap_server {
	hel_handle backing;
	uint64_t disk[SWAP_SLOTS][2]; /* the first and the last word of each page */
	hel_handle thread, ballasts[SWAP_BALLASTS];
	bool is_over;

	/* how it behaves */
	uint64_t delay_ns;
	bool is_stuck, fails_reads, fails_writes;
	bool fails_at_random; /* some of the writes */
	struct random random;

	uint64_t n_pages_read, n_pages_written;
};

extern struct swap_server swap_server;

/** swap_begin() - take memory, and start a swap manager; called by a program, as all of these */
void swap_begin(void);

/** swap_end() - the manager ends, and with it the swap space */
void swap_end(void);

/** swap_map_memory() - map memory, or anonymous memory (HEL_NULL), readable and writable; where */
uint64_t swap_map_memory(hel_handle memory, uint64_t n_pages, uint32_t flags);

/** swap_map() - map new swappable memory; where */
uint64_t swap_map(uint64_t n_pages);

/** swap_unmap() - unmap pages */
void swap_unmap(uint64_t address, uint64_t n_pages);

/** swap_store() - write @word to a page */
void swap_store(uint64_t address, uint64_t word);

/** swap_load() - the word that swap_store() left; a torn or foreign page fails the test */
uint64_t swap_load(uint64_t address);

/** swap_fill() - write @base and the numbers after it to pages */
void swap_fill(uint64_t address, uint64_t n_pages, uint64_t base);

/** swap_check() - pages have what swap_fill() left */
void swap_check(uint64_t address, uint64_t n_pages, uint64_t base);

/** swap_press() - use so much other memory that all that was not touched meanwhile goes */
void swap_press(void);

#endif
