/* SPDX-License-Identifier: MIT */
/*
 * Options, the start, and what has to be well in the end.
 *
 *	fuzz-linux --user nobody --calls 200000 --seed 1
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY       65534
#define WARM_UP_PART 10 /* of the calls, before memory is measured */
#define DEPTH_MAX    64

struct options options = {
	.seed = 1,
	.n_calls = 100000,
	.n_calls_each = 1000,
	.n_slots = 4,
	.only_worker = -1,
	.user = "",
};

struct shared *shared;

static const char usage[] = "fuzz-linux: random system calls\n"
			    "  --user NAME       nobody, or root: that needs --world\n"
			    "  --calls N         how many calls; 100000\n"
			    "  --seed N          which calls; 1\n"
			    "  --each N          calls of a worker's lanes; 1000\n"
			    "  --slots N         workers at a time; 4\n"
			    "  --worker N        only this worker, shown in the end\n"
			    "  --world           the machine is ours: also calls that change it\n"
			    "  --hel N           of 1000 calls, how many have bit 31 set; 0\n"
			    "  --check-memory    fail if memory is gone in the end\n"
			    "  --verbose         show each lane that had to be killed\n";

/* ---- folders ------------------------------------------------------------------------------- */

static void remove_name(int folder, const char *name, uint32_t depth);

static void empty_below(int folder, uint32_t depth)
{
	DIR *stream = fdopendir(folder);
	struct dirent *entry;

	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			remove_name(dirfd(stream), entry->d_name, depth);
		}
	}
	if (stream != NULL) {
		closedir(stream);
	}
}

static void remove_name(int folder, const char *name, uint32_t depth)
{
	if (unlinkat(folder, name, 0) == 0 || depth > DEPTH_MAX) {
		return;
	}
	fchmodat(folder, name, 0700, 0);
	int below = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (below >= 0) {
		empty_below(below, depth + 1);
	}
	unlinkat(folder, name, AT_REMOVEDIR);
}

void folder_empty(int folder)
{
	int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);

	if (copy >= 0) {
		empty_below(copy, 0);
	}
}

/* ---- whether all is well ------------------------------------------------------------------- */

/* KiB that are free, by /proc/meminfo; 0: unknown. */
static uint64_t memory_free(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long long free_kib = 0;
	char line[128];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "MemAvailable: %llu", &free_kib) == 1) {
			break;
		}
	}
	if (file != NULL) {
		fclose(file);
	}
	return free_kib;
}

static bool memory_is_back(uint64_t before)
{
	/* what the last worker had may take a moment */
	for (int i = 0; i < 20 && memory_free() + before / 33 < before; i++) {
		usleep(100000);
	}
	uint64_t after = memory_free();

	printf("fuzz-linux: %llu KiB were free, now %llu\n", (unsigned long long)before,
		(unsigned long long)after);
	return after + before / 33 >= before;
}

/* A child writes into a file and a socket what we read. */
static bool system_is_well(void)
{
	int ends[2], status = 0;
	char text[8] = "";

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
		return false;
	}
	pid_t child = fork();

	if (child == 0) {
		int fd = open("/proc/self/comm", O_RDONLY);
		ssize_t size = read(fd, text, sizeof(text));

		_exit(size > 0 && write(ends[1], "well", 4) == 4 ? 7 : 1);
	}
	bool is_well = child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
		WEXITSTATUS(status) == 7 && read(ends[0], text, sizeof(text)) == 4 &&
		memcmp(text, "well", 4) == 0;

	close(ends[0]);
	close(ends[1]);
	return is_well;
}

/* ---- the start ----------------------------------------------------------------------------- */

/* In a child of vfork, or after it: what execve in a worker comes to. */
__attribute__((noreturn)) static void stub(void)
{
	_exit(getpid() > 0 ? 0 : 1);
}

static bool become_user(void)
{
	if (strcmp(options.user, "root") == 0) {
		return options.has_world && geteuid() == 0;
	}
	if (strcmp(options.user, "nobody") != 0) {
		return false;
	}
	return geteuid() != 0 ||
		(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
			setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

static bool read_options(int argc, char **argv, bool *out_checks_memory)
{
	static const struct option names[] = { { "user", 1, NULL, 'u' }, { "calls", 1, NULL, 'c' },
		{ "seed", 1, NULL, 's' }, { "each", 1, NULL, 'e' }, { "slots", 1, NULL, 'n' },
		{ "worker", 1, NULL, 'w' }, { "world", 0, NULL, 'W' }, { "hel", 1, NULL, 'h' },
		{ "check-memory", 0, NULL, 'm' }, { "verbose", 0, NULL, 'v' },
		{ NULL, 0, NULL, 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		uint64_t number = optarg == NULL ? 0 : strtoull(optarg, NULL, 0);

		switch (option) {
		case 'u': options.user = optarg; break;
		case 'c': options.n_calls = number; break;
		case 's': options.seed = number; break;
		case 'e': options.n_calls_each = number; break;
		case 'n': options.n_slots = (uint32_t)number; break;
		case 'w': options.only_worker = (int64_t)number; break;
		case 'W': options.has_world = true; break;
		case 'h': options.hel_per_mille = (uint32_t)number; break;
		case 'm': *out_checks_memory = true; break;
		case 'v': options.is_verbose = true; break;
		default: return false;
		}
	}
	return options.n_slots >= 1 && options.n_slots <= SLOTS_MAX && options.user[0] != '\0';
}

/* All calls; first a part of them, for what the system makes once and keeps. */
static int run(bool checks_memory)
{
	uint64_t n_calls = options.n_calls, free_before = 0;
	int error = 0;

	if (options.only_worker >= 0) {
		options.n_slots = 1;
	} else if (checks_memory) {
		options.n_calls = n_calls / WARM_UP_PART;
		error = keeper_run();
		free_before = memory_free();
		options.n_calls = n_calls - options.n_calls;
	}
	error |= keeper_run();
	if (free_before != 0 && error == 0 && !memory_is_back(free_before)) {
		printf("fuzz-linux: memory is gone\n");
		error = 1;
	}
	if (!system_is_well()) {
		printf("fuzz-linux: the system is not well\n");
		error = 1;
	}
	return error;
}

/* As that user, in a folder that goes with it. */
static int keep(bool checks_memory)
{
	char folder[] = "/tmp/fuzz-linux-XXXXXX";

	if (!become_user()) {
		fputs(usage, stderr);
		return 2;
	}
	umask(022);
	if (mkdtemp(folder) == NULL) {
		perror("fuzz-linux: mkdtemp");
		return 2;
	}
	options.folder = folder;
	table_init(options.has_world);
	int error = run(checks_memory);

	world_end();
	int all = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (all >= 0) {
		folder_empty(all);
		close(all);
	}
	rmdir(folder);
	fflush(stdout);
	return error;
}

int main(int argc, char **argv)
{
	bool checks_memory = false;

	if (argc >= 2 && strcmp(argv[1], "--stub") == 0) {
		stub();
	}
	if (!read_options(argc, argv, &checks_memory)) {
		fputs(usage, stderr);
		return 2;
	}
	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("fuzz-linux: mmap");
		return 2;
	}
	pid_t keeper = fork();

	if (keeper == 0) {
		_exit(keep(checks_memory));
	}
	return keeper < 0 ? 2 : watcher_run(keeper);
}
