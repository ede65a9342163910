/* SPDX-License-Identifier: MIT */
/*
 * The keeper: starts workers, looks whether they come on, tells what it had to kill.
 *
 *	still for STILL_MS           a signal to that thread, again and again
 *	for KILL_MS                  the lane is shown (--verbose), and its process killed
 *	no lane for WORKER_KILL_MS   the worker is killed: what stays of it has no lane any more
 *	dead for GONE_MS, but there  the system under test has failed
 *
 * Children whose parents are gone are the keeper's, for it is a subreaper. Those that no journal
 * knows any more are found by /proc and killed, too.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS        2
#define STILL_MS       6
#define KILL_MS        1500
#define WORKER_KILL_MS 10000
#define GONE_MS        30000
#define STRAYS_EACH    16 /* workers */
#define VAIN_MAX       64 /* workers that end one after the other without having made a call */
#define NUMBERS        512
#define ANCESTORS_MAX  8

struct watch {
	uint64_t worker;
	pid_t pid; /* 0: none */
	uint64_t killed_ms; /* 0: not yet */
	uint64_t seen[LANES], still_since_ms[LANES];
	uint64_t seen_calls, calls_since_ms; /* of all lanes */
	bool is_told[LANES];
};

static struct watch watches[SLOTS_MAX];
static uint64_t next_worker, n_calls_done, n_signalled, n_killed, n_ended;
static uint32_t n_vain;
static uint32_t n_stuck[NUMBERS]; /* by the number of the call */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void rest(uint64_t ms)
{
	nanosleep(&(struct timespec){ 0, (long)ms * 1000000 }, NULL);
}

/* ---- what lanes did ------------------------------------------------------------------------ */

void keeper_show_lane(const struct lane *lane)
{
	uint64_t n = lane->n_begun;

	printf("  lane %u, process %d, thread %d, %llu calls; the last:\n", lane->index, lane->pid,
		lane->tid, (unsigned long long)n);
	for (uint64_t i = n < JOURNAL_ENTRIES ? 0 : n - JOURNAL_ENTRIES; i < n; i++) {
		const struct entry *entry = &lane->ring[i % JOURNAL_ENTRIES];

		printf("    %lld %s(", (long long)entry->number, table_name(entry->number));
		for (size_t k = 0; k < ARGUMENTS; k++) {
			printf("%s%#llx", k > 0 ? ", " : "",
				(unsigned long long)entry->arguments[k]);
		}
		if (entry->is_done) {
			printf(") = %lld\n", (long long)entry->result);
		} else {
			printf(") does not return\n");
		}
	}
	fflush(stdout);
}

static void show_worker(const struct watch *watch, const char *what)
{
	const struct slot *slot = &shared->slots[watch - watches];

	printf("fuzz-linux: worker %llu (seed %llu) %s\n", (unsigned long long)watch->worker,
		(unsigned long long)options.seed, what);
	for (uint32_t i = 0; i < slot->n_lanes && i < LANES; i++) {
		if (slot->lanes[i].tid != 0 || options.only_worker >= 0) {
			keeper_show_lane(&slot->lanes[i]);
		}
	}
}

/* ---- processes ----------------------------------------------------------------------------- */

static bool read_status(const char *path, char *out_state, int32_t *out_parent)
{
	char text[512];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0) {
		close(fd);
	}
	if (size <= 0) {
		return false;
	}
	text[size] = '\0';
	/* the name may hold anything, also parentheses */
	const char *end = strrchr(text, ')');

	return end != NULL && sscanf(end + 1, " %c %d", out_state, out_parent) == 2;
}

bool process_status(int32_t pid, char *out_state, int32_t *out_parent)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	return read_status(path, out_state, out_parent);
}

/* Of its thread: a process whose first thread has ended looks dead, and may have others. */
static bool is_over(const struct lane *lane)
{
	char path[64], state;
	pid_t parent;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", lane->pid, lane->tid);
	return !read_status(path, &state, &parent) || state == 'Z' || state == 'X';
}

/* A journal's word is not taken for it: somebody below us. */
static bool is_ours(pid_t pid)
{
	char state;

	for (uint32_t i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		pid_t parent;

		if (!process_status(pid, &state, &parent)) {
			return false;
		}
		if (parent == getpid()) {
			return true;
		}
		pid = parent;
	}
	return false;
}

static void kill_ours(pid_t pid)
{
	if (is_ours(pid)) {
		kill(pid, SIGKILL);
	}
}

