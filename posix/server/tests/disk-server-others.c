/* SPDX-License-Identifier: MIT */
/* What others do to the file system of the fake file server, of which nobody is told. */
#include <abi/linux/stat.h>
#include <posix/server/tests/disk-server-internal.h>

/* The entry of a path, and the directory that it is in. */
static struct server_entry *entry_of_path(const char *path)
{
	const char *name = strrchr(path, '/');
	char directory[64] = "";

	if (name == NULL) {
		return disk_entry_find(DISK_ROOT_NUMBER, path, strlen(path));
	}
	memcpy(directory, path, (size_t)(name - path));
	return disk_entry_find(disk_server_find(directory), name + 1, strlen(name + 1));
}

void disk_server_other_writes(const char *name, const char *text)
{
	struct server_entry *entry = disk_entry_find(DISK_ROOT_NUMBER, name, strlen(name));
	struct server_node *node;

	if (entry != NULL) {
		node = &disk_nodes[entry->number];
		disk_node_resize(node, 0);
	} else {
		node = disk_node_create(LINUX_S_IFREG | 0644);
		ASSERT(node != NULL);
		disk_entry_add(DISK_ROOT_NUMBER, name, strlen(name), disk_number_of(node));
		disk_node_touch(&disk_nodes[DISK_ROOT_NUMBER]);
	}
	disk_node_write(node, text, strlen(text), 0);
}

void disk_server_other_removes(const char *path)
{
	struct server_entry *entry = entry_of_path(path);

	if (entry != NULL) {
		disk_entry_remove(entry);
	}
}

void disk_server_other_moves(const char *path, const char *name)
{
	struct server_entry *entry = entry_of_path(path);
	struct server_entry *target =
		entry == NULL ? NULL : disk_entry_find(entry->directory, name, strlen(name));

	if (entry == NULL || entry == target) {
		return;
	}
	if (target != NULL) {
		disk_entry_remove(target);
	}
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	disk_node_touch(&disk_nodes[entry->directory]);
}
