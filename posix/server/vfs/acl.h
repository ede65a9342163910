/* SPDX-License-Identifier: MIT */
/*
 * Access control lists as POSIX 1003.1e drafted them and Linux has them.
 *
 * They are the extended attributes system.posix_acl_access and, of directories, _default, and are
 * kept as such (xattr.h), in Linux' external form: what is stored has been checked. An access list
 * that says no more than a mode does is not stored. One that is agrees with the mode: owner and
 * others are alike in both, the mode's group bits are the list's mask.
 *
 * What is made in a directory with a default list gets that as its access list, without what the
 * creator's mode does not allow, and the umask does not count; directories get it as default, too.
 */
#ifndef POSIX_VFS_ACL_H
#define POSIX_VFS_ACL_H

#include <posix/server/vfs/inode.h>

struct credentials;

/** acl_is_name() - whether an attribute of that name is a list */
bool acl_is_name(const char *name);

/**
 * acl_set() - change a list as setxattr() does, or take it away
 * @value: NULL, or without entries: there shall be none
 *
 * Return: 0; -LINUX_EINVAL, -LINUX_EOPNOTSUPP (version, or a file that can have none),
 * -LINUX_EACCES (a default list of what is no directory), -LINUX_EPERM, -LINUX_ENOSPC,
 * -LINUX_ENOMEM.
 */
int64_t acl_set(const struct credentials *credentials, struct inode *inode, const char *name,
	const void *value, size_t size);

/** acl_get() - as xattr_get(); -LINUX_EOPNOTSUPP of links and where there are no attributes */
int64_t acl_get(const struct inode *inode, const char *name, const void **out_value);

/**
 * acl_check() - what the list says of somebody who is not the owner
 * @access: enum inode_access bits
 *
 * Return: 0, -LINUX_EACCES, -LINUX_ENODATA: there is none, the mode decides.
 */
int64_t acl_check(
	const struct credentials *credentials, const struct inode *inode, uint32_t access);

/** acl_follow_mode() - the mode was changed; 0 or what keeping that says */
int64_t acl_follow_mode(struct inode *inode, uint32_t mode);

enum acl_verdict : uint8_t {
	ACL_FINE,
	ACL_USELESS, /* it says no more than a mode: it is not to be kept */
	ACL_INVALID,
};

/** acl_judge() - whether what a disk says is a list as it is stored here */
enum acl_verdict acl_judge(const char *name, const void *value, size_t size);

/** acl_mode_in() - the mode of what is made in @directory with @mode and @umask */
uint32_t acl_mode_in(const struct inode *directory, uint32_t mode, uint32_t umask);
/** acl_inherit() - give @inode, just made in @directory with @mode, its lists; 0 or an error */
int64_t acl_inherit(const struct inode *directory, struct inode *inode, uint32_t mode);

#endif
