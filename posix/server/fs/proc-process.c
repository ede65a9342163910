/* SPDX-License-Identifier: MIT */
/* /proc/PID: what procfs says about one process, and about its descriptors and threads. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/lock.h>
#include <posix/server/fs/nsfs.h>
#include <posix/server/fs/proc-executable.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/process/pidfd.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/mount.h>

constexpr uint32_t PROC_FILE = LINUX_S_IFREG | 0444;
constexpr uint32_t PROC_PRIVATE_FILE = LINUX_S_IFREG | 0400;
constexpr uint32_t PROC_WRITABLE_FILE = LINUX_S_IFREG | 0644;
constexpr uint32_t PROC_LINK = LINUX_S_IFLNK | 0777;
constexpr uint32_t PROC_FOLDER = LINUX_S_IFDIR | 0555;
constexpr uint32_t PROC_PRIVATE_FOLDER = LINUX_S_IFDIR | 0500;
constexpr uint32_t PROC_NS_FOLDER = LINUX_S_IFDIR | 0511;
/* In the one user namespace. */
#define PROC_ALL_IDS "         0          0 4294967295\n"

/* ---- links to places ----------------------------------------------------------------------- */

/* Links into another process are for itself, its user and the privileged. */
static int64_t proc_may_follow(const struct process *process, const struct process *subject)
{
	const struct credentials *credentials = &process->credentials;

	if (process == subject || credentials_has(credentials, LINUX_CAP_SYS_PTRACE) ||
		(credentials->fsuid == subject->credentials.uid &&
			credentials->fsuid == subject->credentials.euid)) {
		return 0;
	}
	return -LINUX_EACCES;
}

/* Gives the place itself and, for readlink, its name; takes the reference of *path. */
static int64_t proc_link_to(
	struct process *process, struct path *path, struct link_target *out_target)
{
	char *text = helix_malloc(POSIX_PATH_MAX);
	int64_t length =
		text == NULL ? -LINUX_ENOMEM : path_print(process, path, text, POSIX_PATH_MAX);

	if (length < 0) {
		helix_free(text);
		path_unref(path);
		return length;
	}
	*out_target = (struct link_target){ .text = text, .owned = text, .jump = *path };
	return 0;
}

static int64_t proc_link_begin(
	struct proc_inode *node, struct process *process, struct process **out_subject)
{
	*out_subject = proc_process(node);
	return *out_subject == NULL ? -LINUX_ENOENT : proc_may_follow(process, *out_subject);
}

static int64_t proc_follow_context(struct proc_inode *node, struct process *process,
	struct link_target *out_target, bool is_root)
{
	struct process *subject;
	int64_t error = proc_link_begin(node, process, &subject);

	if (error < 0) {
		return error;
	}
	if (subject->fs == NULL) {
		return -LINUX_ENOENT;
	}
	struct path path = is_root ? subject->fs->root : subject->fs->cwd;

	path_ref(&path);
	return proc_link_to(process, &path, out_target);
}

static int64_t proc_follow_cwd(
	struct proc_inode *node, struct process *process, struct link_target *out_target)
{
	return proc_follow_context(node, process, out_target, false);
}

static int64_t proc_follow_root(
	struct proc_inode *node, struct process *process, struct link_target *out_target)
{
	return proc_follow_context(node, process, out_target, true);
}

static int64_t proc_follow_exe(
	struct proc_inode *node, struct process *process, struct link_target *out_target)
{
	struct process *subject;
	struct path path;
	int64_t error = proc_link_begin(node, process, &subject);

	if (error == 0 && !process_executable(subject, &path)) {
		error = -LINUX_ENOENT;
	}
	return error < 0 ? error : proc_link_to(process, &path, out_target);
}

/* ---- descriptors --------------------------------------------------------------------------- */

static struct file *proc_file_of(const struct proc_inode *node)
{
	const struct process *subject = proc_process(node);

	return subject == NULL || subject->files == NULL
		? NULL
		: fd_table_get(subject->files, (int)node->number);
}

static int64_t proc_follow_fd(
	struct proc_inode *node, struct process *process, struct link_target *out_target)
{
	struct file *file = proc_file_of(node);
	struct process *subject;
	struct path path;
	int64_t error = proc_link_begin(node, process, &subject);

