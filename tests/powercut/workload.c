/* SPDX-License-Identifier: MIT */
/*
 * The workload of the power-cut test, an ordinary Linux program: carries out the steps of plan.h.
 *
 *	workload FOLDER MARKERS SEED STEPS WORKERS
 *
 * MARKERS is a block device whose sectors 0, 8, 16, ... are the workers' markers. Every call must
 * succeed; the first that does not ends the program with 1.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK         4096
#define MARKER_STRIDE 4096

static void must(bool is_right, const char *what, uint32_t step)
{
	if (!is_right) {
		fprintf(stderr, "workload: step %u, %s: %s\n", step, what, strerror(errno));
		exit(1);
	}
}

struct worker {
	struct plan plan;
	int folder;
	int markers;
	uint64_t seed;
	uint8_t *sector;
};

static void name_of(uint32_t file, char *out_name)
{
	sprintf(out_name, "f%u", file);
}

/* Writes [from, file.size) of a file, makes it durable and closes it. */
static void write_file(
	struct worker *worker, const char *name, int flags, uint32_t from, struct plan_file file)
{
	uint32_t step = worker->plan.n_steps;
	int fd = openat(worker->folder, name, O_WRONLY | flags, 0644);
	uint8_t bytes[CHUNK];

	must(fd >= 0, "open", step);
	for (uint32_t at = from; at < file.size;) {
		size_t size = file.size - at < CHUNK ? file.size - at : CHUNK;

		plan_fill(file.id, at, bytes, size);
		must(pwrite(fd, bytes, size, at) == (ssize_t)size, "write", step);
		at += (uint32_t)size;
	}
	must(fsync(fd) == 0, "fsync", step);
	close(fd);
}

static void truncate_file(struct worker *worker, const char *name, uint32_t size)
{
	uint32_t step = worker->plan.n_steps;
	int fd = openat(worker->folder, name, O_WRONLY);

	must(fd >= 0, "open", step);
	must(ftruncate(fd, size) == 0, "ftruncate", step);
	must(fsync(fd) == 0, "fsync", step);
	close(fd);
}

static void take_step(struct worker *worker)
{
	struct plan_file before[PLAN_FILES];
	char name[16], other[16];

	memcpy(before, worker->plan.files, sizeof(before));
	struct plan_step step = plan_next(&worker->plan);
	uint32_t number = worker->plan.n_steps;

	name_of(step.file, name);
	name_of(step.other, other);
	switch (step.kind) {
	case PLAN_APPEND:
		write_file(worker, name, O_CREAT, before[step.file].size, step.after);
		break;
	case PLAN_REPLACE:
		write_file(worker, PLAN_TEMPORARY, O_CREAT | O_TRUNC, 0, step.after);
		must(renameat(worker->folder, PLAN_TEMPORARY, worker->folder, name) == 0, "rename",
			number);
		break;
	case PLAN_TRUNCATE: truncate_file(worker, name, step.after.size); break;
	case PLAN_UNLINK: must(unlinkat(worker->folder, name, 0) == 0, "unlink", number); break;
	case PLAN_RENAME:
		must(renameat(worker->folder, name, worker->folder, other) == 0, "rename", number);
		break;
	}
	/* also the names of new files */
	must(fsync(worker->folder) == 0, "fsync of the folder", number);
}

static void mark(struct worker *worker)
{
	struct plan_marker marker = {
		.magic = PLAN_MAGIC,
		.seed = worker->seed,
		.worker = worker->plan.worker,
		.n_steps = worker->plan.n_steps,
	};

	memcpy(worker->sector, &marker, sizeof(marker));
	must(pwrite(worker->markers, worker->sector, CHUNK,
		     (off_t)worker->plan.worker * MARKER_STRIDE) == CHUNK,
		"marker", worker->plan.n_steps);
}

static int work(
	const char *folder, const char *markers, uint64_t seed, uint32_t n_steps, uint32_t number)
{
	struct worker worker = { .seed = seed };
	char path[256];

	plan_init(&worker.plan, seed, number);
	snprintf(path, sizeof(path), "%s/w%u", folder, number);
	worker.folder = open(path, O_RDONLY | O_DIRECTORY);
	must(worker.folder >= 0, path, 0);
	worker.markers = open(markers, O_WRONLY | O_DIRECT | O_DSYNC);
	must(worker.markers >= 0, markers, 0);
	worker.sector = aligned_alloc(CHUNK, CHUNK);
	must(worker.sector != NULL, "memory", 0);
	memset(worker.sector, 0, CHUNK);
	for (uint32_t i = 0; i < n_steps; i++) {
		take_step(&worker);
		mark(&worker);
	}
	return 0;
}

static void make_folder(const char *folder, uint32_t number)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/w%u", folder, number);
	must(mkdir(path, 0755) == 0, path, 0);
}

int main(int n_arguments, char **arguments)
{
	int status, result = 0;

	if (n_arguments != 6) {
		fprintf(stderr, "usage: workload FOLDER MARKERS SEED STEPS WORKERS\n");
		return 2;
	}
	uint32_t n_workers = (uint32_t)atoi(arguments[5]);

	must(n_workers >= 1 && n_workers <= PLAN_WORKERS_MAX, "WORKERS", 0);
	for (uint32_t i = 0; i < n_workers; i++) {
		make_folder(arguments[1], i);
	}
	sync();
	for (uint32_t i = 0; i < n_workers; i++) {
		if (fork() == 0) {
			_exit(work(arguments[1], arguments[2], strtoull(arguments[3], NULL, 0),
				(uint32_t)atoi(arguments[4]), i));
		}
	}
	while (wait(&status) > 0) {
		result |= status != 0;
	}
	return result;
}
