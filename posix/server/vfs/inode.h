/* SPDX-License-Identifier: MIT */
/*
 * Inodes and file systems, as the parts of the virtual file system see them.
 *
 * A file system embeds struct inode in its own inodes and fills a const struct inode_ops. The hooks
 * act; everything that can be refused has been checked before (permissions, types, names, mounts),
 * except where a comment says otherwise. All hooks are set: inode_default_<hook>() answers for what
 * a kind of inode cannot do.
 *
 * References: a positive dentry, an open file and a path walk in progress each hold one. An inode
 * whose last reference goes is released: whether it is to be kept is the file system's business,
 * which then pins a dentry.
 */
#ifndef POSIX_VFS_INODE_H
#define POSIX_VFS_INODE_H

#include <abi/linux/stat.h>
#include <posix/server/vfs/vfs.h>

struct dentry;
struct lock_list;
struct pipe;
struct unix_socket;
struct super;
struct rewritten_text;
struct xattr_list;

/* What a new inode is to be: the type is in mode. */
struct node_spec {
	uint32_t mode, uid, gid;
	uint64_t rdev;
	bool is_unnamed; /* O_TMPFILE on SUPER_WAITS: the file has no name, and no links */
};

enum inode_change_mask : uint32_t {
	INODE_CHANGE_MODE = 1,
	INODE_CHANGE_UID = 2,
	INODE_CHANGE_GID = 4,
	INODE_CHANGE_ATIME = 8,
	INODE_CHANGE_MTIME = 16,
};

struct inode_change {
	uint32_t mask; /* enum inode_change_mask; ctime always changes */
	uint32_t mode, uid, gid;
	int64_t atime_ns, mtime_ns;
};

/* Where a symbolic link leads: a text, or for those of /proc directly to a place. */
struct link_target {
	const char *text; /* terminated; valid until the next change of the tree */
	char *owned;      /* if text must be freed: it, else NULL */
	struct path jump; /* if dentry is not NULL: referenced, text is not used for walking */
};

struct inode_ops {
	const char *name;
	/*
	 * Fill in the negative @dentry if the name exists; 0, -LINUX_ENOENT (it stays negative), …
	 */
	int64_t (*lookup)(struct inode *directory, struct dentry *dentry);
	/* Make an inode and fill in the negative @dentry; target: of a symbolic link. */
	int64_t (*create)(struct inode *directory, struct dentry *dentry,
		const struct node_spec *spec, const char *target);
	/* Make @dentry a further name of @inode. */
	int64_t (*link)(struct inode *directory, struct dentry *dentry, struct inode *inode);
	/*
	 * Take the name away, also of a directory (-LINUX_ENOTEMPTY); the caller drops the dentry.
	 */
	int64_t (*unlink)(struct inode *directory, struct dentry *dentry);
	/*
	 * flags: LINUX_RENAME_EXCHANGE, on SUPER_WAITS LINUX_RENAME_WHITEOUT, or 0; @to may be
	 * positive and is then replaced (-LINUX_ENOTEMPTY). The caller moves the dentries.
	 */
	int64_t (*rename)(struct inode *from_directory, struct dentry *from,
		struct inode *to_directory, struct dentry *to, uint32_t flags);
	int64_t (*follow)(
		struct inode *inode, struct process *process, struct link_target *out_target);
	/*
	 * Give @file its ops and data. May park through @request (FIFOs), which is NULL for the
	 * system's own opens.
	 */
	int64_t (*open)(struct inode *inode, struct file *file, struct request *request);
	int64_t (*truncate)(struct inode *inode, uint64_t size);
	int64_t (*change)(struct inode *inode, const struct inode_change *change);
	/* Bring mode, owner and size up to date, for those that are computed. */
	void (*refresh)(struct inode *inode);
	/* The memory that holds the contents; -LINUX_ENODEV where there is none. */
	int64_t (*contents)(struct inode *inode, uint64_t size_needed, hel_handle *out_memory);
	/* A program has mapped that memory: from now on it is to end with the file's last page. */
	void (*contents_mapped)(struct inode *inode);
	/*
	 * The memory that holds the contents, if it has a page for each byte of the file, and its
	 * size: it may be shown to readers as it is. Else -LINUX_E....
	 */
	int64_t (*window)(struct inode *inode, hel_handle *out_memory, uint64_t *out_size);
	/*
	 * The part of the file that may be written to in that memory, since it has room on the disk
	 * and nobody changes it at the moment; it is a part of the window. Else -LINUX_E....
	 */
	int64_t (*room)(struct inode *inode, uint64_t *out_start, uint64_t *out_end);
	int64_t (*read)(struct inode *inode, void *buffer, size_t size, uint64_t offset);
	/* The last reference is gone: free it. */
	void (*release)(struct inode *inode);
};