	if (error < 0) {
		return error;
	}
	if (file == NULL) {
		return -LINUX_ENOENT;
	}
	if (file->path.dentry != NULL) {
		path = file->path;
		path_ref(&path);
	} else {
		error = anonymous_path(file->inode, &path);
	}
	return error < 0 ? error : proc_link_to(process, &path, out_target);
}

static int64_t proc_print_fdinfo(struct proc_inode *node, char *buffer, size_t size)
{
	const struct file *file = proc_file_of(node);

	if (file == NULL) {
		return -LINUX_ENOENT;
	}
	size_t used = format_to(buffer, size, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n",
		(unsigned long long)file->offset, file->flags,
		file->path.dentry == NULL ? 0 : file->path.mount->id,
		(unsigned long long)file->inode->ino);
	size_t at = min_size(used, size);

	used += pidfd_print(file, buffer + at, size - at);
	at = min_size(used, size);
	return (int64_t)(used +
		lock_print(file, proc_process(node)->files, buffer + at, size - at));
}

/* A link's permission bits say how the file is open. */
static const struct proc_entry proc_fd_entries[] = {
	{ .mode = LINUX_S_IFLNK | 0500, .follow = proc_follow_fd },
	{ .mode = LINUX_S_IFLNK | 0300, .follow = proc_follow_fd },
	{ .mode = LINUX_S_IFLNK | 0700, .follow = proc_follow_fd },
	{ .mode = LINUX_S_IFLNK | 0700, .follow = proc_follow_fd },
};

static const struct proc_entry proc_fdinfo_entry = { .mode = PROC_PRIVATE_FILE,
	.print = proc_print_fdinfo };

static struct file *proc_find_fd(
	struct proc_inode *directory, const char *name, uint32_t *out_number)
{
	struct process *subject = proc_process(directory);

	if (!proc_parse_number(name, out_number) || *out_number > INT32_MAX ||
		subject->files == NULL) {
		return NULL;
	}
	return fd_table_get(subject->files, (int)*out_number);
}

static int64_t proc_lookup_fd(
	struct proc_inode *directory, const char *name, struct inode **out_inode)
{
	uint32_t number;
	struct file *file = proc_find_fd(directory, name, &number);

	if (file == NULL) {
		return -LINUX_ENOENT;
	}
	return proc_inode_create(directory, &proc_fd_entries[file->flags & LINUX_O_ACCMODE],
		directory->pid, number, out_inode);
}

static int64_t proc_lookup_fdinfo(
	struct proc_inode *directory, const char *name, struct inode **out_inode)
{
	uint32_t number;

	if (proc_find_fd(directory, name, &number) == NULL) {
		return -LINUX_ENOENT;
	}
	return proc_inode_create(directory, &proc_fdinfo_entry, directory->pid, number, out_inode);
}

static int64_t proc_list_fds(struct proc_inode *directory, struct dirent_writer *writer)
{
	struct process *subject = proc_process(directory);
	uint8_t type = directory->entry->lookup == proc_lookup_fd ? LINUX_DT_LNK : LINUX_DT_REG;

	if (subject->files == NULL) {
		return 0;
	}
	for (int fd = fd_table_next(subject->files, 0); fd >= 0;
		fd = fd_table_next(subject->files, fd + 1)) {
		if (!proc_list_number(writer, (uint32_t)fd, type)) {
			break;
		}
	}
	return 0;
}

/* ---- texts --------------------------------------------------------------------------------- */

static int64_t proc_print_mounts(struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)mount_print(proc_process(node), false, buffer, size);
}

static int64_t proc_print_mountinfo(struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)mount_print(proc_process(node), true, buffer, size);
}

/* The thread of a file below task; of others the process' first. */
static struct thread *proc_thread_of(const struct proc_inode *node, const struct process *subject)
{
	return node->number != 0 ? process_thread(subject, node->number)
				 : LIST_FIRST(&subject->threads, struct thread, process_node);
}

static int64_t proc_step_mappings(struct proc_inode *node, enum mapping_text form, uint64_t *cursor,
	char *buffer, size_t size)
{
	struct process *subject = proc_process(node);

	return subject == NULL ? 0
			       : process_print_mapping(subject, proc_thread_of(node, subject), form,
					 cursor, buffer, size);
}

