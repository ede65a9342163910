/* SPDX-License-Identifier: MIT */
/* Access control lists; see acl.h. */
#include <abi/linux/errno.h>
#include <abi/linux/stat.h>
#include <abi/linux/xattr.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/process/process.h>
#include <posix/server/vfs/acl.h>
#include <posix/server/vfs/vfs.h>
#include <posix/server/vfs/xattr.h>

struct acl {
	struct linux_acl_entry *entries; /* in an attribute's value, which need not be aligned */
	size_t n;
};

/* Attributes lie anywhere in memory, so entries are packed. */
static bool acl_of(const struct inode *inode, const char *name, struct acl *out_acl)
{
	void *value;
	int64_t size = xattr_get_to_change(inode, name, &value);

	if (size < (int64_t)sizeof(struct linux_acl_header)) {
		return false;
	}
	out_acl->entries = (struct linux_acl_entry *)((struct linux_acl_header *)value + 1);
	out_acl->n = ((size_t)size - sizeof(struct linux_acl_header)) / sizeof(out_acl->entries[0]);
	return true;
}

static struct linux_acl_entry *find_entry(const struct acl *acl, uint16_t tag)
{
	for (size_t i = 0; i < acl->n; i++) {
		if (acl->entries[i].tag == tag) {
			return &acl->entries[i];
		}
	}
	return NULL;
}

bool acl_is_name(const char *name)
{
	return str_equal(name, LINUX_XATTR_ACL_ACCESS) || str_equal(name, LINUX_XATTR_ACL_DEFAULT);
}

static bool can_have_lists(const struct inode *inode)
{
	return (inode->super->flags & SUPER_XATTRS) != 0 && !inode_is_type(inode, LINUX_S_IFLNK);
}

/* ---- checking -------------------------------------------------------------------------------- */

static int64_t decode(const void *value, size_t size, struct acl *out_acl)
{
	struct linux_acl_header header;

	*out_acl = (struct acl){ 0 };
	if (value == NULL || size == 0) {
		return 0;
	}
	if (size < sizeof(header)) {
		return -LINUX_EINVAL;
	}
	memcpy(&header, value, sizeof(header));
	if (header.version != LINUX_ACL_VERSION) {
		return -LINUX_EOPNOTSUPP;
	}
	if ((size - sizeof(header)) % sizeof(out_acl->entries[0]) != 0) {
		return -LINUX_EINVAL;
	}
	out_acl->entries =
		(struct linux_acl_entry *)((uintptr_t)value + sizeof(struct linux_acl_header));
	out_acl->n = (size - sizeof(header)) / sizeof(out_acl->entries[0]);
	return 0;
}

/* The tags that may come behind one, as bits; the mask must be there if somebody is named. */
static uint32_t followers_of(uint16_t tag)
{
	switch (tag) {
	case LINUX_ACL_USER_OBJ:
	case LINUX_ACL_USER: return LINUX_ACL_USER | LINUX_ACL_GROUP_OBJ;
	case LINUX_ACL_GROUP_OBJ:
	case LINUX_ACL_GROUP: return LINUX_ACL_GROUP | LINUX_ACL_MASK | LINUX_ACL_OTHER;
	case LINUX_ACL_MASK: return LINUX_ACL_OTHER;
	default: return 0;
	}
}

static bool is_valid(const struct acl *acl)
{
	uint32_t expected = LINUX_ACL_USER_OBJ, seen = 0;

	for (size_t i = 0; i < acl->n; i++) {
		const struct linux_acl_entry *entry = &acl->entries[i];
		uint16_t tag = entry->tag;

		if ((tag & expected) == 0 || (tag & (tag - 1)) != 0 ||
			(entry->permissions & ~7u) != 0 ||
			((tag == LINUX_ACL_USER || tag == LINUX_ACL_GROUP) &&
				entry->id == UINT32_MAX)) {
			return false;
		}
		expected = followers_of(tag);
		seen |= tag;
	}
	return (seen & LINUX_ACL_OTHER) != 0 &&
		((seen & (LINUX_ACL_USER | LINUX_ACL_GROUP)) == 0 || (seen & LINUX_ACL_MASK) != 0);
}

/* Whether a mode says the same; what it would be is told in any case. */
static bool is_mode(const struct acl *acl, uint32_t *out_mode)
{
	const struct linux_acl_entry *mask = find_entry(acl, LINUX_ACL_MASK);
	const struct linux_acl_entry *group =
		mask != NULL ? mask : find_entry(acl, LINUX_ACL_GROUP_OBJ);

	*out_mode = (uint32_t)find_entry(acl, LINUX_ACL_USER_OBJ)->permissions << 6 |
		(uint32_t)group->permissions << 3 | find_entry(acl, LINUX_ACL_OTHER)->permissions;
	return mask == NULL;
}

enum acl_verdict acl_judge(const char *name, const void *value, size_t size)
{
	bool is_access = str_equal(name, LINUX_XATTR_ACL_ACCESS);
	struct acl acl;
	uint32_t unused;

	if (decode(value, size, &acl) < 0) {
		return ACL_INVALID;
	}
	if (acl.n == 0) {
		return ACL_USELESS;
	}
	if (!is_valid(&acl)) {
		return ACL_INVALID;
	}
	return is_access && is_mode(&acl, &unused) ? ACL_USELESS : ACL_FINE;
}

/* ---- changing -------------------------------------------------------------------------------- */

static int64_t store(struct inode *inode, const char *name, const void *value, size_t size)
{
	if (value != NULL) {
		return xattr_set(inode, name, value, size, 0);
	}
	int64_t error = xattr_remove(inode, name);

	return error == -LINUX_ENODATA ? 0 : error;
}

