/* SPDX-License-Identifier: MIT */
/*
 * The virtual file system: inodes, dentries, mounts, path walk. CONTRACT: what vfs/ and fs/ give to
 * the process side.
 */
#ifndef POSIX_VFS_H
#define POSIX_VFS_H

#include <posix/server/file/file.h>

struct credentials;

/* What a process' file-system view is: referenced by process, shared by CLONE_FS. */
struct fs_context {
	uint32_t references;
	struct path root, cwd;
	struct mount_tree *tree; /* the mounts that it sees; see mount.h */
	uint32_t umask;
};
struct fs_context *fs_context_create(const struct path *root);
struct fs_context *fs_context_copy(struct fs_context *context);
void fs_context_unref(struct fs_context *context);

struct boot_archive;
struct inode_stat { /* what stat, statx and permission checks need */
	uint64_t ino, size_bytes, blocks, rdev, dev;
	uint32_t mode, nlink, uid, gid, block_size;
	int64_t atime_ns, mtime_ns, ctime_ns;
};

/* Mounts tmpfs on /, unpacks the initrd's cpio archives (of boot/hati/ only init), mounts proc,
 * sys, dev. */
int vfs_init(const struct boot_archive *initrd);
const struct path *vfs_root(void);

enum vfs_lookup_flags : uint32_t {
	VFS_FOLLOW = 1,  /* follow a final symbolic link */
	VFS_DIRECTORY = 2, /* ENOTDIR otherwise */
	VFS_EMPTY_PATH = 4, /* "" is the start itself */
	/* openat2's limits on the way */
	VFS_NO_CROSSING = 8, /* EXDEV at mount points */
	VFS_NO_JUMPS = 16,   /* ELOOP at links of /proc that lead directly to a place */
	VFS_NO_LINKS = 32,   /* ELOOP at all links */
	VFS_BENEATH = 64,    /* EXDEV for what is not below the start */
	VFS_IN_ROOT = 128,   /* the start is the root for this walk */
	VFS_UNASKED = 256, /* the mount counts, though its file system may be dead: see walk.c */
};

/*
 * Walks `name` for `process` from dirfd (LINUX_AT_FDCWD or an fd); permissions are checked with
 * `credentials`. On success *out_path is referenced.
 */
int64_t vfs_lookup(struct process *process, int dirfd, const char *name, uint32_t flags,
	struct path *out_path);
void path_ref(const struct path *path);
void path_unref(struct path *path);
/* open(2) for the kernel's own use (exec, init): permission-checked. */
int64_t vfs_open(struct process *process, int dirfd, const char *name, uint32_t flags,
	uint32_t mode, struct file **out_file);
/* Checks rwx (4, 2, 1) for the process' effective ids. 0 or -LINUX_EACCES. */
int64_t inode_permission(
	const struct credentials *credentials, struct inode *inode, uint32_t access);
void inode_get_stat(struct inode *inode, struct inode_stat *out_stat);
void inode_ref(struct inode *inode);
void inode_unref(struct inode *inode);
/*
 * exec: nobody may write to what runs, or run what somebody writes to (-LINUX_ETXTBSY). `again`
 * is for who knows that it runs already.
 */
int64_t inode_deny_writing(struct inode *inode);
void inode_deny_writing_again(struct inode *inode);
void inode_allow_writing(struct inode *inode);
/*
 * exec: the memory that holds the file's contents (borrowed) and its size; -LINUX_EACCES if not a
 * regular file.
 */
int64_t inode_contents(struct inode *inode, hel_handle *out_memory, uint64_t *out_size);
/* Reads file contents into posix memory (exec headers, scripts). */
int64_t inode_read(struct inode *inode, void *buffer, size_t size, uint64_t offset);
/*
 * Absolute path as seen from the process' root, for getcwd, /proc/N/exe …; returns length with NUL
 * or -errno.
 */
int64_t path_print(struct process *process, const struct path *path, char *buffer, size_t size);

/* ---- procfs's view of processes: implemented by the process side --------------------------- */
struct process *process_first(void);
struct process *process_next(struct process *process);
/** process_from() - the process with the lowest number that is @pid or more, NULL: none */
struct process *process_from(uint32_t pid);
struct process *process_find(uint32_t pid);
/** process_thread() - its thread of that number, NULL if it has none */
struct thread *process_thread(const struct process *process, uint32_t tid);
/*
 * Each writes text to buffer, returns bytes: /proc/PID/<name>.  name: stat, status, statm, maps,
 * cmdline, environ, comm, limits, … ; -LINUX_ENOENT for unknown names, -LINUX_ENOMEM.  With a
 * thread: /proc/PID/task/TID/<name>.
 */
int64_t process_print(struct process *process, const struct thread *thread, const char *name,
	char *buffer, size_t size);
enum mapping_text : uint8_t {
	MAPPING_TEXT_MAPS,
	MAPPING_TEXT_SMAPS,
	MAPPING_TEXT_NUMA, /* numa_maps */
};
/**
 * process_print_mapping() - a piece of /proc/PID/maps: the mapping at or behind an address
 * @thread: whose policy counts where the mapping has none
 * @address: in: where to look from; out: the end of that mapping
 * @size: of the buffer, at least PROCESS_MAPPING_TEXT_MAX
 *
 * Return: its size; 0: there are no more.
 */
int64_t process_print_mapping(struct process *process, const struct thread *thread,
	enum mapping_text form, uint64_t *address, char *buffer, size_t size);
constexpr size_t PROCESS_MAPPING_TEXT_MAX = POSIX_PATH_MAX + 2048;
/** thread_set_name() - of 16 bytes, cut off if longer; a first thread's is its process' */
void thread_set_name(struct thread *thread, const char *name, size_t size);
/** LOGIN_NONE - of processes that no login has made: their loginuid and sessionid */
constexpr uint32_t LOGIN_NONE = UINT32_MAX;

/**
 * process_set_login() - a user has logged in, or with LOGIN_NONE out; @process asks for itself
 *
 * Return: 0, -LINUX_EPERM: somebody has logged in there already, and it may not change that.
 */
int64_t process_set_login(struct process *process, uint32_t uid);
/** process_set_oom_adjustment() - 0, -LINUX_EINVAL, -LINUX_EACCES: the writer may not lower it */
int64_t process_set_oom_adjustment(
	struct process *process, const struct process *writer, int64_t value);
/*
 * System-wide: /proc/<name>: meminfo, stat, uptime, loadavg, version, cpuinfo, cmdline,
 * hati/unimplemented …
 */
int64_t system_print(const char *name, char *buffer, size_t size);

#endif
