/* SPDX-License-Identifier: MIT */
/* procfs: inodes, lookups and listings from the tables. */
#include <abi/linux/errno.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/process/process-internal.h>

constexpr uint64_t PROC_MAGIC = 0x9fa0;

/* ---- inodes -------------------------------------------------------------------------------- */

struct process *proc_process(const struct proc_inode *node)
{
	struct process *process = process_find(node->pid);

	return process != NULL && process->internal->start_ns == node->start_ns ? process : NULL;
}

static int64_t proc_lookup(struct inode *directory, struct dentry *dentry);
static int64_t proc_open(struct inode *inode, struct file *file, struct request *request);

static int64_t proc_follow(
	struct inode *inode, struct process *process, struct link_target *out_target)
{
	struct proc_inode *node = proc_inode_of(inode);

	return node->entry->follow(node, process, out_target);
}

static int64_t proc_change(UNUSED struct inode *inode, UNUSED const struct inode_change *change)
{
	return -LINUX_EPERM;
}

/* Opening with O_TRUNC, as a shell's redirection does, changes nothing. */
static int64_t proc_truncate(UNUSED struct inode *inode, UNUSED uint64_t size)
{
	return 0;
}

/* What is about a process belongs to it. */
static void proc_refresh(struct inode *inode)
{
	struct proc_inode *node = proc_inode_of(inode);
	const struct process *process = node->pid == 0 ? NULL : proc_process(node);

	if (process != NULL) {
		inode->uid = process->credentials.euid;
		inode->gid = process->credentials.egid;
	}
}

static void proc_release(struct inode *inode)
{
	struct proc_inode *node = proc_inode_of(inode);

	helix_free(node->owned_path);
	helix_free(node);
}

static const struct inode_ops proc_inode_ops = {
	INODE_OPS_DEFAULT,
	.name = "proc",
	.lookup = proc_lookup,
	.follow = proc_follow,
	.open = proc_open,
	.truncate = proc_truncate,
	.change = proc_change,
	.refresh = proc_refresh,
	.release = proc_release,
};

static uint64_t proc_number_of(const struct proc_entry *entry, uint32_t pid, uint32_t number)
{
	if (entry == &proc_root_entry) {
		return 1;
	}
	/* the address tells entries apart; 2^24 bytes of tables are more than enough */
	return (((uint64_t)pid << 20 | number) << 24 | ((uintptr_t)entry & 0xffffff)) | 2;
}

/* Remembers the name by which process_print() or system_print() know it. */
static bool proc_set_path(struct proc_inode *node, const struct proc_inode *parent)
{
	bool is_top = parent == NULL || parent->path == NULL || parent->path[0] == '\0';

	if (node->entry->name == NULL || (node->pid != 0 && (parent == NULL || parent->pid == 0))) {
		node->path = "";
		return true;
	}
	if (is_top) {
		node->path = node->entry->name;
		return true;
	}
	size_t size = strlen(parent->path) + strlen(node->entry->name) + 2;

	node->owned_path = helix_malloc(size);
	if (node->owned_path == NULL) {
		return false;
	}
	format_to(node->owned_path, size, "%s/%s", parent->path, node->entry->name);
	node->path = node->owned_path;
	return true;
}

static int64_t proc_inode_make(struct super *super, struct proc_inode *parent,
	const struct proc_entry *entry, uint32_t pid, uint32_t number, struct inode **out_inode)
{
	struct proc_inode *node = helix_malloc(sizeof(*node));

	if (node == NULL) {
		return -LINUX_ENOMEM;
	}
	const struct process *process = pid == 0 ? NULL : process_find(pid);

	*node = (struct proc_inode){
		.entry = entry,
		.pid = pid,
		.start_ns = process != NULL ? process->internal->start_ns : 0,
		.number = number,
	};
	inode_init(
		&node->inode, &proc_inode_ops, super, &(struct node_spec){ .mode = entry->mode });
	node->inode.ino = proc_number_of(entry, pid, number);
	if (inode_is_directory(&node->inode)) {
		node->inode.nlink = 2;
	}
	if (!proc_set_path(node, parent)) {
		helix_free(node);
		return -LINUX_ENOMEM;
	}
	*out_inode = &node->inode;
	return 0;
}

int64_t proc_inode_create(struct proc_inode *parent, const struct proc_entry *entry, uint32_t pid,
	uint32_t number, struct inode **out_inode)
{
	return proc_inode_make(parent->inode.super, parent, entry, pid, number, out_inode);
}

/* ---- directories --------------------------------------------------------------------------- */

bool proc_parse_number(const char *name, uint32_t *out_number)
{
	uint64_t value;

	if ((name[0] == '0' && name[1] != '\0') || !parse_u64(name, 10, &value) ||
		value > UINT32_MAX) {
		return false;
	}
	*out_number = (uint32_t)value;
	return true;
}