struct inode {
	const struct inode_ops *ops;
	struct super *super;
	uint32_t references;
	uint32_t mode, uid, gid, nlink;
	uint64_t ino, rdev, size_bytes;
	uint32_t generation; /* another one when the number is used again; 0: it never is */
	uint64_t blocks; /* of 512 bytes */
	int64_t atime_ns, mtime_ns, ctime_ns, birth_ns;
	bool is_linkable; /* O_TMPFILE: may get a name although it has none */
	bool has_viewed_names; /* a directory: there may be views of files in it */
	bool is_map_shared; /* it was mapped so that what is written changes the file */
	/* at most one is not 0: open files that write to it, and programs that are it */
	uint32_t n_writers, n_executors;
	struct lock_list *locks; /* NULL: none; see file/lock.h */
	struct pipe *pipe; /* of a FIFO while it is open */
	struct unix_socket *socket; /* who is bound to it, NULL: nobody */
	struct xattr_list *xattrs; /* NULL: none; see xattr.h */
	struct rewritten_text *text; /* of a program, NULL: none; see rewrite/text.h */
	struct list watches; /* struct inotify_watch */
	struct list views; /* struct view: those that tell what it is like, see file/views.h */
	void *data; /* the kind's */
};

int64_t inode_default_lookup(struct inode *directory, struct dentry *dentry);
int64_t inode_default_create(struct inode *directory, struct dentry *dentry,
	const struct node_spec *spec, const char *target);
int64_t inode_default_link(struct inode *directory, struct dentry *dentry, struct inode *inode);
int64_t inode_default_unlink(struct inode *directory, struct dentry *dentry);
int64_t inode_default_rename(struct inode *from_directory, struct dentry *from,
	struct inode *to_directory, struct dentry *to, uint32_t flags);
int64_t inode_default_follow(
	struct inode *inode, struct process *process, struct link_target *out_target);
int64_t inode_default_open(struct inode *inode, struct file *file, struct request *request);
int64_t inode_default_truncate(struct inode *inode, uint64_t size);
int64_t inode_default_change(struct inode *inode, const struct inode_change *change);
void inode_default_refresh(struct inode *inode);
int64_t inode_default_contents(struct inode *inode, uint64_t size_needed, hel_handle *out_memory);
void inode_default_contents_mapped(struct inode *inode);
int64_t inode_default_window(struct inode *inode, hel_handle *out_memory, uint64_t *out_size);
int64_t inode_default_room(struct inode *inode, uint64_t *out_start, uint64_t *out_end);
int64_t inode_default_read(struct inode *inode, void *buffer, size_t size, uint64_t offset);

#pragma clang diagnostic ignored "-Winitializer-overrides"

/** INODE_OPS_DEFAULT - initialisers for every hook but `release`; those that follow win,
 * which the compiler would warn of */
#define INODE_OPS_DEFAULT \
	.lookup = inode_default_lookup, .create = inode_default_create, \
	.link = inode_default_link, .unlink = inode_default_unlink, \
	.rename = inode_default_rename, .follow = inode_default_follow, \
	.open = inode_default_open, .truncate = inode_default_truncate, \
	.change = inode_default_change, .refresh = inode_default_refresh, \
	.contents = inode_default_contents, .contents_mapped = inode_default_contents_mapped, \
	.window = inode_default_window, .room = inode_default_room, .read = inode_default_read

/** inode_init() - the common part of a new inode, with one reference and the time of now */
void inode_init(struct inode *inode, const struct inode_ops *ops, struct super *super,
	const struct node_spec *spec);

/** inode_touch() - the contents (and so the inode) changed now */
void inode_touch_modified(struct inode *inode);
/** inode_touch_changed() - the inode changed now */
void inode_touch_changed(struct inode *inode);
/** inode_touch_accessed() - it was read: atime as `relatime` defines it */
void inode_touch_accessed(struct inode *inode);
/**
 * inode_note_uses() - it was written to and read at these times of the monotonic clock, 0: was not;
 * of a file with a view that tells so, which nobody else has touched since
 */
void inode_note_uses(struct inode *inode, uint64_t written_ns, uint64_t accessed_ns);
/** inode_quiet_ns() - for how long that will do nothing, unless the inode changes */
uint64_t inode_quiet_ns(const struct inode *inode);
/** stat_fill() - what stat() tells of it */
void stat_fill(struct inode *inode, struct linux_stat *out);
/** inode_begin_writing() - a regular file is being opened to write; -LINUX_ETXTBSY: it runs */
int64_t inode_begin_writing(struct inode *inode);
void inode_end_writing(struct inode *inode);
/** inode_has_privileges() - whether who writes to it may have to take some away */
bool inode_has_privileges(const struct inode *inode);
/** inode_remove_privileges() - written to by @credentials: set-id bits go unless they may stay */
void inode_remove_privileges(struct inode *inode, const struct credentials *credentials);

static inline bool inode_is_type(const struct inode *inode, uint32_t type)
{
	return linux_is_type(inode->mode, type);
}

static inline bool inode_is_directory(const struct inode *inode)
{
	return linux_is_type(inode->mode, LINUX_S_IFDIR);
}

/** inode_directory_type() - the DT_ value of its type */
static inline uint8_t inode_directory_type(const struct inode *inode)
{
	return (uint8_t)(inode->mode >> 12);
}

/* ---- file systems -------------------------------------------------------------------------- */

