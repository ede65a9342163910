/* SPDX-License-Identifier: MIT */
/* What the parts of the fake file server share. */
#ifndef POSIX_TESTS_DISK_SERVER_INTERNAL_H
#define POSIX_TESTS_DISK_SERVER_INTERNAL_H

#include <async/task.h>
#include <base/errors.h>
#include <base/testing.h>
#include <hel/hel-calls.h>
#include <posix/server/tests/disk-server.h>
#include <posix/server/tests/files-machine.h>

constexpr size_t DISK_NODES_MAX = 256;
constexpr uint64_t DISK_PAGES_MAX = 64; /* of a file */

struct server_node {
	bool is_used;
	uint64_t id; /* numbers are used again, ids are not */
	uint64_t n_given;
	struct fs_attributes attributes;
	uint64_t memory; /* HEL_NULL: none yet */
	uint64_t absent; /* pages, as bits */
	uint64_t n_dirty;
	uint64_t room; /* pages that have a block, as bits */
	char target[256];
};

constexpr uint64_t DISK_ROOT_NUMBER = 2;

struct server_entry {
	uint64_t directory; /* 0: unused */
	uint64_t number;
	char name[64];
};

extern struct server_node disk_nodes[DISK_NODES_MAX];

struct server_node *disk_node_of(uint64_t id);
uint64_t disk_number_of(const struct server_node *node);
void disk_node_touch(struct server_node *node);
void disk_node_resize(struct server_node *node, uint64_t size);
/** disk_node_write() - bytes of a file, which becomes longer if need be */
void disk_node_write(struct server_node *node, const void *bytes, size_t size, uint64_t offset);

/** disk_node_create() - a node with a name, or a directory; NULL: there are too many */
struct server_node *disk_node_create(uint32_t mode);
struct server_entry *disk_entry_find(uint64_t directory, const char *name, size_t length);
void disk_entry_add(uint64_t directory, const char *name, size_t length, uint64_t number);
/** disk_entry_remove() - a name goes, and with the last one the node, if nobody has it */
void disk_entry_remove(struct server_entry *entry);

/** disk_pass_on() - what everything takes: some time */
void disk_pass_on(struct task *task);
/** disk_failure() - the error that the next call ends with, 0: none */
int disk_failure(void);

int server_contents(struct bragi_call *call, const struct fs_contents_request *request,
	struct fs_contents_reply *out_reply);
int server_reserve(struct bragi_call *call, const struct fs_reserve_request *request,
	struct fs_reserve_reply *out_reply);
int server_map(struct bragi_call *call, const struct fs_map_request *request,
	struct fs_map_reply *out_reply);
int server_transfer(struct bragi_call *call, const struct fs_transfer_request *request,
	struct fs_transfer_reply *out_reply);
int server_allocate(struct bragi_call *call, const struct fs_allocate_request *request,
	struct fs_allocate_reply *out_reply);

#endif
