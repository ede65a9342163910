/* SPDX-License-Identifier: MIT */
/*
 * Directory entries: the names of the tree, cached.
 *
 * A dentry is a name in a directory and what it stands for: an inode, or nothing (negative). All
 * hashed dentries are in one table by parent and name. A dentry references its parent, so the way
 * up to the root always exists.
 *
 *	create ---> hashed, used <---> hashed, unused (in the LRU list) ---> freed
 *	                 | drop (unlinked, renamed over)
 *	                 v
 *	            not hashed, used ---> freed with the last reference
 *
 * While a lookup hook waits for its answer (SUPER_WAITS), others who want that name wait for it.
 *
 * File systems that live in memory (SUPER_PINNED) hold a reference to each dentry that has an
 * inode: the cache is their directory. They link their dentries into struct ram_directory by
 * `cookie`.
 */
#ifndef POSIX_VFS_DENTRY_H
#define POSIX_VFS_DENTRY_H

#include <base/hash-table.h>
#include <base/list.h>
#include <base/tree.h>
#include <posix/server/vfs/inode.h>

/** NAME_SIZE_MAX - the longest name of one component, without terminator */
#define NAME_SIZE_MAX      255
/** DENTRY_INLINE_NAME - names shorter than this need no memory of their own */
#define DENTRY_INLINE_NAME 24

struct dentry {
	struct hash_node hash_node;
	struct dentry *parent; /* referenced; NULL: a root */
	struct inode *inode;   /* referenced; NULL: negative */
	struct super *super;
	uint32_t references;
	uint32_t n_mounts; /* that have it as mount point */
	uint16_t name_size;
	bool is_hashed;
	bool is_pinned; /* its file system holds a reference */
	bool has_handle; /* file-handle.h */
	/* somebody asks the file system whether it is positive or negative, or lets it go */
	bool is_hidden;
	/* of a directory: it was made empty, and no name in it that is there has left the cache */
	bool has_all_names;
	struct list children;
	struct list_node sibling;
	struct list_node unused_node;
	struct tree_node order; /* by cookie, in the directory of a SUPER_PINNED file system */
	uint64_t cookie;
	char *name; /* terminated */
	char inline_name[DENTRY_INLINE_NAME];
};

/** dentry_cache_init() - prepare the table; 0 or -LINUX_ENOMEM */
int64_t dentry_cache_init(void);

/** dentry_create_root() - a dentry without parent for @inode (referenced anew) */
struct dentry *dentry_create_root(struct super *super, struct inode *inode, const char *name);

/**
 * dentry_find() - the dentry of a name in a directory
 * @is_wanted: make a negative dentry where there is none
 * @out_dentry: referenced; may be negative
 *
 * Return: 0, -LINUX_ENOENT (only without @is_wanted; nothing is returned), -LINUX_ENOMEM, what
 * `lookup` says.
 */
int64_t dentry_find(struct dentry *parent, const char *name, size_t name_size, bool is_wanted,
	struct dentry **out_dentry);

void dentry_ref(struct dentry *dentry);
void dentry_unref(struct dentry *dentry);

/** dentry_set_inode() - make a negative dentry positive; takes a reference of its own */
void dentry_set_inode(struct dentry *dentry, struct inode *inode);
/** dentry_made_directory() - it is new, and nothing is in it: nobody need be asked for names */
void dentry_made_directory(struct dentry *dentry);
/** dentry_pin() - the file system keeps this one */
void dentry_pin(struct dentry *dentry);
void dentry_unpin(struct dentry *dentry);
/** dentry_drop() - nobody shall find it any more */
void dentry_drop(struct dentry *dentry);
/**
 * dentry_vanish() - its name is gone from the file system, whose hook has said so
 *
 * What is worth remembering is kept: it is negative then. Else as dentry_drop().
 */
void dentry_vanish(struct dentry *dentry);
/** dentry_may_vanish() - whether that keeps it: nobody else uses it (the caller does) */
bool dentry_may_vanish(const struct dentry *dentry);
/** dentry_hide() - whoever wants to find it waits until dentry_show(); in a task, of SUPER_WAITS */
void dentry_hide(struct dentry *dentry);
void dentry_show(struct dentry *dentry);
/**
 * dentry_prepare_move() - get the memory that dentry_move() will need, before anything changes
 * @out_memory: for dentry_move(), or helix_free(); may be NULL
 *
 * Return: 0 or -LINUX_ENOMEM.
 */
int64_t dentry_prepare_move(const struct dentry *to, char **out_memory);
/** dentry_move() - give @dentry the parent and name of @to, which is dropped; takes @memory */
void dentry_move(struct dentry *dentry, struct dentry *to, char *memory);
/** dentry_exchange() - two dentries trade parent and name */
void dentry_exchange(struct dentry *a, struct dentry *b);
/** dentry_forget_children() - free the cached dentries below that nobody uses */
void dentry_forget_children(struct dentry *dentry);
/** dentry_forget_super() - free all cached dentries of @super that nobody uses */
void dentry_forget_super(const struct super *super);
/** dentry_is_below() - whether @dentry is @ancestor or below it */
bool dentry_is_below(const struct dentry *dentry, const struct dentry *ancestor);
/** dentry_cache_size() - how many there are; for statistics and leak checks */
size_t dentry_cache_size(void);

#endif
