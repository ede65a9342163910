/* SPDX-License-Identifier: MIT */
/*
 * What the tests of file systems share: a loop with virtual time, a disk in memory, a host, images
 * made by tools of the host, and a small server that reads and writes bytes through the library.
 *
 * A test runs functions as tasks: harness_run() returns when the task and everything that it
 * started has ended. Faults of the library itself end the test.
 */
#ifndef BLOCKFS_TESTS_HARNESS_H
#define BLOCKFS_TESTS_HARNESS_H

#include "fake-device.h"

#include <async/test-loop.h>
#include <drivers/lib/blockfs/blockfs.h>

struct harness {
	struct test_loop test_loop;
	struct fake_device fake;
	bool has_device;
	struct blockfs_host host;
	struct blockfs *fs;
	uint8_t *arena;
	size_t arena_size;
	uint64_t seed;
	int64_t now; /* the host's clock, seconds; it ticks at each look */
	uint64_t random;
	/* what is mounted, and how; ext4 if nothing else is said */
	int (*mount)(struct task *task, const struct blockfs_mount_options *options,
		struct blockfs **out_fs);
	const char *options;
	enum blockfs_data_mode data_mode;
	enum blockfs_ext_kind ext_kind;
	bool is_quiet; /* complaints are not printed */
	uint64_t n_complaints;
	int error; /* of the last harness_run() */
};

/** harness_fail_allocation_one_in - how often blockfs_allocate() has no memory; 0: never */
extern uint64_t harness_fail_allocation_one_in;

/** harness_init() - @seed also chooses the order in which things happen; 0: first come first */
void harness_init(struct harness *harness, uint64_t seed);

/** harness_deinit() - nothing is mounted */
void harness_deinit(struct harness *harness);

/** harness_load() - let the disk have the contents of an image */
void harness_load(struct harness *harness, const char *path);

/** harness_run() - run a task to its end; its result */
int harness_run(struct harness *harness, task_fn run, void *argument);

/** harness_mount() - mount the disk; the result */
int harness_mount(struct harness *harness, bool is_read_only);

/** harness_unmount() - unmount; the result */
int harness_unmount(struct harness *harness);

/** harness_folder() - a new folder below /tmp, removed by harness_remove_folder() */
const char *harness_folder(void);
void harness_remove_folder(void);

/** harness_path() - a path in the folder; good until the sixth call after this one */
const char *harness_path(const char *name);

/** harness_command() - run a shell command, its output into the folder's file `log`; its status */
int harness_command(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** harness_must() - the same; a status that is not 0 ends the program with the log */
void harness_must(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** harness_fsck() - e2fsck -fn of an image: it must find nothing; prints what it found */
bool harness_fsck(const char *path);

/** harness_fsck_fat() - the same with fsck.fat -n */
bool harness_fsck_fat(const char *path);

/* ---- a small server; all are called in tasks ------------------------------------------------- */

/** file_read() - read bytes; as many as there are, up to @size */
int file_read(struct task *task, struct blockfs_node *node, uint64_t offset, void *out_data,
	size_t size, size_t *out_size);

/** file_write() - write bytes, all the way to the disk: as a server without a cache */
int file_write(struct task *task, struct blockfs_node *node, uint64_t offset, const void *data,
	size_t size);

/** file_resize() - set the size */
int file_resize(struct task *task, struct blockfs_node *node, uint64_t size);

/** path_find() - walk a path from the root; the node is to be put */
int path_find(
	struct task *task, struct blockfs *fs, const char *path, struct blockfs_node **out_node);

/** name_of() - a string as a name */
struct blockfs_name name_of(const char *text);

#endif
