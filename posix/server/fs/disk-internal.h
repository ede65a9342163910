/* SPDX-License-Identifier: MIT */
/*
 * File systems on disks: posix' side of docs/protocols/fs.md.
 *
 * A struct disk_super is a session of a file server; it is mounted however often. A struct
 * disk_inode is a node of that session. What was learnt of it stays true, because nobody else
 * changes it: attributes are in struct inode, names in the dentry cache, extended attributes in the
 * inode's list, contents in memory that is shared with the server.
 *
 *	                lookup, create, find
 *	  (none) ------------------------------> USED: in the table, references > 0
 *	                                          |  ^
 *	                     the last reference   |  | it is looked up again
 *	                                          v  |
 *	         forget                         LEAVING: in the table, in disk->leaving
 *	  (none) <------- GOING: in no table <----+ the farewell job: times told
 *
 * So nothing waits when an inode is released; one job at a time says what is to be said.
 *
 * Times. Reads and writes change the times in struct inode without a message. `told` is what the
 * server knows; what differs is told before a sync, with a change, and in the farewell.
 *
 * Contents. They may be absent at any time, so posix copies by hel_memory_try_read() and _write(),
 * and lets a task lock the range if that does not do. Before a write touches pages the server is
 * asked for room (`reserve`), unless the range is in node->room: there it has room already, or the
 * file has data. Whoever changes size, room or contents in several steps holds the node's lock; who
 * finds it held goes into a task.
 */
#ifndef POSIX_FS_DISK_INTERNAL_H
#define POSIX_FS_DISK_INTERNAL_H

#include <async/task.h>
#include <base/hash-table.h>
#include <posix/server/fs/disk-options.h>
#include <posix/server/fs/disk.h>
#include <posix/server/fs/volume.h>
#include <posix/server/task.h>
#include <posix/server/vfs/dentry.h>

enum disk_phase : uint8_t {
	DISK_MOUNTING,
	DISK_MOUNTED,
	DISK_UNMOUNTING, /* mounted nowhere; what there is to say is being said */
	DISK_GONE,
};

struct disk_super {
	struct super super;
	struct list_node node; /* of all that are mounted */
	struct volume *volume; /* referenced */
	const char *type;
	char data_mode[DISK_DATA_MODE_SIZE]; /* the option that it was mounted with, if any */
	uint64_t serial; /* later ones have higher numbers */
	enum disk_phase phase;
	struct wait_queue phase_changed;
	hel_handle lane; /* of the session */
	struct transport_client client;
	struct transport_client contents_client; /* for replies with a descriptor */
	struct hash_table inodes; /* struct disk_inode.hash_node, by number */
	uint64_t n_gone; /* inodes that were taken out of it, ever */
	struct list leaving; /* struct disk_inode.leaving_node */
	struct wait_queue all_gone; /* woken when `leaving` was empty and all was forgotten */
	struct job farewell;
	bool has_farewell_job; /* which has not begun */
	bool is_saying_farewell; /* some task does */
	bool is_shared; /* others change it, too: share-file.c */
};

/* What the server knows of what changes here without a message. */
struct disk_told {
	int64_t atime_ns, mtime_ns, ctime_ns;
	uint32_t mode;
};

struct disk_range {
	uint64_t start, end;
};

struct disk_inode {
	struct inode inode;
	struct hash_node hash_node;
	struct list_node leaving_node; /* in disk->leaving */
	uint64_t id; /* of the node */
	uint32_t flags; /* FS_..._FL */
	uint32_t project;
	uint64_t n_given; /* references that the server has given */
	struct disk_told told;
	hel_handle contents; /* HEL_NULL: not asked for yet */
	struct disk_range room; /* see above; whole pages */
	struct disk_range ahead; /* that was asked for last */
	bool is_locked; /* somebody changes size or contents and waits */
	struct wait_queue unlocked;
	bool has_xattrs; /* the list of the inode is complete */
	bool is_going; /* its last name is being removed, and the server's references go with it */
	bool is_unhashed; /* it is in the table no more */
	char *target; /* of a symbolic link, NULL: not read yet */
	uint32_t n_name_changes; /* of a directory: listings from before are old */
	/* Storing it has failed so often; each open file is told once, of the last time. */
	uint32_t n_errors;
	int64_t error;
	bool can_read, can_write; /* shared: the server has said so (`prepare`) */
};

