/* SPDX-License-Identifier: MIT */
/*
 * procfs: processes and the system as files.
 *
 * Its tree is described by tables of struct proc_entry: a name, a mode, and by the mode a text, a
 * link or more entries. A directory may also have a hook for names that are not in a table
 * (processes, descriptors, threads). Inodes are made when they are looked up and go when nobody
 * uses them; what they need is the entry and a process number, so an open file of a process that is
 * gone answers -LINUX_ESRCH.
 */
#ifndef POSIX_FS_PROCFS_H
#define POSIX_FS_PROCFS_H

#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/directory.h>

struct proc_inode;

struct proc_entry {
	const char *name;
	uint32_t mode; /* with the type */
	/*
	 * Files: write the text, return its size; more than @size: it did not fit, ask again with
	 * more.
	 */
	int64_t (*print)(struct proc_inode *node, char *buffer, size_t size);
	/*
	 * Long files, written piece by piece: write the piece at *cursor, which begins at 0, and
	 * move it to the next; how many bytes, 0: that was all.
	 */
	int64_t (*step)(struct proc_inode *node, uint64_t *cursor, char *buffer, size_t size);
	/* files without print: the text, NULL: process_print() or system_print() */
	const char *text;
	/* Files that can be written to. */
	int64_t (*write)(
		struct proc_inode *node, struct process *writer, const char *text, size_t size);
	/* Files that are no texts: sets file->ops. */
	int64_t (*open)(struct proc_inode *node, struct file *file, struct request *request);
	/* Links. */
	int64_t (*follow)(
		struct proc_inode *node, struct process *process, struct link_target *out_target);
	/* Directories. */
	const struct proc_entry *entries; /* ended by a NULL name; may be NULL */
	/*
	 * Names beyond the entries: find one and give its inode; list those after writer->position.
	 */
	int64_t (*lookup)(struct proc_inode *directory, const char *name, struct inode **out_inode);
	int64_t (*list)(struct proc_inode *directory, struct dirent_writer *writer);
};

struct proc_inode {
	struct inode inode;
	const struct proc_entry *entry;
	uint32_t pid;     /* 0: not about a process */
	uint64_t start_ns; /* of the process: another may have its number later */
	uint32_t number;  /* of a descriptor, or below task of a thread */
	/* below /proc (or /proc/PID): what process_print() and system_print() are asked for */
	const char *path;
	char *owned_path;
};

/** PROC_COOKIE_LISTED - positions beyond the entries of tables: PROC_COOKIE_LISTED + number */
#define PROC_COOKIE_LISTED 4096

int64_t procfs_mount_create(const char *source, const char *options, struct super **out_super);

/** proc_inode_create() - an inode below @parent for @entry, with one reference */
int64_t proc_inode_create(struct proc_inode *parent, const struct proc_entry *entry, uint32_t pid,
	uint32_t number, struct inode **out_inode);

/** proc_process() - the process that @node is about, NULL if it is gone */
struct process *proc_process(const struct proc_inode *node);

/**
 * proc_folder_process() - whom an open folder /proc/PID means
 * @out_process: borrowed, NULL if it is gone
 *
 * Return: whether @file is one.
 */
bool proc_folder_process(const struct file *file, struct process **out_process);

/** proc_list_number() - list an entry called @number; false if there is no room */
bool proc_list_number(struct dirent_writer *writer, uint32_t number, uint8_t type);

/** proc_parse_number() - a name that is a number without leading zeros */
bool proc_parse_number(const char *name, uint32_t *out_number);

/** proc_open_memory() - of /proc/PID/mem */
int64_t proc_open_memory(struct proc_inode *node, struct file *file, struct request *request);

/** proc_open_pagemap() - of /proc/PID/pagemap */
int64_t proc_open_pagemap(struct proc_inode *node, struct file *file, struct request *request);

extern const struct proc_entry proc_root_entry;
extern const struct proc_entry proc_process_entry;
extern const struct proc_entry proc_net_entries[];
extern const struct proc_entry proc_sys_entries[];
extern const struct proc_entry proc_sysvipc_entries[];
extern const struct file_ops proc_text_ops;

static inline struct proc_inode *proc_inode_of(struct inode *inode)
{
	return container_of(inode, struct proc_inode, inode);
}

#endif