enum super_flags : uint32_t {
	/* the names are all in the dentry cache: what is not there does not exist */
	SUPER_PINNED = 1,
	SUPER_VOLATILE = 2, /* names come and go by themselves: unused dentries are not kept */
	SUPER_XATTRS = 4, /* keeps extended attributes; has the hook `charge` */
	SUPER_NAMES_ONLY = 8, /* what is made has a name: no O_TMPFILE */
	SUPER_WAITS = 16, /* hooks may need a task and suspend it, see task.h */
	SUPER_READ_ONLY = 32, /* for all mounts */
	SUPER_USER_XATTRS = 64, /* also those that any owner may give a file: "user." */
	/*
	 * Others change it, too, unheard: what is known is asked for again when it is used, by the
	 * hooks `check_...`. With SUPER_WAITS only. Unused dentries are not kept.
	 */
	SUPER_SHARED = 128,
	/* case is no difference: that a name is none may change with others */
	SUPER_FOLDS_NAMES = 256,
};

struct super_info { /* for statfs; in blocks of super->block_size bytes */
	uint64_t magic, n_blocks, n_blocks_free, n_files, n_files_free;
	uint64_t n_blocks_available; /* to those who are not root; 0: all that are free */
	uint64_t id; /* 0: the device number */
	uint32_t name_size_max; /* 0: NAME_SIZE_MAX */
};

struct super_ops {
	const char *type; /* as in /proc/filesystems */
	int64_t (*info)(struct super *super, struct super_info *out_info);
	/*
	 * Memory is wanted for what hangs on its inodes, or comes back (negative): 0,
	 * -LINUX_ENOSPC. Needed for SUPER_XATTRS only.
	 */
	int64_t (*charge)(struct super *super, int64_t n_bytes);
	/*
	 * An extended attribute is about to be made, changed or, with @value NULL, removed: keep
	 * that. NULL: the list in memory is all that there is.
	 */
	int64_t (*store_xattr)(struct inode *inode, const char *name, const void *value,
		size_t size, uint32_t flags);
	/* All that was written is on the disk. This and the next ones for SUPER_WAITS only. */
	int64_t (*sync)(struct super *super);
	int64_t (*sync_inode)(struct inode *inode);
	/* The last `unmount` is over: wait for it, in a task. */
	int64_t (*settle)(struct super *super);
	/*
	 * The file of that number and generation, from a handle: an inode with a reference,
	 * -LINUX_ESTALE. NULL: handles last as long as dentries.
	 */
	int64_t (*find)(
		struct super *super, uint64_t ino, uint32_t generation, struct inode **out_inode);
	/*
	 * For SUPER_SHARED only. Whether a name that is in the cache still is what it was: 0, 1: it
	 * is not; of what it stands for the attributes are up to date then.
	 */
	int64_t (*check_name)(struct dentry *dentry);
	/* Bring the attributes of an inode up to date; the same for its list of xattrs. */
	int64_t (*check_inode)(struct inode *inode);
	int64_t (*check_xattrs)(struct inode *inode);
	/* Other options; SUPER_READ_ONLY is as @is_read_only says then. */
	int64_t (*remount)(struct super *super, const char *options, bool is_read_only);
	/* The last mount is gone: let go of everything in it, also of `root`. */
	void (*unmount)(struct super *super);
	/* The last reference is gone: free the structure. */
	void (*destroy)(struct super *super);
};

struct super {
	const struct super_ops *ops;
	/* one for all mounts together, and what the file system counts (inodes) */
	uint32_t references;
	uint32_t n_mounts;
	struct list mounts; /* struct mount.super_node */
	uint32_t flags; /* enum super_flags */
	uint64_t dev; /* st_dev */
	uint64_t next_ino;
	uint32_t block_size;
	struct dentry *root; /* referenced */
	void *data;
};

/** inode_check() - bring its attributes up to date if others may have changed it */
static inline int64_t inode_check(struct inode *inode)
{
	return likely((inode->super->flags & SUPER_SHARED) == 0)
		? 0
		: inode->super->ops->check_inode(inode);
}

/** super_init() - the common part of a new file system, with one reference and a device number */
void super_init(struct super *super, const struct super_ops *ops, uint32_t flags);
void super_ref(struct super *super);
void super_unref(struct super *super);
/** super_get_mount() - one mount more */
void super_get_mount(struct super *super);
/** super_put_mount() - one mount less; after the last one the file system goes away */
void super_put_mount(struct super *super);

/** anonymous_inode_create() - an inode for a file without a name: pipes, eventfd, epoll, … */
struct inode *anonymous_inode_create(uint32_t mode, const char *name);
/**
 * anonymous_path() - a place for @inode, so that it can be walked to; `name` of the inode, as
 * "pipe:[7]"
 */
int64_t anonymous_path(struct inode *inode, struct path *out_path);

/* ---- who may do what ----------------------------------------------------------------------- */

enum access : uint32_t { ACCESS_EXECUTE = 1, ACCESS_WRITE = 2, ACCESS_READ = 4 };

bool credentials_is_in_group(const struct credentials *credentials, uint32_t gid);
/** credentials_owns() - whether they may do what only the owner may */
bool credentials_owns(const struct credentials *credentials, const struct inode *inode);

#endif