static inline struct disk_super *disk_super_of(struct super *super)
{
	return container_of(super, struct disk_super, super);
}

static inline struct disk_inode *disk_inode_of(struct inode *inode)
{
	return container_of(inode, struct disk_inode, inode);
}

static inline struct disk_super *disk_of(const struct disk_inode *node)
{
	return disk_super_of(node->inode.super);
}

/* ---- calls ----------------------------------------------------------------------------------- */

constexpr size_t DISK_CALL_BYTES = 1536; /* request and reply, but for long ones */

/*
 * One or more calls of a hook:
 *
 *	error = disk_call_begin(&call, disk);
 *	if (error < 0) {
 *		return error;
 *	}
 *	request.name = ...;
 *	error = fs_session_lookup(call.task, DISK_CLIENT(&call), &request, &reply);
 *	return disk_call_end(&call, error);
 *
 * In between everybody else runs.
 */
struct disk_call {
	struct disk_super *disk;
	struct task *task;
	struct request_pause pause;
	struct bragi_exchange exchange;
	void *block; /* NULL: `bytes` are enough */
	uint8_t bytes[DISK_CALL_BYTES];
};

/** DISK_CLIENT() - the second and third argument of a generated call */
#define DISK_CLIENT(call) &(call)->disk->client.client, &(call)->exchange

/** DISK_CONTENTS_CLIENT() - the same if the reply brings a descriptor */
#define DISK_CONTENTS_CLIENT(call) &(call)->disk->contents_client.client, &(call)->exchange

/** disk_call_begin() - 0, or REQUEST_TASK: nothing was done */
int64_t disk_call_begin(struct disk_call *call, struct disk_super *disk);

/** disk_call_begin_long() - the same with a buffer of @n_bytes; also -LINUX_ENOMEM */
int64_t disk_call_begin_long(struct disk_call *call, struct disk_super *disk, size_t n_bytes);

/** disk_call_again() - use the buffer for another call; what was in it is void */
void disk_call_again(struct disk_call *call);

/** disk_call_end() - the last reply was looked at; returns the errno of @error, negative or 0 */
int64_t disk_call_end(struct disk_call *call, int error);

/* ---- inodes: disk-inode.c -------------------------------------------------------------------- */

extern const struct inode_ops disk_file_inode_ops;
extern const struct inode_ops disk_directory_inode_ops;
extern const struct inode_ops disk_link_inode_ops;
extern const struct inode_ops disk_special_inode_ops;

int64_t disk_super_init_inodes(struct disk_super *disk);
void disk_super_deinit_inodes(struct disk_super *disk);

/**
 * disk_inode_take() - the inode of a node that a reply holds: the one that there is, or a new one
 * @node: its reference is taken, also on failure; its attributes are refreshed if need be
 * @n_gone: disk->n_gone when the call was begun
 * @out_inode: referenced
 *
 * Context: no call under way. Return: 0, -LINUX_ENOMEM, -LINUX_EIO: the server contradicts itself.
 */
int64_t disk_inode_take(struct disk_super *disk, struct fs_node *node, uint64_t n_gone,
	struct disk_inode **out_inode);

/*
 * What replies say of nodes that are known. Replies of several calls come in any order, so each is
 * asked for no more than what its call has changed.
 */

/** disk_inode_learn_names() - a directory whose names have changed, while it was locked */
void disk_inode_learn_names(struct disk_inode *node, const struct fs_attributes *attributes);

/** disk_inode_learn_link() - it got @n_links names more */
void disk_inode_learn_link(
	struct disk_inode *node, const struct fs_attributes *attributes, int32_t n_links);

/** disk_inode_learn() - all that the server says of one that others change, too */
void disk_inode_learn(struct disk_inode *node, const struct fs_attributes *attributes);

