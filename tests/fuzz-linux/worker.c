/* SPDX-License-Identifier: MIT */
/* A worker: its world, and the loop of each lane. */
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFRESH_CALLS 32
#define MEMORY_BYTES  (256ul << 20)
#define FILE_BYTES    (1ul << 20)

struct lane *worker_lane_begin(struct slot *slot)
{
	uint32_t index = atomic_fetch_add(&slot->n_lanes, 1);

	if (index >= LANES) {
		atomic_store(&slot->n_lanes, LANES);
		return NULL;
	}
	slot->lanes[index].index = index;
	return &slot->lanes[index];
}

void worker_lane(struct worker *worker)
{
	for (uint32_t i = 0; i < worker->n_calls; i++) {
		if (i % REFRESH_CALLS == 0) {
			world_refresh();
		}
		if (i % (8 * REFRESH_CALLS) == 0 && i > 0 && worker->depth == 0) {
			world_map();
		}
		perform(worker);
	}
}

void worker_hide(struct worker *worker)
{
	atomic_store(&worker->lane->tid, 0);
	raw_call(SYS_mmap, (uint64_t)(uintptr_t)worker->slot, sizeof(*worker->slot),
		PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~0ul, 0);
}

/* What all others share. */
static void leave_others(const struct slot *slot)
{
	uint64_t begin = (uint64_t)(uintptr_t)shared, own = (uint64_t)(uintptr_t)slot;
	uint64_t own_end = own + sizeof(*slot), end = begin + sizeof(*shared);

	RAW(SYS_munmap, begin, own - begin, 0);
	RAW(SYS_munmap, own_end, end - own_end, 0);
}

/* What a call may use up. The table's own limits are tested elsewhere. */
static void set_limits(void)
{
	setrlimit(RLIMIT_AS, &(struct rlimit){ MEMORY_BYTES, MEMORY_BYTES });
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){ FILE_BYTES, FILE_BYTES });
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 256, 256 });
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
}

/* The program is at hand for execve as f3's neighbour; see table.c and main.c. */
static void enter_folder(struct slot *slot, uint64_t number)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/w%llu", options.folder, (unsigned long long)number);
	mkdir(name, 0755);
	if (chdir(name) != 0) {
		slot->error = errno;
		_exit(97);
	}
	(void)!symlink("/proc/self/exe", "d1");
}

void worker_main(uint64_t number, struct slot *slot)
{
	struct worker worker = {
		.draw.state = options.seed * 1000003 + number,
		.slot = slot,
		.n_calls = (uint32_t)options.n_calls_each,
	};

	leave_others(slot);
	world_refresh(); /* before the keeper sees us, and sends signals */
	worker.lane = worker_lane_begin(slot);
	atomic_store(&worker.lane->pid, getpid());
	atomic_store(&worker.lane->tid, getpid());
	prctl(PR_SET_PDEATHSIG, 9);
	/* who has changed its user may not be traced, nor its memory read */
	prctl(PR_SET_DUMPABLE, 1);
	setpgid(0, 0);
	if (options.has_world) {
		syscall(SYS_unshare, 0x20000 /* CLONE_NEWNS */);
	}
	set_limits();
	enter_folder(slot, number);
	world_open();
	world_map();
	(void)draw_next(&worker.draw);
	worker_lane(&worker);
	for (;;) {
		RAW(SYS_exit_group, 0, 0, 0);
	}
}
