/* SPDX-License-Identifier: MIT */
/*
 * The watcher: waits for the keeper, and tells where everybody is if that one does not come on.
 *
 * The keeper makes a turn every few milliseconds and waits in no call of its own for long. If its
 * count of turns stands still, a call that ought to return does not, or it runs no more: then the
 * watcher shows all processes and threads with their states and calls, as /proc has them, and what
 * each lane did last. A watcher that says nothing either is itself held up: then the system under
 * test is not well as a whole, and has to be looked at from the outside.
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS  200
#define STILL_MS 20000 /* then everybody is shown */
#define END_MS   60000 /* and then the keeper is killed */

/* A small file of /proc, as one line; "?": it cannot be read. */
static void read_line(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0) {
		close(fd);
	}
	if (n <= 0) {
		n = snprintf(text, size, "?");
	}
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

void watcher_show_thread(int32_t pid, int32_t tid)
{
	char path[64], stat[512], call[256];
	long priority = 0, nice = 0;
	unsigned long user = 0, system = 0; /* ticks that it has run */
	unsigned policy = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	read_line(path, stat, sizeof(stat));
	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	read_line(path, call, sizeof(call));
	/* number and name, which may hold anything, then the 3rd to 41st field */
	const char *end = strrchr(stat, ')');

	if (end != NULL) {
		sscanf(end + 1,
			" %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu %*s %*s %ld %ld %*s "
			"%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			"%*s %*s %u",
			&user, &system, &priority, &nice, &policy);
	}
	printf("    thread %d %c, ran %lu + %lu, priority %ld, nice %ld, policy %u, call %s %s\n",
		tid, end != NULL ? end[2] : '?', user, system, priority, nice, policy, call,
		call[0] >= '0' && call[0] <= '9' ? table_name(atoi(call)) : "");
}

static void show_process(int32_t pid)
{
	char path[64], name[64], state = '?';
	int32_t parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	read_line(path, name, sizeof(name));
	process_status(pid, &state, &parent);
	printf("  process %d (%s) %c, parent %d\n", pid, name, state, parent);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	struct dirent *entry;

	while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
		if (atoi(entry->d_name) > 0) {
			watcher_show_thread(pid, atoi(entry->d_name));
		}
	}
	if (tasks != NULL) {
		closedir(tasks);
	}
}

static void show_all(int32_t keeper)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;

	printf("fuzz-linux: the keeper, process %d, does not come on (seed %llu)\n", keeper,
		(unsigned long long)options.seed);
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		if (atoi(entry->d_name) > 0) {
			show_process(atoi(entry->d_name));
		}
	}
	if (folder != NULL) {
		closedir(folder);
	}
	for (uint32_t i = 0; i < options.n_slots; i++) {
		for (uint32_t k = 0; k < LANES; k++) {
			if (shared->slots[i].lanes[k].tid != 0) {
				keeper_show_lane(&shared->slots[i].lanes[k]);
			}
		}
	}
	fflush(stdout);
}

int watcher_run(int32_t keeper)
{
	uint64_t seen = 0, still_ms = 0;
	bool is_shown = false;
	int status = 0;

	while (waitpid(keeper, &status, WNOHANG) != keeper) {
		uint64_t n_turns = shared->n_turns;

		still_ms = n_turns == seen ? still_ms + LOOK_MS : 0;
		seen = n_turns;
		if (still_ms >= STILL_MS && !is_shown) {
			show_all(keeper);
			is_shown = true;
		}
		if (still_ms >= END_MS) {
			kill(keeper, SIGKILL);
			return 1;
		}
		nanosleep(&(struct timespec){ 0, LOOK_MS * 1000000l }, NULL);
	}
	if (WIFSIGNALED(status)) {
		printf("fuzz-linux: signal %d has ended the keeper\n", WTERMSIG(status));
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