/** disk_inode_has_told() - the server knows that now */
void disk_inode_has_told(struct disk_inode *node, const struct disk_told *told);

/** disk_inode_untold() - the enum fs_set bits of what there is to tell, 0: nothing */
uint32_t disk_inode_untold(struct disk_inode *node);

/** disk_inode_fill_untold() - a request that tells it; @out_told is for disk_inode_has_told() */
void disk_inode_fill_untold(struct disk_inode *node, struct fs_set_attributes_request *out_request,
	struct disk_told *out_told);

/** disk_inode_tell() - tell what there is to tell; for hooks */
int64_t disk_inode_tell(struct disk_inode *node);

/** disk_inode_lock() - be the only one who changes size or contents; 0 or REQUEST_TASK */
int64_t disk_inode_lock(struct disk_inode *node);
void disk_inode_unlock(struct disk_inode *node);

void disk_inode_release(struct inode *inode);
int64_t disk_inode_change(struct inode *inode, const struct inode_change *change);

/** disk_time_from_ns(), disk_time_to_ns() - times of the protocol; what is out of range is cut */
struct fs_time disk_time_from_ns(int64_t ns);
int64_t disk_time_to_ns(const struct fs_time *time);

/* ---- farewell: disk-farewell.c --------------------------------------------------------------- */

/** disk_inode_free() - nobody uses it, and it says no farewell */
void disk_inode_free(struct disk_super *disk, struct disk_inode *node);

/** disk_farewell_start() - somebody is leaving, or all is over: let the job run */
void disk_farewell_start(struct disk_super *disk);

/** disk_inode_unhash() - take it out of the table, if it is in there */
void disk_inode_unhash(struct disk_super *disk, struct disk_inode *node);

/** disk_inode_has_gone() - the server knows nothing of it any more: it needs no farewell */
static inline bool disk_inode_has_gone(const struct disk_inode *node)
{
	return node->inode.nlink == 0 && node->n_given == 0;
}

/** disk_is_leaving() - whether there is somebody who has not gone yet */
bool disk_is_leaving(const struct disk_super *disk);

/** disk_farewell_await() - wait until all who were leaving have gone, in a task */
void disk_farewell_await(struct disk_super *disk);

/* ---- disk-super.c ---------------------------------------------------------------------------- */

/** disk_super_end() - nothing is left but to end the session */
void disk_super_end(struct task *task, struct disk_super *disk);

/** disk_super_create() - one that is MOUNTING, with one reference; NULL: no memory */
struct disk_super *disk_super_create(struct volume *volume, const struct super_ops *ops);

/** disk_super_destroy() - hook `destroy` */
void disk_super_destroy(struct super *super);

struct disk_options;

/**
 * disk_mount_volume() - mount what is on a volume, as disk_mount_create() does, in a task
 * @volume: borrowed
 */
int64_t disk_mount_volume(const char *type, struct volume *volume,
	const struct disk_options *options, struct super **out_super);

void disk_super_set_phase(struct disk_super *disk, enum disk_phase phase);

/* ---- disk-volume.c --------------------------------------------------------------------------- */

/**
 * disk_open_volume() - open a volume as it is, with a session of its own
 * @volume: referenced by the caller
 * @out_node: its bytes, for disk_contents_read() and the like, until disk_close_volume()
 *
 * Return: 0; REQUEST_TASK; -LINUX_EBUSY: what is on it is mounted, and it was to be written;
 * -LINUX_EROFS, -LINUX_ENOMEM, -LINUX_EIO.
 */
int64_t disk_open_volume(struct volume *volume, bool is_writable, struct disk_inode **out_node);

/** disk_close_volume() - the session ends, in a job, when what was written is stored */
void disk_close_volume(struct disk_inode *node);

/** disk_volume_resized() - the volume has another size */
void disk_volume_resized(struct disk_inode *node, uint64_t size);

/** disk_sync_volume() - disk_sync_node() for such a node */
int64_t disk_sync_volume(struct disk_inode *node);

/** disk_volume_settle() - whether it waited for a session of the volume to end, in a task */
bool disk_volume_settle(const struct volume *volume);

/* ---- the others ------------------------------------------------------------------------------ */

