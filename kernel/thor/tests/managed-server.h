/* SPDX-License-Identifier: MIT */
/*
 * A manager of managed memory for tests: a program that fills pages from a "disk" and writes them
 * back to it. Each page is told apart by the word at its start, its number of the block and a
 * version.
 */
#ifndef THOR_TESTS_MANAGED_SERVER_H
#define THOR_TESTS_MANAGED_SERVER_H

#include "machine.h"

constexpr uint64_t DISK_PAGES_MAX = 12288;

struct managed_server {
	struct hel_managed_handles handles;
	uint64_t frontal_address; /* where server_begin() has mapped it all */
	uint64_t n_pages;
	uint64_t disk[DISK_PAGES_MAX];
	hel_handle thread; /* the manager; HEL_NULL: none */
	bool is_over; /* tells it to end */

	/* how it behaves */
	uint64_t delay_ns; /* for each request */
	bool is_stuck; /* it takes requests and does not answer */
	bool fails_reads, fails_writes;

	/* what it has seen */
	uint64_t n_reads, n_writes; /* requests */
	uint64_t n_pages_read, n_pages_written;
	uint64_t longest_read; /* pages */
};

extern struct managed_server server;

/** server_begin() - managed memory of @n_pages, mapped, without manager; called by a program */
void server_begin(uint64_t n_pages);

/** server_start() - start its manager */
void server_start(void);

/** server_end() - let the manager end, and give everything back */
void server_end(void);

/** server_do() - as the manager: answer one request, if there is one within @wait_ns */
bool server_do(struct user_queue *queue, uint64_t wait_ns);

/** server_word() - what page @index of the disk holds in its first word when it is new */
uint64_t server_word(uint64_t index);

/** server_read(), server_write() - the first word of a page, as a user */
uint64_t server_read(uint64_t index);
void server_write(uint64_t index, uint64_t word);

/** fault_of() - run @main in a thread of its own until it ends; the reason of its fault, or 0 */
int fault_of(struct user_queue *queue, void (*main)(void *context), void *context);

#endif
