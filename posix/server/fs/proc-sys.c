/* SPDX-License-Identifier: MIT */
/* /proc/sys: most is as it is; what can be changed is writable. */
#include <abi/linux/errno.h>
#include <base/format.h>
#include <base/string.h>
#include <hel/hel-calls.h>
#include <posix/server/file/epoll.h>
#include <posix/server/file/pipe.h>
#include <posix/server/fs/procfs.h>
#include <posix/server/mqueue/mqueue.h>
#include <posix/server/vfs/mount.h>

constexpr uint32_t PROC_FILE = LINUX_S_IFREG | 0444;
constexpr uint32_t PROC_WRITABLE_FILE = LINUX_S_IFREG | 0644;
constexpr uint32_t PROC_FOLDER = LINUX_S_IFDIR | 0555;

/* ---- random identifiers -------------------------------------------------------------------- */

static size_t uuid_print(const uint8_t *bytes, char *buffer, size_t size)
{
	size_t used = 0;

	for (unsigned i = 0; i < 16; i++) {
		bool has_dash = i == 4 || i == 6 || i == 8 || i == 10;

		used += format_to(buffer + min_size(used, size), size - min_size(used, size),
			"%s%02x", has_dash ? "-" : "", bytes[i]);
	}
	return used + format_to(buffer + min_size(used, size), size - min_size(used, size), "\n");
}

static void uuid_make(uint8_t *out_bytes)
{
	if (hel_random(out_bytes, 16) < 0) {
		memset(out_bytes, 0, 16);
	}
	out_bytes[6] = (out_bytes[6] & 0x0f) | 0x40;
	out_bytes[8] = (out_bytes[8] & 0x3f) | 0x80;
}

static int64_t proc_print_uuid(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	uint8_t bytes[16];

	uuid_make(bytes);
	return (int64_t)uuid_print(bytes, buffer, size);
}

static int64_t proc_print_boot_id(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	static uint8_t bytes[16];
	static bool is_made;

	if (!is_made) {
		uuid_make(bytes);
		is_made = true;
	}
	return (int64_t)uuid_print(bytes, buffer, size);
}

/* ---- limits -------------------------------------------------------------------------------- */

static int64_t proc_print_file_max(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)format_to(buffer, size, "%u\n", file_limit());
}

static int64_t proc_print_file_nr(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)format_to(buffer, size, "%u\t0\t%u\n", file_count(), file_limit());
}

static int64_t proc_print_mount_max(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)format_to(buffer, size, "%u\n", mount_limit());
}

static int64_t proc_print_pipe_pages(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)format_to(buffer, size, "%llu\n", (unsigned long long)PIPE_USER_PAGES_SOFT);
}

static int64_t proc_print_epoll_watches(UNUSED struct proc_inode *node, char *buffer, size_t size)
{
	return (int64_t)format_to(buffer, size, "%llu\n", (unsigned long long)epoll_watch_limit());
}

/* ---- message queues ------------------------------------------------------------------------ */

/*
 * A decimal number with blanks around it. What is longer than any number cannot be one.
 */
