/* SPDX-License-Identifier: MIT */
/*
 * Names of sockets: paths, which lead to an inode of the type S_IFSOCK that knows its socket, and
 * abstract names, which are in a table here and begin with a NUL byte.
 */
#include <abi/linux/errno.h>
#include <abi/linux/stat.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/socket/unix.h>
#include <posix/server/vfs/inode.h>
#include <posix/server/vfs/mount.h>
#include <posix/server/vfs/call.h>

constexpr uint32_t NAME_LISTS = 256;
constexpr uint32_t AUTO_NAMES = 1u << 20;

static struct list name_lists[NAME_LISTS];

static struct list *name_list(const char *bytes, uint32_t size)
{
	uint32_t hash = 2166136261u;

	for (uint32_t i = 0; i < size; i++) {
		hash = (hash ^ (uint8_t)bytes[i]) * 16777619u;
	}
	struct list *list = &name_lists[hash % NAME_LISTS];

	if (list->head.next == NULL) {
		list_init(list);
	}
	return list;
}

/* Sockets of each type have names of their own. */
static struct unix_name *name_find_abstract(const char *bytes, uint32_t size, uint32_t type)
{
	LIST_FOR_EACH(name, name_list(bytes, size), struct unix_name, node) {
		if (name->size == size && name->socket->type == type &&
			memcmp(name->bytes, bytes, size) == 0) {
			return name;
		}
	}
	return NULL;
}

static struct unix_name *name_create(const char *bytes, uint32_t size)
{
	struct unix_name *name = helix_malloc(sizeof(*name) + size);

	if (name != NULL) {
		*name = (struct unix_name){ .references = 1, .size = size };
		list_node_init(&name->node);
		memcpy(name->bytes, bytes, size);
	}
	return name;
}

void unix_name_unref(struct unix_name *name)
{
	if (name != NULL && --name->references == 0) {
		helix_free(name);
	}
}

uint32_t unix_print_name(const struct unix_name *name, struct linux_sockaddr_un *out)
{
	uint32_t size = name == NULL ? 0 : name->size;

	*out = (struct linux_sockaddr_un){ .family = LINUX_AF_UNIX };
	memcpy(out->path, name == NULL ? "" : name->bytes, min_size(size, sizeof(out->path)));
	return (uint32_t)sizeof(out->family) + size;
}

int64_t unix_check_address(const void *address, size_t size, char *out_bytes, uint32_t *out_size)
{
	uint16_t family;

	if (address == NULL || size <= sizeof(family) || size > sizeof(struct linux_sockaddr_un)) {
		return -LINUX_EINVAL;
	}
	memcpy(&family, address, sizeof(family));
	if (family != LINUX_AF_UNIX) {
		return -LINUX_EINVAL;
	}
	const char *path = (const char *)address + sizeof(family);
	uint32_t n_bytes = (uint32_t)(size - sizeof(family));

	memcpy(out_bytes, path, n_bytes);
	if (path[0] != '\0') {
		out_bytes[n_bytes] = '\0';
		n_bytes = (uint32_t)strlen(out_bytes) + 1;
	}
	*out_size = n_bytes;
	return 0;
}

static void name_give(struct unix_socket *socket, struct unix_name *name)
{
	name->socket = socket;
	socket->name = name;
}

static int64_t bind_abstract(struct unix_socket *socket, const char *bytes, uint32_t size)
{
	if (name_find_abstract(bytes, size, socket->type) != NULL) {
		return -LINUX_EADDRINUSE;
	}
	struct unix_name *name = name_create(bytes, size);

	if (name == NULL) {
		return -LINUX_ENOMEM;
	}
	list_push_back(name_list(bytes, size), &name->node);
	name_give(socket, name);
	return 0;
}

static int64_t bind_path(
	struct request *request, struct unix_socket *socket, const char *bytes, uint32_t size)
{
	struct unix_name *name = name_create(bytes, size);

