/* SPDX-License-Identifier: MIT */
/* What makes files on disks last: fsync, syncfs, sync. */
#include <abi/linux/errno.h>
#include <helix/memory.h>
#include <posix/server/fs/disk-internal.h>

/* The server says once that something could not be stored. */
static int64_t note_error(struct disk_inode *node, int64_t error)
{
	if (error == -LINUX_EIO || error == -LINUX_ENOSPC) {
		node->n_errors++;
		node->error = error;
	}
	return error;
}

int64_t disk_sync_node(struct disk_inode *node, bool is_data_only)
{
	struct fs_sync_node_request request;
	struct fs_sync_node_reply reply;
	struct disk_call call;
	int64_t error = disk_inode_tell(node);

	if (error == 0) {
		error = disk_call_begin(&call, disk_of(node));
	}
	if (error < 0) {
		return error;
	}
	fs_sync_node_request_init(&request);
	request.node = node->id;
	request.data_only = is_data_only;
	error = disk_call_end(
		&call, fs_session_sync_node(call.task, DISK_CLIENT(&call), &request, &reply));
	return note_error(node, error);
}

int64_t disk_sync_file(struct file *file, bool is_data_only)
{
	struct disk_inode *node = disk_inode_of(file->inode);
	int64_t error = disk_sync_node(node, is_data_only);

	if (error == REQUEST_TASK) {
		return error;
	}
	if (error == 0 && file->n_errors_seen != node->n_errors) {
		error = node->error;
	}
	file->n_errors_seen = node->n_errors;
	return error;
}

int64_t disk_sync_inode(struct inode *inode)
{
	return disk_sync_node(disk_inode_of(inode), false);
}

/* ---- all of a file system -------------------------------------------------------------------- */

/* Who is leaving tells by itself, who has no links has nobody to tell of it. */
static bool has_to_tell(struct disk_inode *node)
{
	return node->inode.references > 0 && node->inode.nlink > 0 && disk_inode_untold(node) != 0;
}

static size_t collect_untold(const struct disk_super *disk, struct disk_inode **nodes)
{
	size_t n = 0;

	for (struct hash_node *at = hash_table_first(&disk->inodes); at != NULL;
		at = hash_table_next(&disk->inodes, at)) {
		struct disk_inode *node = container_of(at, struct disk_inode, hash_node);

		if (!has_to_tell(node)) {
			continue;
		}
		if (nodes != NULL) {
			inode_ref(&node->inode);
			nodes[n] = node;
		}
		n++;
	}
	return n;
}

/* The table may change while one is told, so those that have something to tell are kept. */
static int64_t tell_all(struct disk_super *disk)
{
	size_t n = collect_untold(disk, NULL);
	int64_t error = 0;

	if (n == 0) {
		return 0;
	}
	struct disk_inode **nodes = helix_malloc(n * sizeof(struct disk_inode *));

	if (nodes == NULL) {
		return -LINUX_ENOMEM;
	}
	(void)collect_untold(disk, nodes);
	for (size_t i = 0; i < n; i++) {
		int64_t own = disk_inode_tell(nodes[i]);

		if (error == 0 && !nodes[i]->is_going && nodes[i]->inode.nlink > 0) {
			error = own; /* who has gone meanwhile has nobody to tell of it */
		}
		inode_unref(&nodes[i]->inode);
	}
	helix_free(nodes);
	return error;
}

int64_t disk_sync_super(struct super *super)
{
	struct disk_super *disk = disk_super_of(super);
	struct fs_sync_request request;
	struct fs_sync_reply reply;
	struct disk_call call;

	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	super_ref(super);
	int64_t error = tell_all(disk);

	disk_farewell_await(disk);
	int64_t begun = disk_call_begin(&call, disk);

	if (begun == 0) {
		fs_sync_request_init(&request);
		begun = disk_call_end(
			&call, fs_session_sync(call.task, DISK_CLIENT(&call), &request, &reply));
	}
	super_unref(super);
	return error != 0 ? error : begun;
}