static bool parse_number(const char *text, size_t size, int64_t *out_value)
{
	static const char blanks[] = " \t\n";
	bool is_negative;
	uint64_t value;

	while (size > 0 && memchr(blanks, text[0], sizeof(blanks)) != NULL) {
		text++;
		size--;
	}
	while (size > 0 && memchr(blanks, text[size - 1], sizeof(blanks)) != NULL) {
		size--;
	}
	is_negative = size > 0 && text[0] == '-';
	if (!parse_u64_span(text + is_negative, size - is_negative, 10, &value) ||
		value > INT64_MAX) {
		return false;
	}
	*out_value = is_negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static int64_t proc_print_mqueue(struct proc_inode *node, char *buffer, size_t size)
{
	int32_t value = mqueue_limit_get(&mqueue_super()->limits, node->entry->name);

	return (int64_t)format_to(buffer, size, "%d\n", value);
}

static int64_t proc_write_mqueue(
	struct proc_inode *node, UNUSED struct process *writer, const char *text, size_t size)
{
	int64_t value;

	if (!parse_number(text, size, &value)) {
		return -LINUX_EINVAL;
	}
	int64_t error = mqueue_limit_set(&mqueue_super()->limits, node->entry->name, value);

	return error < 0 ? error : (int64_t)size;
}

/* ---- the tables ---------------------------------------------------------------------------- */

static const struct proc_entry proc_random_entries[] = {
	{ .name = "boot_id", .mode = PROC_FILE, .print = proc_print_boot_id },
	{ .name = "entropy_avail", .mode = PROC_FILE, .text = "256\n" },
	{ .name = "poolsize", .mode = PROC_FILE, .text = "256\n" },
	{ .name = "uuid", .mode = PROC_FILE, .print = proc_print_uuid },
	{},
};

static const struct proc_entry proc_kernel_entries[] = {
	{ .name = "cap_last_cap", .mode = PROC_FILE, .text = "40\n" },
	{ .name = "core_pattern", .mode = PROC_FILE, .text = "core\n" },
	{ .name = "core_uses_pid", .mode = PROC_FILE, .text = "0\n" },
	{ .name = "domainname", .mode = PROC_FILE, .text = "(none)\n" },
	{ .name = "hostname", .mode = PROC_FILE },
	{ .name = "msgmax", .mode = PROC_FILE, .text = "8192\n" },
	{ .name = "msgmnb", .mode = PROC_FILE, .text = "16384\n" },
	{ .name = "msgmni", .mode = PROC_FILE, .text = "32000\n" },
	{ .name = "ngroups_max", .mode = PROC_FILE, .text = "64\n" },
	{ .name = "osrelease", .mode = PROC_FILE },
	{ .name = "ostype", .mode = PROC_FILE },
	{ .name = "overflowgid", .mode = PROC_FILE, .text = "65534\n" },
	{ .name = "overflowuid", .mode = PROC_FILE, .text = "65534\n" },
	{ .name = "pid_max", .mode = PROC_FILE },
	{ .name = "random", .mode = PROC_FOLDER, .entries = proc_random_entries },
	{ .name = "sem", .mode = PROC_FILE, .text = "32000\t1024000000\t500\t32000\n" },
	{ .name = "shmmni", .mode = PROC_FILE, .text = "4096\n" },
	{ .name = "tainted", .mode = PROC_FILE, .text = "0\n" },
	{ .name = "threads-max", .mode = PROC_FILE },
	{ .name = "version", .mode = PROC_FILE },
	{},
};

static const struct proc_entry proc_inotify_entries[] = {
	{ .name = "max_queued_events", .mode = PROC_FILE, .text = "16384\n" },
	{ .name = "max_user_instances", .mode = PROC_FILE, .text = "128\n" },
	{ .name = "max_user_watches", .mode = PROC_FILE, .text = "65536\n" },
	{},
};

static const struct proc_entry proc_epoll_entries[] = {
	{ .name = "max_user_watches", .mode = PROC_FILE, .print = proc_print_epoll_watches },
	{},
};

#define PROC_MQUEUE_FILE(name_) \
	{ .name = (name_), \
		.mode = PROC_WRITABLE_FILE, \
		.print = proc_print_mqueue, \
		.write = proc_write_mqueue }

static const struct proc_entry proc_mqueue_entries[] = {
	PROC_MQUEUE_FILE("msg_default"),
	PROC_MQUEUE_FILE("msg_max"),
	PROC_MQUEUE_FILE("msgsize_default"),
	PROC_MQUEUE_FILE("msgsize_max"),
	PROC_MQUEUE_FILE("queues_max"),
	{},
};

static const struct proc_entry proc_fs_entries[] = {
	{ .name = "aio-max-nr", .mode = PROC_FILE, .text = "65536\n" },
	{ .name = "epoll", .mode = PROC_FOLDER, .entries = proc_epoll_entries },
	{ .name = "file-max", .mode = PROC_FILE, .print = proc_print_file_max },
	{ .name = "file-nr", .mode = PROC_FILE, .print = proc_print_file_nr },
	{ .name = "inotify", .mode = PROC_FOLDER, .entries = proc_inotify_entries },
	{ .name = "mount-max", .mode = PROC_FILE, .print = proc_print_mount_max },
	{ .name = "mqueue", .mode = PROC_FOLDER, .entries = proc_mqueue_entries },
	{ .name = "nr_open", .mode = PROC_FILE, .text = "1048576\n" },
	{ .name = "pipe-max-size", .mode = PROC_FILE, .text = "1048576\n" },
	{ .name = "pipe-user-pages-hard", .mode = PROC_FILE, .text = "0\n" },
	{ .name = "pipe-user-pages-soft", .mode = PROC_FILE, .print = proc_print_pipe_pages },
	{ .name = "protected_fifos", .mode = PROC_FILE, .text = "1\n" },
	{ .name = "protected_hardlinks", .mode = PROC_FILE, .text = "1\n" },
	{ .name = "protected_regular", .mode = PROC_FILE, .text = "1\n" },
	{ .name = "protected_symlinks", .mode = PROC_FILE, .text = "1\n" },
	{},
};

static const struct proc_entry proc_vm_entries[] = {
	{ .name = "max_map_count", .mode = PROC_FILE, .text = "65530\n" },
	{ .name = "overcommit_memory", .mode = PROC_FILE, .text = "1\n" },
	{},
};

static const struct proc_entry proc_net_core_entries[] = {
	{ .name = "rmem_default", .mode = PROC_FILE, .text = "212992\n" },
	{ .name = "rmem_max", .mode = PROC_FILE, .text = "212992\n" },
	{ .name = "somaxconn", .mode = PROC_FILE, .text = "4096\n" },
	{ .name = "wmem_default", .mode = PROC_FILE, .text = "212992\n" },
	{ .name = "wmem_max", .mode = PROC_FILE, .text = "212992\n" },
	{},
};

static const struct proc_entry proc_net_unix_entries[] = {
	{ .name = "max_dgram_qlen", .mode = PROC_FILE, .text = "10\n" },
	{},
};

static const struct proc_entry proc_net_ipv4_entries[] = {
	{ .name = "ip_local_port_range", .mode = PROC_FILE, .text = "32768\t60999\n" },
	{ .name = "ip_unprivileged_port_start", .mode = PROC_FILE, .text = "1024\n" },
	{ .name = "ping_group_range", .mode = PROC_FILE, .text = "1\t0\n" },
	{},
};

static const struct proc_entry proc_net_ipv6_entries[] = {
	{ .name = "bindv6only", .mode = PROC_FILE, .text = "0\n" },
	{},
};

static const struct proc_entry proc_sys_net_entries[] = {
	{ .name = "core", .mode = PROC_FOLDER, .entries = proc_net_core_entries },
	{ .name = "ipv4", .mode = PROC_FOLDER, .entries = proc_net_ipv4_entries },
	{ .name = "ipv6", .mode = PROC_FOLDER, .entries = proc_net_ipv6_entries },
	{ .name = "unix", .mode = PROC_FOLDER, .entries = proc_net_unix_entries },
	{},
};

const struct proc_entry proc_sys_entries[] = {
	{ .name = "fs", .mode = PROC_FOLDER, .entries = proc_fs_entries },
	{ .name = "kernel", .mode = PROC_FOLDER, .entries = proc_kernel_entries },
	{ .name = "net", .mode = PROC_FOLDER, .entries = proc_sys_net_entries },
	{ .name = "vm", .mode = PROC_FOLDER, .entries = proc_vm_entries },
	{},
};
