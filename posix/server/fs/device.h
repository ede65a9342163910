/* SPDX-License-Identifier: MIT */
/*
 * Character devices: what a device number stands for; and the file system on /dev. Block devices
 * are in block.h.
 *
 * A device node of any file system is opened through its number. Registered devices also have a
 * node on /dev, as on Linux with devtmpfs; programs may make and remove others there.
 */
#ifndef POSIX_FS_DEVICE_H
#define POSIX_FS_DEVICE_H

#include <base/list.h>
#include <posix/server/vfs/inode.h>

struct device {
	struct list_node node;
	uint64_t rdev;
	const char *name; /* below /dev; may have folders */
	uint32_t mode;    /* permissions of the node */
	/* Give @file its ops and data; may park through @request, which may be NULL. */
	int64_t (*open)(struct device *device, struct file *file, struct request *request);
};

/** device_register() - make a device known; @device stays for ever. 0 or -LINUX_ENOMEM (no node) */
int64_t device_register(struct device *device);

/** device_find() - the device of a number, NULL if there is none */
struct device *device_find(uint64_t rdev);

/** device_next() - the device after @device, or the first one for NULL; NULL at the end */
struct device *device_next(struct device *device);

/** devtmpfs_init() - make the file system of /dev and register what is always there */
int64_t devtmpfs_init(void);
/** devtmpfs_super() - the one file system that every mount of devtmpfs shows */
struct super *devtmpfs_super(void);
int64_t devtmpfs_mount_create(const char *source, const char *options, struct super **out_super);
/** devtmpfs_link() - make a symbolic link below /dev; -LINUX_EEXIST: the name is taken */
int64_t devtmpfs_link(const char *name, const char *target);
/** devtmpfs_make_node() - make a device node below /dev; @mode: with its type */
int64_t devtmpfs_make_node(const char *name, uint32_t mode, uint64_t rdev);
/** devtmpfs_remove() - take away a link, or the node of @rdev; others of that name stay */
void devtmpfs_remove(const char *name, uint64_t rdev);

/** memory_devices_init() - null, zero, full, random, urandom, kmsg */
int64_t memory_devices_init(void);

#endif
