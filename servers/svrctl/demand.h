/* SPDX-License-Identifier: MIT */
/*
 * A service on demand: its server is started when a client asks for it, and again after its end.
 *
 *	          a client                    not_before_ns
 *	  IDLE ---------------> BACKING OFF -----------------> RUNNING
 *	   ^                                                      |
 *	   '------------------------------------------------------'
 *	      it cannot be started, or has ended: all that wait are refused
 *
 * Clients wait in a queue until the server takes them, one after the other; DEMAND_CLIENTS_MAX of
 * them, whether it is not started yet or does not listen. Whoever is refused sees the end of its
 * lane, at once: a request is not tried again with the next server, which it may have killed.
 *
 * The first start is at once. After an end the next one is at least a while later, DEMAND_BACKOFF_-
 * MIN_NS at first and twice as long each time, up to DEMAND_BACKOFF_MAX_NS; a server that has run
 * for DEMAND_STABLE_NS begins anew. What counts is how long it ran, not why it ended.
 *
 * All that is one task, so a client or an end that comes while it waits only changes the queue or
 * is_running and wakes it.
 */
#ifndef SVRCTL_DEMAND_H
#define SVRCTL_DEMAND_H

#include <async/sync.h>
#include <helix/helix.h>

constexpr uint32_t DEMAND_CLIENTS_MAX = 32;
constexpr uint64_t DEMAND_BACKOFF_MIN_NS = 100'000'000;
constexpr uint64_t DEMAND_BACKOFF_MAX_NS = 10'000'000'000;
constexpr uint64_t DEMAND_STABLE_NS = 10'000'000'000;

struct demand;

struct demand_ops {
	/*
	 * Start the server: 0 with our end of its control stream, which is taken, or an error, of
	 * which only the log knows. After a success its end must be told by demand_ended(), later.
	 */
	int (*start)(struct demand *demand, hel_handle *out_control);
};

struct demand {
	const struct demand_ops *ops;
	struct job job;
	struct list clients; /* that wait */
	uint32_t n_clients;  /* with the one that is being introduced */
	struct wait_queue changes;
	hel_handle control; /* while it runs */
	bool is_running;
	uint64_t backoff_ns; /* before the last start */
	uint64_t not_before_ns;
};

/**
 * demand_init() - nobody has asked yet
 * @demand: caller's storage, for ever or until its job has been cancelled and has ended
 * @name: of the task; borrowed
 */
void demand_init(
	struct demand *demand, const struct demand_ops *ops, struct loop *loop, const char *name);

/**
 * demand_connect() - a client asks for the service
 * @client: its name, copied
 * @lane: taken on success: the server's end of the client's stream
 *
 * Return: 0, -ERR_NO_SPACE (too many wait), -ERR_NO_MEMORY.
 */
MUST_USE int demand_connect(struct demand *demand, const char *client, hel_handle lane);

/** demand_ended() - the server that start() has started is no more */
void demand_ended(struct demand *demand);

#endif
