/* SPDX-License-Identifier: MIT */
/*
 * The file system of queues; see mqueue.h. All its names are in one folder, which everybody may
 * write to. Making a file there, as open(2) can, makes a queue with the usual attributes; unlinking
 * it is mq_unlink(). What can be read from a queue is its state.
 */
#include <abi/linux/poll.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/mqueue/mqueue.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/directory.h>

constexpr uint64_t MQUEUE_MAGIC = 0x19800202;
constexpr uint64_t ENTRY_BYTES = 20; /* what the size of the folder grows by with each name */

static struct mqueue_super *super_of(struct super *super)
{
	return container_of(super, struct mqueue_super, super);
}

/* ---- queues as files ------------------------------------------------------------------------- */

static int64_t queue_read(struct file *file, UNUSED struct request *request, void *buffer,
	size_t size, uint64_t *offset)
{
	struct mqueue *queue = mqueue_of(file->inode);
	const struct mqueue_notification *notification = &queue->notification;
	bool has_signal = notification->pid != 0 && notification->notify == LINUX_SIGEV_SIGNAL;
	char text[96];
	size_t length = format_to(text, sizeof(text),
		"QSIZE:%-10llu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6u\n",
		(unsigned long long)queue->n_bytes, notification->notify,
		has_signal ? notification->signal : 0, notification->pid);

	if (*offset >= length) {
		return 0;
	}
	size = min_size(size, length - *offset);
	memcpy(buffer, text + *offset, size);
	*offset += size;
	if (size > 0) {
		mqueue_touch_accessed(queue);
	}
	return (int64_t)size;
}

static int64_t queue_seek(struct file *file, int64_t offset, int whence)
{
	return file_seek_to(file, offset, whence, file->inode->size_bytes);
}

static uint32_t queue_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct mqueue *queue = mqueue_of(file->inode);

	if (queue_of != NULL) {
		queue_of(context, &queue->changed);
	}
	return (queue->n_messages > 0 ? LINUX_POLLIN | LINUX_POLLRDNORM : 0) |
		(mqueue_is_full(queue) ? 0 : LINUX_POLLOUT | LINUX_POLLWRNORM);
}

static int64_t queue_ioctl(struct file *file, UNUSED struct request *request, uint32_t command,
	UNUSED uint64_t value, void *buffer, size_t size)
{
	return file_ioctl_regular(file, command, buffer, size);
}

static int64_t queue_truncate(struct file *file, uint64_t size)
{
	return file->inode->ops->truncate(file->inode, size);
}

static int64_t queue_fallocate(
	UNUSED struct file *file, UNUSED int mode, UNUSED uint64_t offset, UNUSED uint64_t size)
{
	return -LINUX_EOPNOTSUPP;
}

static void queue_flush(struct file *file, struct process *process)
{
	if ((file->flags & LINUX_O_PATH) == 0) {
		(void)mqueue_notify_end(mqueue_of(file->inode), process);
	}
}

const struct file_ops mqueue_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "message queue",
	.announces_falls = true,
	.read = queue_read,
	.seek = queue_seek,
	.poll = queue_poll,
	.ioctl = queue_ioctl,
	.truncate = queue_truncate,
	.fallocate = queue_fallocate,
	.flush = queue_flush,
};

/* ---- queues as inodes ------------------------------------------------------------------------ */

static int64_t queue_open(
	UNUSED struct inode *inode, struct file *file, UNUSED struct request *request)
{
	if (file->flags & LINUX_O_DIRECT) {
		return -LINUX_EINVAL;
	}
	file->ops = &mqueue_file_ops;
	return 0;
}

/* As on Linux it changes what stat() tells, and nothing else. */
static int64_t inode_truncate(struct inode *inode, uint64_t size)
{
	inode->size_bytes = size;
	inode_touch_modified(inode);
	return 0;
}

/* No program runs from here. */
static int64_t no_contents(
	UNUSED struct inode *inode, UNUSED uint64_t size_needed, UNUSED hel_handle *out_memory)
{
	return -LINUX_EACCES;
}

static void queue_release(struct inode *inode)
{
	mqueue_destroy(mqueue_of(inode));
}

const struct inode_ops mqueue_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "message queue",
	.open = queue_open,
	.truncate = inode_truncate,
	.contents = no_contents,
	.release = queue_release,
};

/* ---- the folder ------------------------------------------------------------------------------ */