/* disk-names.c */
int64_t disk_lookup(struct inode *directory, struct dentry *dentry);
int64_t disk_create(struct inode *directory, struct dentry *dentry, const struct node_spec *spec,
	const char *target);
int64_t disk_link(struct inode *directory, struct dentry *dentry, struct inode *inode);
int64_t disk_unlink(struct inode *directory, struct dentry *dentry);
int64_t disk_rename(struct inode *from_directory, struct dentry *from, struct inode *to_directory,
	struct dentry *to, uint32_t flags);
int64_t disk_find(
	struct super *super, uint64_t number, uint32_t generation, struct inode **out_inode);
int64_t disk_follow(struct inode *inode, struct process *process, struct link_target *out_target);

/* disk-directory.c */
int64_t disk_directory_open(struct inode *inode, struct file *file, struct request *request);

/* disk-file.c */
int64_t disk_file_open(struct inode *inode, struct file *file, struct request *request);

/**
 * disk_write_limit() - what a limit of the process, or of offsets, leaves of a write
 * @request: NULL: it is nobody's
 */
int64_t disk_write_limit(struct request *request, uint64_t offset, size_t *in_out_size);

/** disk_write_appends() - whether a write goes to the end, wherever the position is */
bool disk_write_appends(const struct file *file, const struct request *request);

/* share-file.c: a file that others change, too; see docs/internals/ninep.md */
extern const struct inode_ops share_file_inode_ops;
int64_t share_check_name(struct dentry *dentry);
int64_t share_check_inode(struct inode *inode);
int64_t share_check_xattrs(struct inode *inode);

/* disk-contents.c */

/** disk_need_contents() - node->contents is there; 0, REQUEST_TASK, -LINUX_E... */
int64_t disk_need_contents(struct disk_inode *node);

/** disk_contents_read() - bytes of a file, fewer at its end; hook `read` of inodes */
int64_t disk_contents_read(struct inode *inode, void *buffer, size_t size, uint64_t offset);

/**
 * disk_contents_write() - write to a file whose lock is held
 * @size: not 0
 *
 * Return: bytes, perhaps fewer; REQUEST_TASK: nothing was done; -LINUX_E...
 */
int64_t disk_contents_write(
	struct disk_inode *node, const void *buffer, size_t size, uint64_t offset);

/** disk_write_fn - moves bytes for which there is room; returns as disk_contents_write() */
typedef int64_t (*disk_write_fn)(
	struct disk_inode *node, const void *buffer, size_t size, uint64_t offset);

/** disk_write_with() - what is around that: room before, size and times afterwards */
int64_t disk_write_with(struct disk_inode *node, const void *buffer, size_t size, uint64_t offset,
	disk_write_fn write);

/** disk_room_forget() - the file may have lost what it had, from @offset on */
void disk_room_forget(struct disk_inode *node, uint64_t offset);

int64_t disk_truncate(struct inode *inode, uint64_t size);
int64_t disk_contents_memory(struct inode *inode, uint64_t size_needed, hel_handle *out_memory);
int64_t disk_window(struct inode *inode, hel_handle *out_memory, uint64_t *out_size);
int64_t disk_room(struct inode *inode, uint64_t *out_start, uint64_t *out_end);

/* disk-space.c */

/** disk_map() - what is at an offset: 0, REQUEST_TASK, -LINUX_ENOENT behind the end, … */
int64_t disk_map(struct disk_inode *node, uint64_t offset, struct fs_map_reply *out_reply);

int64_t disk_seek_data(struct file *file, uint64_t offset, bool is_data);
int64_t disk_fallocate(struct file *file, int mode, uint64_t offset, uint64_t size);

/* disk-sync.c */
int64_t disk_sync_node(struct disk_inode *node, bool is_data_only);

/**
 * disk_sync_file() - the same for who has the file open: what could not be stored since it was
 * opened is told once to each, whoever was told first
 */
int64_t disk_sync_file(struct file *file, bool is_data_only);
int64_t disk_sync_inode(struct inode *inode);
int64_t disk_sync_super(struct super *super);

#endif
