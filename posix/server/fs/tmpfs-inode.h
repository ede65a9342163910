/* SPDX-License-Identifier: MIT */
/* The inodes of tmpfs, shared by its files. */
#ifndef POSIX_FS_TMPFS_INODE_H
#define POSIX_FS_TMPFS_INODE_H

#include <posix/server/fs/contents.h>
#include <posix/server/fs/ram-directory.h>
#include <posix/server/fs/tmpfs.h>

struct tmpfs_super {
	struct super super;
	struct contents_account account;
	uint64_t n_files, n_files_max;
	uint64_t n_attribute_bytes; /* of extended attributes; their pages are in `account` */
};

struct tmpfs_inode {
	struct inode inode;
	uint32_t seals; /* F_SEAL_… */
	union {
		struct contents contents;       /* regular files */
		struct ram_directory directory; /* directories */
		char *target;                   /* symbolic links */
	};
};

static inline struct tmpfs_super *tmpfs_super_of(struct super *super)
{
	return container_of(super, struct tmpfs_super, super);
}

static inline struct tmpfs_inode *tmpfs_inode_of(struct inode *inode)
{
	return container_of(inode, struct tmpfs_inode, inode);
}

extern const struct inode_ops tmpfs_file_inode_ops;
extern const struct inode_ops tmpfs_directory_inode_ops;
extern const struct inode_ops tmpfs_link_inode_ops;
extern const struct inode_ops tmpfs_special_inode_ops;

extern const struct file_ops tmpfs_file_ops;
extern const struct file_ops tmpfs_directory_ops;

/** tmpfs_inode_create() - an inode by its type, with one reference */
int64_t tmpfs_inode_create(struct tmpfs_super *super, const struct node_spec *spec,
	const char *target, struct tmpfs_inode **out_inode);

/** tmpfs_set_size() - change the size of a file, with all that belongs to it */
int64_t tmpfs_set_size(struct inode *inode, uint64_t size);

/** tmpfs_update_blocks() - after contents have changed */
void tmpfs_update_blocks(struct inode *inode);

int64_t tmpfs_file_open(struct inode *inode, struct file *file, struct request *request);
int64_t tmpfs_directory_open(struct inode *inode, struct file *file, struct request *request);

#endif
