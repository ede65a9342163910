/* SPDX-License-Identifier: MIT */
/*
 * Open files and descriptor tables. CONTRACT: what the file side gives to the process side and to
 * its own kinds of files.
 *
 * struct file is an open file description: offset and status flags live here, shared by dup and
 * fork. Kinds of files fill a const struct file_ops; every hook is set (file_ops_default has
 * functions that answer the right error).
 */
#ifndef POSIX_FILE_H
#define POSIX_FILE_H

#include <abi/hel/types.h>
#include <posix/server/request.h>

struct inode;
struct dentry;
struct mount;
struct file;
struct view;
struct views;

/* A place in the tree: what an open file, a cwd or a root points to. Both referenced. */
struct path {
	struct mount *mount;
	struct dentry *dentry;
};

struct file_ops {
	const char *name;
	enum posix_view_kind view_kind; /* what the shim can do by itself, see views.h */
	/* the queues that poll names are woken at all changes, also when less is ready now */
	bool announces_falls;
	/*
	 * read/write at *offset (advanced on success).  May park (only through request).  `buffer`
	 * is in posix's memory.
	 */
	int64_t (*read)(struct file *file, struct request *request, void *buffer, size_t size,
		uint64_t *offset);
	int64_t (*write)(struct file *file, struct request *request, const void *buffer,
		size_t size, uint64_t *offset);
	/*
	 * A read that is answered through request_bulk*(): without a copy, or with a buffer only
	 * when there are data.
	 */
	int64_t (*read_bulk)(
		struct file *file, struct request *request, size_t size, uint64_t *offset);
	int64_t (*seek)(struct file *file, int64_t offset, int whence);
	/*
	 * POLLIN… that are ready now; if queue_of is given, calls it for every wait queue that
	 * announces changes.
	 */
	uint32_t (*poll)(struct file *file,
		void (*queue_of)(void *context, struct wait_queue *queue), void *context);
	/*
	 * buffer: in/out, `size` bytes as the shim's ioctl table says; ENOTTY for what is unknown
	 */
	int64_t (*ioctl)(struct file *file, struct request *request, uint32_t command,
		uint64_t value, void *buffer, size_t size);
	/* linux_dirent64 records */
	int64_t (*readdir)(struct file *file, void *buffer, size_t size);
	int64_t (*truncate)(struct file *file, uint64_t size);
	int64_t (*fallocate)(struct file *file, int mode, uint64_t offset, uint64_t size);
	int64_t (*sync)(struct file *file, struct request *request);
	/*
	 * Memory to map: borrowed handle, and where the file's offset 0 is in it. ENODEV if it
	 * can't be mapped.
	 */
	int64_t (*map)(struct file *file, hel_handle *out_memory);
	/* a descriptor of that process was closed */
	void (*flush)(struct file *file, struct process *process);
	/* last reference: free kind's data; the caller frees struct file */
	void (*release)(struct file *file);
};

struct file {
	const struct file_ops *ops;
	uint32_t references;
	bool is_announced; /* inotify was told of its open and wants to know of its close */
	uint8_t n_view_uses; /* requests that a view would have spared */
	uint32_t n_errors_seen; /* of what its inode could not store */
	bool is_writer; /* one of inode->n_writers */
	/* O_* status flags: access mode, APPEND, NONBLOCK, PATH, … */
	uint32_t flags;
	uint64_t offset; /* unless it is lent */
	struct view *borrower; /* of the position, NULL: nobody; see views.h */
	/* referenced; never NULL (anonymous files have an anonymous inode) */
	struct inode *inode;
	struct path path; /* referenced; dentry NULL for anonymous files */
	void *data; /* the kind's */
	uint64_t owner_pid; /* F_SETOWN */
	uint32_t owner_setter_uid, owner_setter_euid; /* of who has set it */
	struct list watches; /* struct epoll_item: those that watch it */
};

extern const struct file_ops file_ops_default;

int64_t file_default_read(
	struct file *file, struct request *request, void *buffer, size_t size, uint64_t *offset);
int64_t file_default_write(struct file *file, struct request *request, const void *buffer,
	size_t size, uint64_t *offset);
