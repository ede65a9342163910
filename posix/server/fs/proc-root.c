/* SPDX-License-Identifier: MIT */
/* /proc itself: processes, and what procfs says about the system. */
#include <abi/linux/errno.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/fs/block.h>
#include <posix/server/fs/device.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/vfs/mount.h>

constexpr uint32_t PROC_FILE = LINUX_S_IFREG | 0444;
constexpr uint32_t PROC_LINK = LINUX_S_IFLNK | 0777;
constexpr uint32_t PROC_FOLDER = LINUX_S_IFDIR | 0555;

/* ---- links --------------------------------------------------------------------------------- */

static int64_t proc_link_text(struct link_target *out_target, const char *format, uint32_t pid)
{
	char *text = helix_malloc(64);

	if (text == NULL) {
		return -LINUX_ENOMEM;
	}
	if (format[0] == 't') {
		format_to(text, 64, "%u/task/%u", pid, pid);
	} else {
		format_to(text, 64, "%u", pid);
	}
	*out_target = (struct link_target){ .text = text, .owned = text };
	return 0;
}

static int64_t proc_follow_self(
	UNUSED struct proc_inode *node, struct process *process, struct link_target *out_target)
{
	return proc_link_text(out_target, "process", process->pid);
}

static int64_t proc_follow_thread_self(
	UNUSED struct proc_inode *node, struct process *process, struct link_target *out_target)
{
	return proc_link_text(out_target, "thread", process->pid);
}

static int64_t proc_follow_net(UNUSED struct proc_inode *node, UNUSED struct process *process,
	struct link_target *out_target)
{
	*out_target = (struct link_target){ .text = "self/net" };
	return 0;
}

static int64_t proc_follow_mounts(UNUSED struct proc_inode *node, UNUSED struct process *process,
	struct link_target *out_target)
{
	*out_target = (struct link_target){ .text = "self/mounts" };
	return 0;
}

/* ---- texts --------------------------------------------------------------------------------- */

static int64_t proc_print_filesystems(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)file_system_types_print(buffer, size);
}

static int64_t proc_print_devices(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	static const char text[] =
		"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n"
		"136 pts\n229 hvc\n247 virtio-portsdev\n\nBlock devices:\n";
	size_t used = min_size(sizeof(text) - 1, size);

	memcpy(buffer, text, used);
	return (int64_t)(sizeof(text) - 1 + block_majors_print(buffer + used, size - used));
}

static int64_t proc_print_partitions(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)block_partitions_print(buffer, size);
}

static int64_t proc_print_diskstats(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)block_diskstats_print(buffer, size);
}

/* ---- processes ----------------------------------------------------------------------------- */

static int64_t proc_lookup_process(
	struct proc_inode *directory, const char *name, struct inode **out_inode)
{
	uint32_t number;

	if (!proc_parse_number(name, &number) || number == 0) {
		return -LINUX_ENOENT;
	}
	if (process_find(number) != NULL) {
		return proc_inode_create(directory, &proc_process_entry, number, 0, out_inode);
	}
	/* Other threads have a folder, too, which is in no list. */
	const struct thread *thread = thread_find(number);

	return thread == NULL ? -LINUX_ENOENT
			      : proc_inode_create(directory, &proc_process_entry,
					thread->process->pid, number, out_inode);
}

static int64_t proc_list_processes(
	UNUSED struct proc_inode *directory, struct dirent_writer *writer)
{
	uint64_t from =
		writer->position > PROC_COOKIE_LISTED ? writer->position - PROC_COOKIE_LISTED : 0;

	for (struct process *process = process_from((uint32_t)min_u64(from, UINT32_MAX));
		process != NULL; process = process_next(process)) {
		if (!proc_list_number(writer, process->pid, LINUX_DT_DIR)) {
			break;
		}
	}
	return 0;
}

/* ---- the tables ---------------------------------------------------------------------------- */

static const struct proc_entry proc_hati_entries[] = {
	{ .name = "kernel", .mode = PROC_FILE },
	{ .name = "posix", .mode = PROC_FILE },
	{ .name = "unimplemented", .mode = PROC_FILE },
	{},
};

/* Texts without a hook are system_print()'s. */
static const struct proc_entry proc_root_entries[] = {
	{ .name = "cmdline", .mode = PROC_FILE },
	{ .name = "cpuinfo", .mode = PROC_FILE },
	{ .name = "devices", .mode = PROC_FILE, .print = proc_print_devices },
	{ .name = "diskstats", .mode = PROC_FILE, .print = proc_print_diskstats },
	{ .name = "filesystems", .mode = PROC_FILE, .print = proc_print_filesystems },
	{ .name = "hati", .mode = PROC_FOLDER, .entries = proc_hati_entries },
	{ .name = "loadavg", .mode = PROC_FILE },
	{ .name = "meminfo", .mode = PROC_FILE },
	{ .name = "modules", .mode = PROC_FILE, .text = "" },
	{ .name = "mounts", .mode = PROC_LINK, .follow = proc_follow_mounts },
	{ .name = "net", .mode = PROC_LINK, .follow = proc_follow_net },
	{ .name = "partitions", .mode = PROC_FILE, .print = proc_print_partitions },
	{ .name = "self", .mode = PROC_LINK, .follow = proc_follow_self },
	{ .name = "stat", .mode = PROC_FILE },
	{ .name = "swaps",
		.mode = PROC_FILE,
		.text = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" },
	{ .name = "sys", .mode = PROC_FOLDER, .entries = proc_sys_entries },
	{ .name = "sysvipc", .mode = PROC_FOLDER, .entries = proc_sysvipc_entries },
	{ .name = "thread-self", .mode = PROC_LINK, .follow = proc_follow_thread_self },
	{ .name = "uptime", .mode = PROC_FILE },
	{ .name = "version", .mode = PROC_FILE },
	{ .name = "vmstat", .mode = PROC_FILE },
	{},
};

const struct proc_entry proc_root_entry = {
	.mode = PROC_FOLDER,
	.entries = proc_root_entries,
	.lookup = proc_lookup_process,
	.list = proc_list_processes,
};