static const struct proc_entry *proc_find_entry(const struct proc_entry *entries, const char *name)
{
	for (; entries != NULL && entries->name != NULL; entries++) {
		if (str_equal(entries->name, name)) {
			return entries;
		}
	}
	return NULL;
}

static int64_t proc_lookup(struct inode *inode, struct dentry *dentry)
{
	struct proc_inode *directory = proc_inode_of(inode);
	const struct proc_entry *entry = proc_find_entry(directory->entry->entries, dentry->name);
	struct inode *found;
	int64_t error = -LINUX_ENOENT;

	if (directory->pid != 0 && proc_process(directory) == NULL) {
		return -LINUX_ENOENT;
	}
	if (entry != NULL) {
		error = proc_inode_create(
			directory, entry, directory->pid, directory->number, &found);
	} else if (directory->entry->lookup != NULL) {
		error = directory->entry->lookup(directory, dentry->name, &found);
	}
	if (error == 0) {
		dentry_set_inode(dentry, found);
		inode_unref(found);
	}
	return error;
}

bool proc_list_number(struct dirent_writer *writer, uint32_t number, uint8_t type)
{
	char name[16];
	size_t name_size = format_to(name, sizeof(name), "%u", number);
	uint64_t cookie = PROC_COOKIE_LISTED + (uint64_t)number;

	if (cookie <= writer->position) {
		return true;
	}
	return dirent_write(writer, cookie, (uint64_t)number << 24 | 3, type, name, name_size);
}

/* The table's entries have the cookies after the dots. */
static bool proc_list_entries(const struct proc_inode *directory, struct dirent_writer *writer)
{
	const struct proc_entry *entries = directory->entry->entries;

	for (uint64_t i = 0; entries != NULL && entries[i].name != NULL; i++) {
		uint64_t cookie = DIRECTORY_COOKIE_DOTS + 1 + i;

		if (cookie > writer->position &&
			!dirent_write(writer, cookie,
				proc_number_of(&entries[i], directory->pid, directory->number),
				(uint8_t)(entries[i].mode >> 12), entries[i].name,
				strlen(entries[i].name))) {
			return false;
		}
	}
	return true;
}

static int64_t proc_list(struct file *file, struct dirent_writer *writer)
{
	struct proc_inode *directory = proc_inode_of(file->inode);

	if (directory->pid != 0 && proc_process(directory) == NULL) {
		return -LINUX_ENOENT;
	}
	if (!proc_list_entries(directory, writer) || directory->entry->list == NULL) {
		return 0;
	}
	return directory->entry->list(directory, writer);
}

static int64_t proc_readdir(struct file *file, void *buffer, size_t size)
{
	return directory_read(file, buffer, size, proc_list);
}

static const struct file_ops proc_directory_ops = {
	FILE_OPS_DEFAULT,
	DIRECTORY_FILE_OPS,
	.name = "proc directory",
	.readdir = proc_readdir,
};

static int64_t proc_open(struct inode *inode, struct file *file, struct request *request)
{
	struct proc_inode *node = proc_inode_of(inode);

	if (node->entry->open != NULL) {
		return node->entry->open(node, file, request);
	}
	file->ops = inode_is_directory(inode) ? &proc_directory_ops : &proc_text_ops;
	return 0;
}

bool proc_folder_process(const struct file *file, struct process **out_process)
{
	if (file->ops != &proc_directory_ops) {
		return false;
	}
	struct proc_inode *node = proc_inode_of(file->inode);

	*out_process = proc_process(node);
	return node->entry == &proc_process_entry;
}

/* ---- the file system ----------------------------------------------------------------------- */

static int64_t proc_info(UNUSED struct super *super, struct super_info *out_info)
{
	*out_info = (struct super_info){ .magic = PROC_MAGIC };
	return 0;
}

static void proc_unmount(struct super *super)
{
	dentry_unref(super->root);
	super->root = NULL;
}

static void proc_destroy(struct super *super)
{
	helix_free(super);
}

static const struct super_ops proc_super_ops = {
	.type = "proc",
	.info = proc_info,
	.unmount = proc_unmount,
	.destroy = proc_destroy,
};

int64_t procfs_mount_create(
	UNUSED const char *source, UNUSED const char *options, struct super **out_super)
{
	struct super *super = helix_malloc(sizeof(*super));
	struct inode *root;

	if (super == NULL) {
		return -LINUX_ENOMEM;
	}
	super_init(super, &proc_super_ops, SUPER_VOLATILE);
	super->block_size = 1024;
	int64_t error = proc_inode_make(super, NULL, &proc_root_entry, 0, 0, &root);

	if (error == 0) {
		super->root = dentry_create_root(super, root, "");
		inode_unref(root);
		error = super->root == NULL ? -LINUX_ENOMEM : 0;
	}
	if (error < 0) {
		helix_free(super);
		return error;
	}
	*out_super = super;
	return 0;
}