	if (name == NULL) {
		return -LINUX_ENOMEM;
	}
	int64_t error =
		name_make_socket(request, bytes, socket->file->inode->mode & 07777, &socket->path);

	if (error < 0) {
		unix_name_unref(name);
		return error == -LINUX_EEXIST ? -LINUX_EADDRINUSE : error;
	}
	socket->path.dentry->inode->socket = socket;
	name_give(socket, name);
	return 0;
}

int64_t unix_bind(
	struct request *request, struct unix_socket *socket, const void *address, size_t size)
{
	char bytes[LINUX_UNIX_PATH_MAX + 1];
	uint32_t n_bytes;
	uint16_t family;

	if (address != NULL && size == sizeof(family)) {
		memcpy(&family, address, sizeof(family));
		if (family == LINUX_AF_UNIX) {
			return unix_bind_auto(socket);
		}
	}
	int64_t error = unix_check_address(address, size, bytes, &n_bytes);

	if (error < 0) {
		return error;
	}
	if (bytes[0] != '\0') {
		return socket->name != NULL ? -LINUX_EINVAL
					    : bind_path(request, socket, bytes, n_bytes);
	}
	return socket->name != NULL ? -LINUX_EINVAL : bind_abstract(socket, bytes, n_bytes);
}

int64_t unix_bind_auto(struct unix_socket *socket)
{
	static uint32_t next;
	char bytes[8] = { 0 };

	for (uint32_t tries = 0; socket->name == NULL && tries < AUTO_NAMES; tries++) {
		format_to(bytes + 1, sizeof(bytes) - 1, "%05x", next++ % AUTO_NAMES);
		int64_t error = bind_abstract(socket, bytes, 6);

		if (error != -LINUX_EADDRINUSE) {
			return error;
		}
	}
	return socket->name == NULL ? -LINUX_ENOSPC : 0;
}

void unix_unbind(struct unix_socket *socket)
{
	struct unix_name *name = socket->name;

	if (name == NULL) {
		return;
	}
	/* an accepted socket only borrows its listener's name */
	if (name->socket == socket) {
		name->socket = NULL;
		list_remove(&name->node);
	}
	if (socket->path.dentry != NULL && socket->path.dentry->inode->socket == socket) {
		socket->path.dentry->inode->socket = NULL;
	}
	path_unref(&socket->path);
	socket->path = (struct path){ 0 };
}

static int64_t find_path(
	struct request *request, const char *bytes, struct unix_socket **out_socket)
{
	struct process *process = request->process;
	struct path path;
	int64_t error = vfs_lookup(process, LINUX_AT_FDCWD, bytes, VFS_FOLLOW, &path);

	if (error < 0) {
		return error;
	}
	struct inode *inode = path.dentry->inode;

	error = inode_permission(&process->credentials, inode, ACCESS_WRITE);
	if (error == 0 && (!inode_is_type(inode, LINUX_S_IFSOCK) || inode->socket == NULL)) {
		error = -LINUX_ECONNREFUSED;
	}
	*out_socket = inode->socket;
	path_unref(&path);
	return error;
}

int64_t unix_find(struct request *request, const void *address, size_t size, uint32_t type,
	struct unix_socket **out_socket)
{
	char bytes[LINUX_UNIX_PATH_MAX + 1];
	struct unix_socket *found = NULL;
	uint32_t n_bytes;
	int64_t error = unix_check_address(address, size, bytes, &n_bytes);

	if (error < 0) {
		return error;
	}
	if (bytes[0] != '\0') {
		error = find_path(request, bytes, &found);
	} else {
		struct unix_name *name = name_find_abstract(bytes, n_bytes, type);

		found = name == NULL ? NULL : name->socket;
		error = found == NULL ? -LINUX_ECONNREFUSED : 0;
	}
	if (error < 0) {
		return error;
	}
	if (found->type != type) {
		return -LINUX_EPROTOTYPE;
	}
	unix_ref(found);
	*out_socket = found;
	return 0;
}
