/* SPDX-License-Identifier: MIT */
/*
 * Folders that the host shares (`hati run --volume`): each is a device with a tag, which the file
 * system type 9p mounts. They come after the root, so a directory that is made for one is on it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "volumes.h"

#define VOLUMES_MAX  16
#define WAIT_SECONDS 10
#define OPTIONS      "trans=virtio,version=9p2000.L"

static char *records[VOLUMES_MAX];
static size_t n_records;
static char why[PATH_MAX + 128];

void volumes_add(char *record)
{
	if (n_records < VOLUMES_MAX) {
		records[n_records++] = record;
	}
}

/* The directory and those above it. */
static void make_path(const char *path)
{
	char part[PATH_MAX];

	for (const char *at = path; *at; at++) {
		if (at > path && *at == '/' && (size_t)(at - path) < sizeof(part)) {
			memcpy(part, path, (size_t)(at - path));
			part[at - path] = 0;
			mkdir(part, 0755);
		}
	}
	mkdir(path, 0755);
}

static int mount_waiting(const char *tag, const char *path, unsigned long flags)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct timespec now;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + WAIT_SECONDS;
	while (mount(tag, path, "9p", flags, OPTIONS) < 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (errno != ENOENT || now.tv_sec >= end) {
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int mount_one(char *record)
{
	char *path = strchr(record, ':');
	char *flags = path ? strchr(path + 1, ':') : NULL;

	if (!path) {
		errno = EINVAL;
		return -1;
	}
	*path++ = 0;
	if (flags) {
		*flags++ = 0;
	}
	make_path(path);
	if (mount_waiting(record, path, flags && !strcmp(flags, "ro") ? MS_RDONLY : 0) < 0) {
		snprintf(why, sizeof(why), "the volume cannot be mounted on %s: %s", path,
			strerror(errno));
		return -1;
	}
	return 0;
}

int volumes_mount(const char **out_why)
{
	*out_why = why;
	for (size_t i = 0; i < n_records; i++) {
		if (mount_one(records[i]) < 0) {
			return -1;
		}
	}
	return 0;
}