static int64_t proc_step_maps(struct proc_inode *node, uint64_t *cursor, char *buffer, size_t size)
{
	return proc_step_mappings(node, MAPPING_TEXT_MAPS, cursor, buffer, size);
}

static int64_t proc_step_smaps(struct proc_inode *node, uint64_t *cursor, char *buffer, size_t size)
{
	return proc_step_mappings(node, MAPPING_TEXT_SMAPS, cursor, buffer, size);
}

static int64_t proc_step_numa_maps(
	struct proc_inode *node, uint64_t *cursor, char *buffer, size_t size)
{
	return proc_step_mappings(node, MAPPING_TEXT_NUMA, cursor, buffer, size);
}

static int64_t proc_write_comm(
	struct proc_inode *node, struct process *writer, const char *text, size_t size)
{
	struct process *subject = proc_process(node);
	struct thread *thread = subject == NULL ? NULL : proc_thread_of(node, subject);

	if (thread == NULL) {
		return -LINUX_ESRCH;
	}
	if (subject != writer) {
		return -LINUX_EINVAL;
	}
	thread_set_name(thread, text, size);
	return (int64_t)size;
}

static int64_t proc_write_oom_adjustment(
	struct proc_inode *node, struct process *writer, const char *text, size_t size)
{
	struct process *subject = proc_process(node);
	bool is_negative = size > 0 && text[0] == '-';
	char digits[8] = { 0 };
	uint64_t value;
	size_t n = size - is_negative;

	if (n > 0 && text[size - 1] == '\n') {
		n--;
	}
	if (subject == NULL) {
		return -LINUX_ESRCH;
	}
	if (n >= sizeof(digits)) {
		return -LINUX_EINVAL;
	}
	memcpy(digits, text + is_negative, n);
	if (!parse_u64(digits, 10, &value)) {
		return -LINUX_EINVAL;
	}
	int64_t error = process_set_oom_adjustment(
		subject, writer, is_negative ? -(int64_t)value : (int64_t)value);

	return error < 0 ? error : (int64_t)size;
}

static int64_t proc_write_login_uid(
	struct proc_inode *node, struct process *writer, const char *text, size_t size)
{
	size_t n_digits = size > 0 && text[size - 1] == '\n' ? size - 1 : size;
	uint64_t value;

	if (proc_process(node) != writer) {
		return -LINUX_EPERM;
	}
	if (!parse_u64_span(text, n_digits, 10, &value)) {
		return -LINUX_EINVAL;
	}
	if (value > UINT32_MAX) {
		return -LINUX_ERANGE;
	}
	int64_t error = process_set_login(writer, (uint32_t)value);

	return error < 0 ? error : (int64_t)size;
}

/* ---- namespaces ------------------------------------------------------------------------------ */

static int64_t proc_follow_ns(
	struct proc_inode *node, struct process *process, struct link_target *out_target)
{
	struct process *subject;
	struct path path;
	int64_t error = proc_link_begin(node, process, &subject);

	if (error == 0) {
		error = nsfs_path(subject, node->entry->name, &path);
	}
	return error < 0 ? error : proc_link_to(process, &path, out_target);
}

#define PROC_NS(name_) { .name = name_, .mode = PROC_LINK, .follow = proc_follow_ns }

static const struct proc_entry proc_ns_entries[] = { PROC_NS("cgroup"), PROC_NS("ipc"),
	PROC_NS("mnt"), PROC_NS("net"), PROC_NS("pid"), PROC_NS("pid_for_children"),
	PROC_NS("time"), PROC_NS("time_for_children"), PROC_NS("user"), PROC_NS("uts"), {} };

/* ---- threads ------------------------------------------------------------------------------- */

static const struct proc_entry proc_task_entries[];

static const struct proc_entry proc_task_entry = { .mode = PROC_FOLDER,
	.entries = proc_task_entries };

static int64_t proc_lookup_task(
	struct proc_inode *directory, const char *name, struct inode **out_inode)
{
	struct process *subject = proc_process(directory);
	uint32_t tid;

	if (!proc_parse_number(name, &tid)) {
		return -LINUX_ENOENT;
	}
	if (process_thread(subject, tid) == NULL) {
		return -LINUX_ENOENT;
	}
	return proc_inode_create(directory, &proc_task_entry, subject->pid, tid, out_inode);
}