int64_t file_default_read_bulk(
	struct file *file, struct request *request, size_t size, uint64_t *offset);
int64_t file_default_seek(struct file *file, int64_t offset, int whence);
uint32_t file_default_poll(struct file *file,
	void (*queue_of)(void *context, struct wait_queue *queue), void *context);
int64_t file_default_ioctl(struct file *file, struct request *request, uint32_t command,
	uint64_t value, void *buffer, size_t size);
int64_t file_default_readdir(struct file *file, void *buffer, size_t size);
int64_t file_default_truncate(struct file *file, uint64_t size);
int64_t file_default_fallocate(struct file *file, int mode, uint64_t offset, uint64_t size);
int64_t file_default_sync(struct file *file, struct request *request);
int64_t file_default_map(struct file *file, hel_handle *out_memory);
void file_default_flush(struct file *file, struct process *process);
void file_default_release(struct file *file);

#pragma clang diagnostic ignored "-Winitializer-overrides"

/* Initialisers for every hook but `name`; those that follow win,
 * which the compiler would warn of. */
#define FILE_OPS_DEFAULT \
	.read = file_default_read, .write = file_default_write, \
	.read_bulk = file_default_read_bulk, .seek = file_default_seek, .poll = file_default_poll, \
	.ioctl = file_default_ioctl, .readdir = file_default_readdir, \
	.truncate = file_default_truncate, .fallocate = file_default_fallocate, \
	.sync = file_default_sync, .map = file_default_map, .flush = file_default_flush, \
	.release = file_default_release

/**
 * file_create() - an open file description with one reference
 * @maker: for whom; NULL: for posix itself
 *
 * Return: 0, -LINUX_ENOMEM, -LINUX_ENFILE: there are file_limit(), of which the last are kept for
 * who has CAP_SYS_ADMIN and posix itself.
 */
int file_create(const struct process *maker, const struct file_ops *ops, struct inode *inode,
	uint32_t flags, struct file **out_file);
/** file_count(), file_limit() - how many there are, and may be; for fs.file-nr */
uint32_t file_count(void);
uint32_t file_limit(void);
void file_ref(struct file *file);
void file_unref(struct file *file);
/** file_signal_owner() - signal whom F_SETOWN names, if who has named it may */
void file_signal_owner(const struct file *file, int signal);

/* ---- descriptor tables --------------------------------------------------------------------- */
struct fd_table; /* referenced; shared by CLONE_FILES */
struct fd_table *fd_table_create(void);
struct fd_table *fd_table_copy(struct fd_table *table); /* fork */
void fd_table_ref(struct fd_table *table);
void fd_table_unref(struct fd_table *table, struct process *process);
void fd_table_close_on_exec(struct fd_table *table, struct process *process);
/* Lowest free fd >= from; takes a reference of its own. -LINUX_EMFILE (limit), ENOMEM. */
int fd_table_add(
	struct fd_table *table, struct file *file, int from, bool is_cloexec, uint64_t limit);
/* Whether one can be added to. */
bool fd_table_has_room(const struct fd_table *table, uint64_t limit);
/* dup2: closes what is there. */
int fd_table_put(struct fd_table *table, int fd, struct file *file, bool is_cloexec, uint64_t limit,
	struct process *process);
struct file *fd_table_get(struct fd_table *table, int fd); /* borrowed, NULL: EBADF */
/* whether @fd still is @file's */
bool fd_table_names(const struct fd_table *table, uint32_t fd, const struct file *file);
int fd_table_close(struct fd_table *table, int fd, struct process *process);
bool fd_table_is_cloexec(struct fd_table *table, int fd);
void fd_table_set_cloexec(struct fd_table *table, int fd, bool is_cloexec);
int fd_table_next(struct fd_table *table, int from); /* first used fd >= from, -1: none */
/* what posix keeps for its files: bytes in pipes, sockets, files without names */
uint64_t fd_table_held_bytes(struct fd_table *table);
uint32_t fd_table_capacity(const struct fd_table *table); /* that it has memory for */
bool fd_table_is_shared(const struct fd_table *table); /* by several processes */
struct views **fd_table_views(struct fd_table *table); /* where its views are, NULL: none */

#endif