static bool is_known(pid_t pid)
{
	for (uint32_t i = 0; i < options.n_slots; i++) {
		if (watches[i].pid == 0) {
			continue;
		}
		if (watches[i].pid == pid) {
			return true;
		}
		for (uint32_t k = 0; k < LANES; k++) {
			if (shared->slots[i].lanes[k].tid != 0 &&
				shared->slots[i].lanes[k].pid == pid) {
				return true;
			}
		}
	}
	return false;
}

static void kill_strays(void)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		pid_t pid = (pid_t)atoi(entry->d_name), parent;
		char state;

		if (pid > 1 && !is_known(pid) && process_status(pid, &state, &parent) &&
			parent == getpid()) {
			kill(pid, SIGKILL);
		}
	}
	if (folder != NULL) {
		closedir(folder);
	}
}

/* ---- workers ------------------------------------------------------------------------------- */

static bool start_worker(uint32_t index)
{
	struct watch *watch = &watches[index];

	memset(watch, 0, sizeof(*watch));
	memset(&shared->slots[index], 0, sizeof(shared->slots[index]));
	watch->worker = options.only_worker >= 0 ? (uint64_t)options.only_worker : next_worker++;
	fflush(NULL);
	/* a lane that has gone to ".." may have changed what is there */
	chmod(options.folder, 0755);
	watch->pid = fork();
	if (watch->pid == 0) {
		worker_main(watch->worker, &shared->slots[index]);
	}
	if (watch->pid < 0) {
		printf("fuzz-linux: fork: %s\n", strerror(errno));
		watch->pid = 0;
		return false;
	}
	uint64_t now = now_ms();

	watch->calls_since_ms = now;
	for (size_t i = 0; i < LANES; i++) {
		watch->still_since_ms[i] = now;
	}
	return true;
}

static void remove_folder(uint64_t worker)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/w%llu", options.folder, (unsigned long long)worker);
	chmod(name, 0700);
	int folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder >= 0) {
		folder_empty(folder);
		close(folder);
	}
	rmdir(name);
}

/* How many calls it has made. If all have made none, this would go on for ever. */
static void count_calls(const struct watch *watch, const struct slot *slot)
{
	if (slot->n_calls <= LANES * options.n_calls_each) {
		n_calls_done += slot->n_calls;
	}
	n_vain = slot->n_calls == 0 ? n_vain + 1 : 0;
	if (slot->error != 0) {
		printf("fuzz-linux: worker %llu cannot begin: %s\n",
			(unsigned long long)watch->worker, strerror(slot->error));
		fflush(stdout);
	}
}

static void end_worker(struct watch *watch, int status)
{
	struct slot *slot = &shared->slots[watch - watches];

	if (options.only_worker >= 0) {
		show_worker(watch, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "has ended");
	}
	if (options.is_verbose && WIFSIGNALED(status)) {
		const struct lane *lane = &slot->lanes[0];
		int64_t number = lane->ring[(lane->n_begun - 1) % JOURNAL_ENTRIES].number;

		printf("fuzz-linux: worker %llu: signal %d after %llu calls, in %lld %s\n",
			(unsigned long long)watch->worker, WTERMSIG(status),
			(unsigned long long)lane->n_begun, (long long)number, table_name(number));
	}
	count_calls(watch, slot);
	n_ended++;
	n_signalled += WIFSIGNALED(status) && watch->killed_ms == 0;
	n_killed += watch->killed_ms != 0;
	for (uint32_t i = 0; i < LANES; i++) {
		if (slot->lanes[i].tid != 0 && slot->lanes[i].pid != watch->pid) {
			kill_ours(slot->lanes[i].pid);
		}
	}
	watch->pid = 0;
	if (n_ended % STRAYS_EACH == 0) {
		kill_strays();
	}
	remove_folder(watch->worker);
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		for (uint32_t i = 0; i < options.n_slots; i++) {
			if (watches[i].pid == pid) {
				end_worker(&watches[i], status);
			}
		}
	}
}

/* ---- the watch ----------------------------------------------------------------------------- */

static void lane_stuck(struct watch *watch, uint32_t index, uint64_t now)
{
	struct lane *lane = &shared->slots[watch - watches].lanes[index];
	uint64_t n = lane->n_begun;
	int64_t number = n == 0 ? 0 : lane->ring[(n - 1) % JOURNAL_ENTRIES].number;

	if (is_over(lane)) {
		lane->tid = 0;
		return;
	}
	watch->is_told[index] = true;
	n_stuck[number >= 0 && number < NUMBERS ? number : NUMBERS - 1]++;
	if (options.is_verbose) {
		printf("fuzz-linux: worker %llu does not come on\n",
			(unsigned long long)watch->worker);
		watcher_show_thread(lane->pid, lane->tid);
		keeper_show_lane(lane);
	}
	if (lane->pid == watch->pid) {
		watch->killed_ms = now;
	}
	kill_ours(lane->pid);
}

