/* SPDX-License-Identifier: MIT */
/* The one node of memory in sysfs: devices/system/node. */
#include <base/format.h>
#include <posix/server/fs/sysfs.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/vfs.h>

static int64_t node_meminfo_print(UNUSED uint64_t key, char *buffer, size_t size)
{
	return system_print("node0/meminfo", buffer, size);
}

int64_t sysfs_make_node(struct dentry *root, uint32_t n_cpus, const char *list, const char *mask)
{
	const struct {
		const char *name, *text;
	} files[] = {
		{ "has_cpu", "0\n" },
		{ "has_memory", "0\n" },
		{ "has_normal_memory", "0\n" },
		{ "online", "0\n" },
		{ "possible", "0\n" },
		{ "node0/cpulist", list },
		{ "node0/cpumap", mask },
		{ "node0/distance", "10\n" },
	};
	const struct node_spec link = { .mode = LINUX_S_IFLNK | 0777 };
	int64_t error = sysfs_make_folder("devices/system/node/node0");
	char path[64], target[32];

	for (size_t i = 0; i < ARRAY_SIZE(files) && error == 0; i++) {
		format_to(path, sizeof(path), "devices/system/node/%s", files[i].name);
		error = sysfs_make_text(path, files[i].text);
	}
	for (uint32_t cpu = 0; cpu < n_cpus && error == 0; cpu++) {
		format_to(path, sizeof(path), "devices/system/node/node0/cpu%u", cpu);
		format_to(target, sizeof(target), "../../cpu/cpu%u", cpu);
		error = tmpfs_make_path(root, path, &link, target, NULL);
	}
	return error == 0
		? sysfs_make_live("devices/system/node/node0/meminfo", node_meminfo_print, 0)
		: error;
}
