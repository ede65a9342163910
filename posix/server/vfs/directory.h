/* SPDX-License-Identifier: MIT */
/*
 * Open directories: listing them.
 *
 * A position is the cookie of the last entry that was listed: 1 is ".", 2 is "..", what follows is
 * the file system's. The d_off of a record is the position after it.
 */
#ifndef POSIX_VFS_DIRECTORY_H
#define POSIX_VFS_DIRECTORY_H

#include <posix/server/vfs/inode.h>

/** DIRECTORY_COOKIE_DOTS - position after "." and ".." */
#define DIRECTORY_COOKIE_DOTS 2

/* Fills a buffer with struct linux_dirent64 records. */
struct dirent_writer {
	uint8_t *buffer;
	size_t size, used;
	uint64_t position;
	bool is_full; /* a record did not fit */
};

/**
 * dirent_write() - append a record and advance the position to @cookie; false if there is no room
 */
bool dirent_write(struct dirent_writer *writer, uint64_t cookie, uint64_t ino, uint8_t type,
	const char *name, size_t name_size);

/** directory_list_fn - writes entries after writer->position; 0 or a negative error */
typedef int64_t (*directory_list_fn)(struct file *file, struct dirent_writer *writer);

/** directory_read() - the readdir hook: "." and ".." and then what @list writes */
int64_t directory_read(struct file *file, void *buffer, size_t size, directory_list_fn list);

/** directory_seek() - the seek hook of directories */
int64_t directory_seek(struct file *file, int64_t offset, int whence);

/** DIRECTORY_FILE_OPS - hooks of open directories; `readdir` is still to be given */
#define DIRECTORY_FILE_OPS \
	.read = directory_read_bytes, .read_bulk = directory_read_bulk, .seek = directory_seek, \
	.sync = directory_sync

int64_t directory_read_bytes(
	struct file *file, struct request *request, void *buffer, size_t size, uint64_t *offset);
int64_t directory_read_bulk(
	struct file *file, struct request *request, size_t size, uint64_t *offset);
int64_t directory_sync(struct file *file, struct request *request);

#endif