static int64_t proc_list_tasks(struct proc_inode *directory, struct dirent_writer *writer)
{
	struct process *subject = proc_process(directory);

	LIST_FOR_EACH(thread, &subject->threads, struct thread, process_node) {
		if (!proc_list_number(writer, thread->tid, LINUX_DT_DIR)) {
			break;
		}
	}
	return 0;
}

/* ---- the tables ---------------------------------------------------------------------------- */

/* What a process and each of its threads have alike. Texts without a hook are process_print()'s. */
#define PROC_COMMON_ENTRIES \
	{ .name = "auxv", .mode = PROC_PRIVATE_FILE }, \
		{ .name = "cgroup", .mode = PROC_FILE, .text = "0::/\n" }, \
		{ .name = "cmdline", .mode = PROC_FILE }, \
		{ .name = "comm", .mode = PROC_WRITABLE_FILE, .write = proc_write_comm }, \
		{ .name = "cwd", .mode = PROC_LINK, .follow = proc_follow_cwd }, \
		{ .name = "environ", .mode = PROC_PRIVATE_FILE }, \
		{ .name = "exe", .mode = PROC_LINK, .follow = proc_follow_exe }, \
		{ .name = "fd", \
			.mode = PROC_PRIVATE_FOLDER, \
			.lookup = proc_lookup_fd, \
			.list = proc_list_fds }, \
		{ .name = "fdinfo", \
			.mode = PROC_PRIVATE_FOLDER, \
			.lookup = proc_lookup_fdinfo, \
			.list = proc_list_fds }, \
		{ .name = "gid_map", .mode = PROC_FILE, .text = PROC_ALL_IDS }, \
		{ .name = "limits", .mode = PROC_FILE }, \
		{ .name = "loginuid", .mode = PROC_WRITABLE_FILE, .write = proc_write_login_uid }, \
		{ .name = "maps", .mode = PROC_FILE, .step = proc_step_maps }, \
		{ .name = "mem", .mode = LINUX_S_IFREG | 0600, .open = proc_open_memory }, \
		{ .name = "mountinfo", .mode = PROC_FILE, .print = proc_print_mountinfo }, \
		{ .name = "mounts", .mode = PROC_FILE, .print = proc_print_mounts }, \
		{ .name = "net", .mode = PROC_FOLDER, .entries = proc_net_entries }, \
		{ .name = "ns", .mode = PROC_NS_FOLDER, .entries = proc_ns_entries }, \
		{ .name = "numa_maps", .mode = PROC_FILE, .step = proc_step_numa_maps }, \
		{ .name = "oom_score", .mode = PROC_FILE }, \
		{ .name = "oom_score_adj", \
			.mode = PROC_WRITABLE_FILE, \
			.write = proc_write_oom_adjustment }, \
		{ .name = "pagemap", .mode = PROC_PRIVATE_FILE, .open = proc_open_pagemap }, \
		{ .name = "root", .mode = PROC_LINK, .follow = proc_follow_root }, \
		{ .name = "sessionid", .mode = PROC_FILE }, \
		{ .name = "setgroups", .mode = PROC_FILE, .text = "allow\n" }, \
		{ .name = "smaps", .mode = PROC_FILE, .step = proc_step_smaps }, \
		{ .name = "stat", .mode = PROC_FILE }, { .name = "statm", .mode = PROC_FILE }, \
		{ .name = "status", .mode = PROC_FILE }, \
		{ .name = "syscall", .mode = PROC_PRIVATE_FILE }, \
		{ .name = "uid_map", .mode = PROC_FILE, .text = PROC_ALL_IDS }, \
	{ \
		.name = "wchan", .mode = PROC_FILE \
	}

static const struct proc_entry proc_task_entries[] = { PROC_COMMON_ENTRIES, {} };

static const struct proc_entry proc_process_entries[] = {
	PROC_COMMON_ENTRIES,
	{ .name = "task",
		.mode = PROC_FOLDER,
		.lookup = proc_lookup_task,
		.list = proc_list_tasks },
	{},
};

const struct proc_entry proc_process_entry = { .mode = PROC_FOLDER,
	.entries = proc_process_entries };
