/* SPDX-License-Identifier: MIT */
/*
 * Volumes that are open as they are: a session whose one node is the volume's bytes.
 *
 * It is a struct disk_super that is mounted nowhere, from disk_open_volume() to
 * disk_close_volume(); then the farewell job ends it, and the server stores what was written. The
 * node has no times that anybody would be told of, and room for all it can hold.
 */
#include <abi/linux/errno.h>
#include <base/errors.h>
#include <helix/helix.h>
#include <posix/server/fs/disk-internal.h>

static struct list raws = LIST_INIT(raws); /* struct disk_super.node */

static int64_t raw_info(UNUSED struct super *super, struct super_info *out_info)
{
	*out_info = (struct super_info){ 0 };
	return 0;
}

static void raw_unmount(UNUSED struct super *super)
{
}

static void raw_destroy(struct super *super)
{
	list_remove(&disk_super_of(super)->node);
	disk_super_destroy(super);
}

static const struct super_ops raw_super_ops = {
	.type = "bdev",
	.info = raw_info,
	.unmount = raw_unmount,
	.destroy = raw_destroy,
};

/* ---- opening --------------------------------------------------------------------------------- */

/* `open`: the session's lane is disk->lane then. */
static int64_t raw_begin(struct disk_super *disk, bool is_writable, struct fs_node *out_root)
{
	struct fs_open_request request;
	struct fs_open_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, disk);

	if (error < 0) {
		return error;
	}
	fs_open_request_init(&request);
	request.is_writable = is_writable;
	int result = fs_volume_open(
		call.task, &disk->volume->client.client, &call.exchange, &request, &reply);

	if (result == 0) {
		disk->lane = bragi_handles_take(&call.exchange.received, 0);
		result = disk->lane == HEL_NULL ? -ERR_PROTOCOL : 0;
	}
	transport_close_handles(&call.exchange.received);
	error = disk_call_end(&call, result);
	if (error == 0) {
		transport_client_init(&disk->client, disk->lane, 0);
		transport_client_init(&disk->contents_client, disk->lane, 1);
		*out_root = reply.root;
	}
	return error;
}

static void raw_end(struct disk_super *disk)
{
	disk_super_set_phase(disk, DISK_UNMOUNTING);
	disk_farewell_start(disk);
}

int64_t disk_open_volume(struct volume *volume, bool is_writable, struct disk_inode **out_node)
{
	struct disk_inode *node;
	struct fs_node root;

	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	struct disk_super *disk = disk_super_create(volume, &raw_super_ops);

	if (disk == NULL) {
		return -LINUX_ENOMEM;
	}
	list_push_back(&raws, &disk->node);
	int64_t error = raw_begin(disk, is_writable, &root);

	if (error == 0) {
		error = disk_inode_take(disk, &root, disk->n_gone, &node);
		if (error < 0) {
			raw_end(disk);
		}
	} else {
		disk_super_set_phase(disk, DISK_GONE);
	}
	if (error < 0) {
		super_unref(&disk->super);
		return error;
	}
	disk_super_set_phase(disk, DISK_MOUNTED);
	node->inode.nlink = 0; /* so nobody is told of its times */
	disk_volume_resized(node, root.attributes.size);
	*out_node = node;
	return 0;
}

void disk_close_volume(struct disk_inode *node)
{
	struct disk_super *disk = disk_of(node);

	inode_unref(&node->inode);
	raw_end(disk);
	super_unref(&disk->super);
}

void disk_volume_resized(struct disk_inode *node, uint64_t size)
{
	node->inode.size_bytes = size;
	node->room = (struct disk_range){ 0, align_up(size, HEL_PAGE_SIZE) };
}

int64_t disk_sync_volume(struct disk_inode *node)
{
	const struct disk_told nothing_new = {
		.atime_ns = node->inode.atime_ns,
		.mtime_ns = node->inode.mtime_ns,
		.ctime_ns = node->inode.ctime_ns,
		.mode = node->inode.mode,
	};

	disk_inode_has_told(node, &nothing_new);
	return disk_sync_node(node, false);
}

/* ---- all of them ----------------------------------------------------------------------------- */

bool disk_volume_settle(const struct volume *volume)
{
	LIST_FOR_EACH(disk, &raws, struct disk_super, node) {
		if (disk->volume == volume && disk->phase == DISK_UNMOUNTING) {
			super_ref(&disk->super);
			while (disk->phase == DISK_UNMOUNTING) {
				task_wait_on(&disk->phase_changed);
			}
			super_unref(&disk->super);
			return true;
		}
	}
	return false;
}
