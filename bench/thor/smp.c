/* SPDX-License-Identifier: MIT */
/*
 * Several CPUs: pairs of threads that converse, and threads that fault in pages, each in a space of
 * its own and on CPUs of its own; one of them, then four at the same time. Figures are turns of
 * the bench loop for one operation, so what does not scale costs more with four; and how often a
 * CPU had to wait for a lock, for each 1,000 operations of all.
 *
 *	ipc        both of a pair on one CPU, as a client and its server mostly are
 *	ipc_across each on a CPU of its own: these two meet at the locks of their stream and queues
 *	fault      one thread on each CPU
 */
#include "bench.h"

#include <base/format.h>

constexpr uint32_t PAIRS_MAX = 4;
constexpr uint64_t ROUNDS = 4'000;
constexpr uint64_t FAULT_ROUNDS = 40;
constexpr uint64_t FAULT_PAGES = 256;

struct pair {
	struct hel_stream_lanes lanes;
	uint32_t index;
	int32_t client_cpu, server_cpu;
	struct bench_thread client, server;
};

struct workload {
	const char *name;
	void (*client)(void *argument);
	bool has_servers;
	uint32_t n_cpus; /* of one pair, or one client alone */
	uint64_t n_operations; /* of each client */
};

static struct pair pairs[PAIRS_MAX];
static _Atomic uint32_t *n_ready; /* shared */
static _Atomic uint32_t *is_running;

static const struct hel_action answer = {
	.type = HEL_ACTION_RECEIVE_INLINE,
	.length = 64,
};

static void wait_for_start(void)
{
	atomic_fetch_add(n_ready, 1);
	while (atomic_load(is_running) == 0) {
		(void)!hel_futex_wait((const uint32_t *)is_running, 0, HEL_DEADLINE_NEVER, ~0u);
	}
}

static void run_exchange(
	struct hel_queue_client *queue, hel_handle lane, const struct hel_action *action)
{
	bench_exchange(queue, lane, action, 1);
	hel_queue_release(queue, bench_drive(queue));
}

static void pair_client(void *argument)
{
	const struct pair *pair = argument;
	uint64_t text[8] = { 1 };
	struct hel_action request = {
		.type = HEL_ACTION_SEND,
		.address = (uint64_t)text,
		.length = sizeof(text),
	};
	struct hel_queue_client queue;

	bench_queue_open(&queue);
	wait_for_start();
	for (uint64_t i = 0; i < ROUNDS; i++) {
		run_exchange(&queue, pair->lanes.lane[0], &request);
		run_exchange(&queue, pair->lanes.lane[0], &answer);
	}
}

static void pair_server(void *argument)
{
	const struct pair *pair = argument;
	uint64_t text[8] = { 2 };
	struct hel_action reply = {
		.type = HEL_ACTION_SEND,
		.address = (uint64_t)text,
		.length = sizeof(text),
	};
	struct hel_queue_client queue;

	bench_queue_open(&queue);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		run_exchange(&queue, pair->lanes.lane[1], &answer);
		run_exchange(&queue, pair->lanes.lane[1], &reply);
	}
}

static void fault_alone(UNUSED void *argument)
{
	wait_for_start();
	for (uint64_t i = 0; i < FAULT_ROUNDS; i++) {
		uint64_t size_bytes = FAULT_PAGES * HEL_PAGE_SIZE;
		uint64_t address = bench_map(size_bytes, HEL_MAP_FORK_COPY);

		for (uint64_t page = 0; page < FAULT_PAGES; page++) {
			*(volatile uint8_t *)(address + page * HEL_PAGE_SIZE) = 1;
		}
		bench_unmap(address, size_bytes);
	}
}

static void start_all(uint32_t n_pairs, const struct workload *workload)
{
	for (uint32_t i = 0; i < n_pairs; i++) {
		struct pair *pair = &pairs[i];
		struct bench_place place = {
			.is_in_own_space = true,
			.cpu = (int32_t)(workload->n_cpus * i % bench_start->n_cpus),
		};

		bench_require(hel_stream_create(&pair->lanes), "stream_create");
		bench_thread_start(&pair->client, &place, workload->client, pair);
		if (workload->has_servers) {
			place.cpu =
				(int32_t)((workload->n_cpus * (i + 1) - 1) % bench_start->n_cpus);
			bench_thread_start(&pair->server, &place, pair_server, pair);
		}
	}
	while (atomic_load(n_ready) < n_pairs) {
		hel_thread_yield();
	}
}

static void end_all(uint32_t n_pairs, bool has_servers)
{
	for (uint32_t i = 0; i < n_pairs; i++) {
		bench_thread_join(&pairs[i].client);
		if (has_servers) {
			bench_thread_join(&pairs[i].server);
		}
		hel_close(HEL_THIS, pairs[i].lanes.lane[0]);
		hel_close(HEL_THIS, pairs[i].lanes.lane[1]);
	}
}

static void measure(const struct workload *workload, uint32_t n_pairs)
{
	struct hel_kernel_stats before, after;
	char full_name[64];

	atomic_store(n_ready, 0);
	atomic_store(is_running, 0);
	start_all(n_pairs, workload);
	uint64_t loop_ticks = bench_loop_ticks();

	bench_stats(&before);
	uint64_t start = bench_ticks();

	atomic_store(is_running, 1);
	hel_futex_wake((const uint32_t *)is_running, ~0u, ~0u, NULL);
	end_all(n_pairs, workload->has_servers);
	uint64_t n_ticks = bench_ticks() - start;

	bench_stats(&after);
	loop_ticks = (loop_ticks + bench_loop_ticks()) / 2;
	format_to(full_name, sizeof(full_name), "smp.%s_%u", workload->name, n_pairs);
	bench_report(
		full_name, n_ticks * 100 * 1000 / loop_ticks / workload->n_operations, "loops");
	format_to(full_name, sizeof(full_name), "smp.%s_%u.lock_waits", workload->name, n_pairs);
	bench_report(full_name,
		(after.n_lock_waits - before.n_lock_waits) * 100 * 1000 / workload->n_operations /
			n_pairs,
		"per_1000");
}

void bench_smp(void)
{
	static const struct workload workloads[] = {
		{ "ipc", pair_client, true, 1, ROUNDS },
		{ "ipc_across", pair_client, true, 2, ROUNDS },
		{ "fault", fault_alone, false, 1, FAULT_ROUNDS * FAULT_PAGES },
	};
	uint64_t shared = bench_map(HEL_PAGE_SIZE, HEL_MAP_FORK_SHARE);

	n_ready = (_Atomic uint32_t *)shared;
	is_running = (_Atomic uint32_t *)(shared + 64);
	for (uint32_t i = 0; i < ARRAY_SIZE(workloads); i++) {
		measure(&workloads[i], 1);
		measure(&workloads[i], PAIRS_MAX);
	}
	bench_unmap(shared, HEL_PAGE_SIZE);
}
