/* SPDX-License-Identifier: MIT */
/*
 * A file server that exists only here: one volume, whose file system is in arrays. It is slow,
 * answers out of order, fails when told to, and keeps what it was told when it is unmounted.
 */
#ifndef POSIX_TESTS_DISK_SERVER_H
#define POSIX_TESTS_DISK_SERVER_H

#include <base/random.h>
#include <protocols/fs/fs.gen.h>

struct disk_server {
	struct random chance;
	bool is_mounted, is_read_only;
	bool is_shared; /* others change it, too */
	void (*meanwhile)(void); /* what they do while a call is under way, NULL: nothing */
	int next_error; /* of the next call, which does nothing; 0: none */
	uint64_t fail_one_in; /* 0: never; calls fail with an I/O error */
	bool cannot_tell; /* there is no memory to tell of the next node that is made */
	bool is_cold; /* contents are absent when they are asked for */
	uint64_t n_dirty_max; /* writes to pages before a writer has to wait; 0: any number */
	uint64_t n_free_blocks;
	int sync_error; /* what the next node that is to last answers, once */
	/* what was counted */
	uint64_t n_calls, n_lookups, n_reserves, n_set_attributes, n_syncs, n_locks, n_fences;
	uint64_t n_at_once, n_at_once_max;
	uint64_t n_locked; /* ranges that are locked now */
};

extern struct disk_server disk_server;

/** disk_server_begin() - an empty file system */
void disk_server_begin(uint64_t seed);
/** disk_server_end() - free all; fails if somebody still holds something */
void disk_server_end(void);

/** disk_server_rdev() - the volume's device number */
uint64_t disk_server_rdev(void);
/** disk_server_find() - the number of a node by its path, 0: there is none */
uint64_t disk_server_find(const char *path);
/** disk_server_attributes() - what the server has been told of a node */
const struct fs_attributes *disk_server_attributes(uint64_t number);
/** disk_server_n_given() - references of all nodes that were not given back */
uint64_t disk_server_n_given(void);
/** disk_server_n_nodes() - nodes that exist, with or without a name */
uint64_t disk_server_n_nodes(void);
/** disk_server_set_xattr() - somebody else has made an attribute, before it was mounted */
void disk_server_set_xattr(uint64_t number, const char *name, const void *value, size_t size);
/** disk_server_xattr() - its value, NULL: none */
const void *disk_server_xattr(uint64_t number, const char *name, size_t *out_size);
/** disk_server_evict() - no page of any file is there */
void disk_server_evict(void);
/** disk_server_client_gone() - the session ends as it does without `unmount`: its lane is closed */
void disk_server_client_gone(void);
/** disk_server_other_writes() - somebody else makes or overwrites a file in the root directory */
void disk_server_other_writes(const char *name, const char *text);
/** disk_server_other_removes() - takes a file's name away, if it is there */
void disk_server_other_removes(const char *path);
/** disk_server_other_moves() - gives a file another name in its directory, replacing what has it */
void disk_server_other_moves(const char *path, const char *name);
/** disk_server_text() - the contents of a file, terminated */
const char *disk_server_text(uint64_t number);

#endif
