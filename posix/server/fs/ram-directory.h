/* SPDX-License-Identifier: MIT */
/*
 * Directories of file systems that live in memory: their dentries in the order they were made.
 *
 * Each entry has a cookie that is never used again in this directory, so a position in a listing
 * stays valid whatever is removed or added meanwhile: the next entry is the one with the next
 * higher cookie.
 */
#ifndef POSIX_FS_RAM_DIRECTORY_H
#define POSIX_FS_RAM_DIRECTORY_H

#include <posix/server/vfs/dentry.h>

struct dirent_writer;

struct ram_directory {
	struct tree entries; /* struct dentry.order by cookie */
	uint64_t last_cookie;
	uint32_t n_entries;
};

void ram_directory_init(struct ram_directory *directory);
/** ram_directory_add() - pin a positive dentry and list it */
void ram_directory_add(struct ram_directory *directory, struct dentry *dentry);
/** ram_directory_remove() - no longer list it; the caller unpins and drops it */
void ram_directory_remove(struct ram_directory *directory, struct dentry *dentry);
/** ram_directory_list() - write entries from the writer's position on */
void ram_directory_list(struct ram_directory *directory, struct dirent_writer *writer);

#endif