static void look_at_all_lanes(struct watch *watch, const struct slot *slot, uint64_t now)
{
	if (slot->n_calls != watch->seen_calls) {
		watch->seen_calls = slot->n_calls;
		watch->calls_since_ms = now;
	} else if (now - watch->calls_since_ms > WORKER_KILL_MS && watch->killed_ms == 0) {
		watch->killed_ms = now;
		kill(watch->pid, SIGKILL);
	}
}

/* False: a worker that was killed is still there. */
static bool look_at(struct watch *watch)
{
	struct slot *slot = &shared->slots[watch - watches];
	uint64_t now = now_ms();

	for (uint32_t i = 0; i < slot->n_lanes && i < LANES; i++) {
		struct lane *lane = &slot->lanes[i];
		uint64_t still_ms = now - watch->still_since_ms[i];

		if (lane->n_begun != watch->seen[i] || lane->tid == 0) {
			watch->seen[i] = lane->n_begun;
			watch->still_since_ms[i] = now;
		} else if (still_ms > KILL_MS && !watch->is_told[i] && lane->pid > 1) {
			lane_stuck(watch, i, now);
		} else if (still_ms > STILL_MS && lane->pid > 1) {
			syscall(SYS_tgkill, lane->pid, lane->tid, SIGALRM);
			kill(lane->pid, SIGCONT);
		}
	}
	look_at_all_lanes(watch, slot, now);
	if (watch->killed_ms != 0 && now - watch->killed_ms > GONE_MS) {
		show_worker(watch, "was killed and is still there");
		return false;
	}
	return true;
}

/* Kills and reaps what is left; false: something stays. */
static bool end_all(void)
{
	uint64_t deadline = now_ms() + GONE_MS;

	memset(watches, 0, sizeof(watches)); /* nobody is known any more */
	while (now_ms() < deadline) {
		int status;

		kill_strays();
		shared->n_turns++;
		while (waitpid(-1, &status, WNOHANG | __WALL) > 0) {
		}
		if (errno == ECHILD) {
			return true;
		}
		rest(LOOK_MS);
	}
	printf("fuzz-linux: children that were killed are still there\n");
	return false;
}

static void show_stuck(void)
{
	for (size_t i = 0; i < NUMBERS; i++) {
		if (n_stuck[i] != 0) {
			printf("  %u were killed in %zu %s\n", n_stuck[i], i,
				table_name((int64_t)i));
		}
	}
}

static uint64_t calls_so_far(void)
{
	uint64_t n = n_calls_done;

	for (uint32_t i = 0; i < options.n_slots; i++) {
		n += watches[i].pid != 0 ? shared->slots[i].n_calls : 0;
	}
	return n;
}

/* Looks at each slot once, and fills those that are empty; how many are in use, -1: a failure. */
static int turn(bool may_start)
{
	int n_running = 0;

	for (uint32_t i = 0; i < options.n_slots; i++) {
		if (watches[i].pid == 0 && may_start && !start_worker(i)) {
			return -1;
		}
		if (watches[i].pid != 0 && !look_at(&watches[i])) {
			return -1;
		}
		n_running += watches[i].pid != 0;
	}
	return n_running;
}

int keeper_run(void)
{
	uint64_t started = now_ms();
	int n_running = 1;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	n_calls_done = n_signalled = n_killed = n_ended = n_vain = 0;
	while (n_running > 0) {
		bool is_first = options.only_worker < 0 || n_ended == 0;

		n_running = turn(calls_so_far() < options.n_calls && is_first && n_vain < VAIN_MAX);
		shared->n_turns++;
		rest(LOOK_MS);
		reap();
	}
	bool is_clean = end_all();

	printf("fuzz-linux: seed %llu, user %s: %llu calls by %llu workers in %llu s; %llu ended "
	       "by a signal, %llu killed\n",
		(unsigned long long)options.seed, options.user, (unsigned long long)n_calls_done,
		(unsigned long long)n_ended, (unsigned long long)(now_ms() - started) / 1000,
		(unsigned long long)n_signalled, (unsigned long long)n_killed);
	show_stuck();
	fflush(stdout);
	if (n_vain >= VAIN_MAX) {
		printf("fuzz-linux: no worker makes a call any more\n");
	}
	return n_running < 0 || n_vain >= VAIN_MAX || !is_clean ? 1 : 0;
}
