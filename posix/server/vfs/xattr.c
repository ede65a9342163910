/* SPDX-License-Identifier: MIT */
/* The attributes of an inode; see xattr.h. */
#include <abi/linux/errno.h>
#include <abi/linux/xattr.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/vfs/xattr.h>

struct xattr {
	struct list_node node;
	uint32_t value_size;
	uint16_t name_size; /* with terminator */
	char bytes[];       /* the name, then the value */
};

struct xattr_list {
	struct list attributes;
	size_t names_size; /* with terminators */
};

static size_t xattr_memory(size_t name_size, size_t value_size)
{
	return sizeof(struct xattr) + name_size + value_size;
}

static struct xattr *xattr_find(const struct inode *inode, const char *name)
{
	if (inode->xattrs == NULL) {
		return NULL;
	}
	LIST_FOR_EACH(xattr, &inode->xattrs->attributes, struct xattr, node) {
		if (str_equal(xattr->bytes, name)) {
			return xattr;
		}
	}
	return NULL;
}

static int64_t xattr_charge(struct inode *inode, int64_t n_bytes)
{
	return inode->super->ops->charge(inode->super, n_bytes);
}

static int64_t xattr_store(
	struct inode *inode, const char *name, const void *value, size_t size, uint32_t flags)
{
	const struct super_ops *ops = inode->super->ops;

	return ops->store_xattr == NULL ? 0 : ops->store_xattr(inode, name, value, size, flags);
}

static void xattr_free(struct inode *inode, struct xattr *xattr)
{
	inode->xattrs->names_size -= xattr->name_size;
	(void)xattr_charge(inode, -(int64_t)xattr_memory(xattr->name_size, xattr->value_size));
	list_remove(&xattr->node);
	helix_free(xattr);
}

static bool xattr_need_list(struct inode *inode)
{
	if (inode->xattrs == NULL) {
		inode->xattrs = helix_malloc(sizeof(*inode->xattrs));
		if (inode->xattrs == NULL) {
			return false;
		}
		*inode->xattrs = (struct xattr_list){ 0 };
		list_init(&inode->xattrs->attributes);
	}
	return true;
}

int64_t xattr_get(const struct inode *inode, const char *name, const void **out_value)
{
	void *value = NULL;
	int64_t size = xattr_get_to_change(inode, name, &value);

	*out_value = value;
	return size;
}

int64_t xattr_get_to_change(const struct inode *inode, const char *name, void **out_value)
{
	struct xattr *xattr = xattr_find(inode, name);

	if (xattr == NULL) {
		return -LINUX_ENODATA;
	}
	*out_value = xattr->bytes + xattr->name_size;
	return xattr->value_size;
}

/* Takes the place of `old`, or comes first. */
static int64_t xattr_put(
	struct inode *inode, struct xattr *old, const char *name, const void *value, size_t size)
{
	size_t name_size = strlen(name) + 1;
	size_t memory = xattr_memory(name_size, size);

	if (old == NULL && inode->xattrs->names_size + name_size > XATTR_SIZE_MAX) {
		return -LINUX_ENOSPC;
	}
	int64_t error = xattr_charge(inode, (int64_t)memory);

	if (error < 0) {
		return error;
	}
	struct xattr *xattr = helix_malloc(memory);

	if (xattr == NULL) {
		(void)xattr_charge(inode, -(int64_t)memory);
		return -LINUX_ENOMEM;
	}
	*xattr = (struct xattr){ .value_size = (uint32_t)size, .name_size = (uint16_t)name_size };
	memcpy(xattr->bytes, name, name_size);
	memcpy(xattr->bytes + name_size, value, size);
	if (old != NULL) {
		list_insert_before(&old->node, &xattr->node);
		xattr_free(inode, old);
	} else {
		list_push_front(&inode->xattrs->attributes, &xattr->node);
	}
	inode->xattrs->names_size += name_size;
	return 0;
}

int64_t xattr_set(
	struct inode *inode, const char *name, const void *value, size_t size, uint32_t flags)
{
	struct xattr *old = xattr_find(inode, name);

	if (old != NULL && (flags & LINUX_XATTR_CREATE)) {
		return -LINUX_EEXIST;
	}
	if (old == NULL && (flags & LINUX_XATTR_REPLACE)) {
		return -LINUX_ENODATA;
	}
	if (!xattr_need_list(inode)) {
		return -LINUX_ENOMEM;
	}
	int64_t error = xattr_store(inode, name, size > 0 ? value : "", size, flags);

	if (error == 0) {
		/* what was found before may have been replaced while it was stored */
		error = xattr_put(inode, xattr_find(inode, name), name, value, size);
	}
	if (error == 0) {
		inode_touch_changed(inode);
	}
	return error;
}

int64_t xattr_learn(struct inode *inode, const char *name, const void *value, size_t size)
{
	return xattr_need_list(inode) ? xattr_put(inode, xattr_find(inode, name), name, value, size)
				      : -LINUX_ENOMEM;
}

int64_t xattr_changed(struct inode *inode, const char *name)
{
	const struct xattr *xattr = xattr_find(inode, name);

	return xattr == NULL
		? 0
		: xattr_store(inode, name, xattr->bytes + xattr->name_size, xattr->value_size, 0);
}

int64_t xattr_remove(struct inode *inode, const char *name)
{
	if (xattr_find(inode, name) == NULL) {
		return -LINUX_ENODATA;
	}
	int64_t error = xattr_store(inode, name, NULL, 0, 0);
	struct xattr *xattr = error < 0 ? NULL : xattr_find(inode, name);

	if (xattr != NULL) {
		xattr_free(inode, xattr);
		inode_touch_changed(inode);
	}
	return error;
}

/* The names of the system, or the others, behind those that are in the buffer. */
static int64_t xattr_list_part(const struct inode *inode, bool of_system, bool has_trusted,
	char *buffer, size_t size, size_t used)
{
	LIST_FOR_EACH(xattr, &inode->xattrs->attributes, struct xattr, node) {
		if (str_starts_with(xattr->bytes, LINUX_XATTR_SYSTEM) != of_system ||
			(!has_trusted && str_starts_with(xattr->bytes, LINUX_XATTR_TRUSTED))) {
			continue;
		}
		if (buffer != NULL) {
			if (xattr->name_size > size - used) {
				return -LINUX_ERANGE;
			}
			memcpy(buffer + used, xattr->bytes, xattr->name_size);
		}
		used += xattr->name_size;
	}
	return (int64_t)used;
}

int64_t xattr_list(const struct inode *inode, bool has_trusted, char *buffer, size_t size)
{
	if (inode->xattrs == NULL) {
		return 0;
	}
	int64_t used = xattr_list_part(inode, true, has_trusted, buffer, size, 0);

	return used < 0 ? used
			: xattr_list_part(inode, false, has_trusted, buffer, size, (size_t)used);
}

void xattr_free_all(struct inode *inode)
{
	if (inode->xattrs == NULL) {
		return;
	}
	LIST_FOR_EACH_SAFE(xattr, &inode->xattrs->attributes, struct xattr, node) {
		xattr_free(inode, xattr);
	}
	helix_free(inode->xattrs);
	inode->xattrs = NULL;
}

void xattr_remove_capability(struct inode *inode)
{
	if (inode->xattrs != NULL) {
		(void)xattr_remove(inode, LINUX_XATTR_CAPABILITY);
	}
}
