/* SPDX-License-Identifier: MIT */
/*
 * What the workers of the power-cut test do, step by step: made from a seed, so the program that
 * does it and the judge that looks at the remains know the same.
 *
 * Each worker has a directory and a marker, a sector outside of the file system. A step ends with
 * the fsync that makes it durable, and then its number is written to the marker. So wherever the
 * power goes, a worker's directory must be as after the step of its marker, or as after the next
 * one, or something that this passes through: a file that grows has any size between the two, of
 * one that is cut the rest may be zero already.
 *
 * What stands in a file is made of its identity, which no other file has, and the place.
 *
 * Compiled for Linux programs, too: nothing of the system's libraries here.
 */
#ifndef TESTS_POWERCUT_PLAN_H
#define TESTS_POWERCUT_PLAN_H

#include <stddef.h>
#include <stdint.h>

#define PLAN_WORKERS_MAX 16
#define PLAN_FILES       10
#define PLAN_SIZE_MAX    (128u * 1024)
#define PLAN_SECTOR      512u
/** PLAN_TEMPORARY - the name of what replaces a file, until it does; files are "f0" to "f9" */
#define PLAN_TEMPORARY   "new"

enum plan_kind {
	PLAN_APPEND,   /* write `size` - what it had, and fsync; makes the file */
	PLAN_REPLACE,  /* write all to PLAN_TEMPORARY, fsync, rename over, fsync the directory */
	PLAN_TRUNCATE, /* to a smaller size, fsync */
	PLAN_UNLINK,   /* and fsync the directory */
	PLAN_RENAME,   /* to `other`, which may exist, and fsync the directory */
};

struct plan_file {
	uint32_t id; /* 0: there is none of this name */
	uint32_t size;
};

struct plan_step {
	enum plan_kind kind;
	uint32_t file, other;
	struct plan_file after; /* of `file`, or of `other` for PLAN_RENAME */
};

struct plan {
	uint64_t chance; /* the state of its random numbers */
	uint32_t worker;
	uint32_t n_steps; /* taken so far */
	uint32_t last_id;
	struct plan_file files[PLAN_FILES];
};

/* What a worker writes to its marker's sector. */
struct plan_marker {
	uint64_t magic; /* PLAN_MAGIC */
	uint64_t seed;
	uint32_t worker;
	uint32_t n_steps;
};
#define PLAN_MAGIC UINT64_C(0x7475637265776f70)

/** plan_init() - before the first step of a worker */
void plan_init(struct plan *plan, uint64_t seed, uint32_t worker);

/** plan_next() - take a step: what it is; plan->files are as after it */
struct plan_step plan_next(struct plan *plan);

/** plan_fill() - what stands in the file @id from @offset on */
void plan_fill(uint32_t id, uint64_t offset, uint8_t *out_bytes, size_t size);

#endif
