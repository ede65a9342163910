/* SPDX-License-Identifier: MIT */
/*
 * A server that backs memory, and users of it, for tests of managed and swappable memory.
 *
 * The server has a universe with nothing but its queue and the backing, so it ends like a program
 * of its own. It has several requests in flight, and is slow at random. A user is a thread with
 * random numbers of its own; users share out the pages, so each knows what its pages have to be.
 */
#ifndef TESTS_NATIVE_MEMORY_SERVER_H
#define TESTS_NATIVE_MEMORY_SERVER_H

#include <base/random.h>
#include <tests/native/native.h>

struct memory_server {
	/* ---- set before memory_server_start() */
	uint64_t n_pages; /* of the backing */
	uint32_t n_requests; /* that are in flight */
	void (*bring)(uint64_t index, void *page); /* fill it */
	void (*store)(uint64_t index, void *page); /* remember what is in it */

	/* ---- for everybody */
	_Atomic uint64_t n_reads, n_writes; /* requests */
	hel_handle thread;
	void *pages; /* the backing, mapped; forks of the space do not see it */

	/* ---- its own */
	hel_handle backing; /* in its universe */
	struct hel_queue_client queue;
	struct random random;
	struct native_stack stack;
};

/** memory_server_start() - takes @backing; false: a call failed */
bool memory_server_start(struct memory_server *server, hel_handle backing, uint64_t seed);

/** memory_server_kill() - its universe ends with it, and with that the backing */
void memory_server_kill(struct memory_server *server);

/** memory_server_unmap() - give up what is left of one that was killed */
void memory_server_unmap(struct memory_server *server);

struct memory_user {
	uint32_t number;
	struct random random;
	_Atomic bool is_over; /* set by itself: it has done all that it had to */
	hel_handle thread;
	struct native_stack stack;
};

/** memory_users_start() - @n threads that run @run */
void memory_users_start(struct memory_user *users, uint32_t n,
	void (*run)(struct memory_user *user), uint64_t seed);

/** memory_users_await() - until all are over, or @timeout_ns; how many are not */
uint64_t memory_users_await(const struct memory_user *users, uint32_t n, uint64_t timeout_ns);

/** memory_users_end() - wherever they are */
void memory_users_end(const struct memory_user *users, uint32_t n);

#endif