static int64_t set_access(const struct credentials *credentials, struct inode *inode,
	const struct acl *acl, const void *value, size_t size)
{
	uint32_t mode;
	bool is_only_mode = is_mode(acl, &mode);

	mode |= inode->mode & 07000;
	if (!credentials_is_in_group(credentials, inode->gid) &&
		!credentials_has(credentials, LINUX_CAP_FSETID)) {
		mode &= ~LINUX_S_ISGID;
	}
	int64_t error = store(inode, LINUX_XATTR_ACL_ACCESS, is_only_mode ? NULL : value, size);

	return error < 0
		? error
		: inode->ops->change(
			  inode, &(struct inode_change){ .mask = INODE_CHANGE_MODE, .mode = mode });
}

int64_t acl_set(const struct credentials *credentials, struct inode *inode, const char *name,
	const void *value, size_t size)
{
	bool is_default = str_equal(name, LINUX_XATTR_ACL_DEFAULT);
	struct acl acl;
	int64_t error = decode(value, size, &acl);

	if (error < 0) {
		return error;
	}
	if (!can_have_lists(inode)) {
		return -LINUX_EOPNOTSUPP;
	}
	if (is_default && !inode_is_directory(inode)) {
		return acl.n != 0 ? -LINUX_EACCES : 0;
	}
	if (!credentials_owns(credentials, inode)) {
		return -LINUX_EPERM;
	}
	if (acl.n == 0) {
		return store(inode, name, NULL, 0);
	}
	if (!is_valid(&acl)) {
		return -LINUX_EINVAL;
	}
	return is_default ? store(inode, name, value, size)
			  : set_access(credentials, inode, &acl, value, size);
}

int64_t acl_get(const struct inode *inode, const char *name, const void **out_value)
{
	return can_have_lists(inode) ? xattr_get(inode, name, out_value) : -LINUX_EOPNOTSUPP;
}

static void set_permissions(struct linux_acl_entry *entry, uint32_t permissions)
{
	entry->permissions = permissions & 7;
}

int64_t acl_follow_mode(struct inode *inode, uint32_t mode)
{
	struct acl acl;

	if (!acl_of(inode, LINUX_XATTR_ACL_ACCESS, &acl)) {
		return 0;
	}
	set_permissions(find_entry(&acl, LINUX_ACL_USER_OBJ), mode >> 6);
	set_permissions(find_entry(&acl, LINUX_ACL_MASK), mode >> 3);
	set_permissions(find_entry(&acl, LINUX_ACL_OTHER), mode);
	return xattr_changed(inode, LINUX_XATTR_ACL_ACCESS);
}

/* ---- deciding -------------------------------------------------------------------------------- */

static bool is_for(const struct linux_acl_entry *entry, const struct credentials *credentials,
	const struct inode *inode)
{
	switch (entry->tag) {
	case LINUX_ACL_USER: return entry->id == credentials->fsuid;
	case LINUX_ACL_GROUP_OBJ: return credentials_is_in_group(credentials, inode->gid);
	case LINUX_ACL_GROUP: return credentials_is_in_group(credentials, entry->id);
	default: return false;
	}
}

/* A named user has one entry that counts; of groups any may do that allows it all. */
int64_t acl_check(const struct credentials *credentials, const struct inode *inode, uint32_t access)
{
	struct acl acl;
	bool is_in_group = false;

	if (inode->xattrs == NULL || (inode->mode & 070) == 0 ||
		!acl_of(inode, LINUX_XATTR_ACL_ACCESS, &acl)) {
		return -LINUX_ENODATA;
	}
	uint32_t mask = find_entry(&acl, LINUX_ACL_MASK)->permissions;

	for (size_t i = 0; i < acl.n; i++) {
		const struct linux_acl_entry *entry = &acl.entries[i];
		bool allows = (access & 7 & ~entry->permissions) == 0;

		if (!is_for(entry, credentials, inode)) {
			continue;
		}
		if (entry->tag == LINUX_ACL_USER || allows) {
			return allows && (access & 7 & ~mask) == 0 ? 0 : -LINUX_EACCES;
		}
		is_in_group = true;
	}
	uint32_t others = find_entry(&acl, LINUX_ACL_OTHER)->permissions;

	return !is_in_group && (access & 7 & ~others) == 0 ? 0 : -LINUX_EACCES;
}

/* ---- inheriting ------------------------------------------------------------------------------ */

/* What @mode leaves of a default list, which decides the bits that both have. */
static uint32_t limit_mode(const struct acl *acl, uint32_t mode)
{
	uint32_t allowed;

	(void)is_mode(acl, &allowed);
	return mode & (allowed | ~0777u);
}

uint32_t acl_mode_in(const struct inode *directory, uint32_t mode, uint32_t umask)
{
	struct acl acl;

	if (acl_of(directory, LINUX_XATTR_ACL_DEFAULT, &acl)) {
		return limit_mode(&acl, mode);
	}
	return mode & ~(umask & 0777);
}

int64_t acl_inherit(const struct inode *directory, struct inode *inode, uint32_t mode)
{
	const void *value;
	int64_t size = xattr_get(directory, LINUX_XATTR_ACL_DEFAULT, &value);
	struct acl acl;
	uint32_t unused;
	int64_t error = 0;

	if (size < 0 || !can_have_lists(inode) || decode(value, (size_t)size, &acl) < 0) {
		return 0;
	}
	if (!is_mode(&acl, &unused)) {
		error = store(inode, LINUX_XATTR_ACL_ACCESS, value, (size_t)size);
		if (error == 0) {
			error = acl_follow_mode(inode, mode);
		}
	}
	if (error == 0 && inode_is_directory(inode)) {
		error = store(inode, LINUX_XATTR_ACL_DEFAULT, value, (size_t)size);
	}
	return error;
}