int64_t mqueue_make(struct dentry *dentry, const struct process *maker,
	const struct node_spec *spec, const struct linux_mq_attr *attributes)
{
	struct mqueue_super *super = super_of(dentry->super);
	struct mqueue *queue;
	int64_t error;

	if (super->n_queues >= (uint32_t)super->limits.queues_max && maker != NULL &&
		!credentials_has(&maker->credentials, LINUX_CAP_SYS_RESOURCE)) {
		return -LINUX_ENOSPC;
	}
	error = mqueue_create(super, maker, spec, attributes, &queue);
	if (error < 0) {
		return error;
	}
	dentry_set_inode(dentry, &queue->inode);
	inode_unref(&queue->inode);
	ram_directory_add(&super->names, dentry);
	super->root.size_bytes += ENTRY_BYTES;
	inode_touch_modified(&super->root);
	return 0;
}

static int64_t folder_create(UNUSED struct inode *directory, struct dentry *dentry,
	const struct node_spec *spec, UNUSED const char *target)
{
	const struct request *request = request_current();

	if (!linux_is_type(spec->mode, LINUX_S_IFREG)) {
		return -LINUX_EPERM;
	}
	return mqueue_make(dentry, request != NULL ? request->process : NULL, spec, NULL);
}

static int64_t folder_unlink(struct inode *directory, struct dentry *dentry)
{
	struct mqueue_super *super = super_of(directory->super);

	ram_directory_remove(&super->names, dentry);
	directory->size_bytes -= ENTRY_BYTES;
	dentry->inode->nlink--;
	inode_touch_changed(dentry->inode);
	inode_touch_modified(directory);
	dentry_unpin(dentry);
	return 0;
}

static int64_t folder_list(struct file *file, struct dirent_writer *writer)
{
	ram_directory_list(&super_of(file->inode->super)->names, writer);
	return 0;
}

static int64_t folder_readdir(struct file *file, void *buffer, size_t size)
{
	return directory_read(file, buffer, size, folder_list);
}

static const struct file_ops folder_file_ops = {
	FILE_OPS_DEFAULT,
	DIRECTORY_FILE_OPS,
	.name = "message queues",
	.readdir = folder_readdir,
};

static int64_t folder_open(
	UNUSED struct inode *inode, struct file *file, UNUSED struct request *request)
{
	file->ops = &folder_file_ops;
	return 0;
}

static void folder_release(UNUSED struct inode *inode)
{
}

static const struct inode_ops folder_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "message queues",
	.create = folder_create,
	.unlink = folder_unlink,
	.open = folder_open,
	.release = folder_release,
};

/* ---- the file system ------------------------------------------------------------------------- */

static int64_t mqueue_info(UNUSED struct super *super, struct super_info *out_info)
{
	*out_info = (struct super_info){ .magic = MQUEUE_MAGIC };
	return 0;
}

/* The calls use it without a mount, so it is never without one. */
static void mqueue_keep(UNUSED struct super *super)
{
}

static const struct super_ops mqueue_super_ops = {
	.type = "mqueue",
	.info = mqueue_info,
	.unmount = mqueue_keep,
	.destroy = mqueue_keep,
};

static struct mqueue_super *the_super;

struct mqueue_super *mqueue_super(void)
{
	return the_super;
}

int64_t mqueue_mount_create(
	UNUSED const char *source, UNUSED const char *options, struct super **out_super)
{
	super_ref(&the_super->super);
	*out_super = &the_super->super;
	return 0;
}

int64_t mqueue_init(void)
{
	static const struct node_spec spec = { .mode = LINUX_S_IFDIR | 01777 };
	struct mqueue_super *super = helix_calloc(1, sizeof(*super));

	if (super == NULL) {
		return -LINUX_ENOMEM;
	}
	super_init(&super->super, &mqueue_super_ops, SUPER_PINNED | SUPER_NAMES_ONLY);
	inode_init(&super->root, &folder_inode_ops, &super->super, &spec);
	super->root.nlink = 2;
	super->root.size_bytes = 2 * ENTRY_BYTES;
	ram_directory_init(&super->names);
	mqueue_limits_init(&super->limits);
	super->super.root = dentry_create_root(&super->super, &super->root, "");
	if (super->super.root == NULL) {
		helix_free(super);
		return -LINUX_ENOMEM;
	}
	super_get_mount(&super->super);
	super->mount = (struct mount){
		.references = 1,
		.super = &super->super,
		.root = super->super.root,
	};
	the_super = super;
	return 0;
}
