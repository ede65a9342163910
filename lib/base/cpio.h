/* SPDX-License-Identifier: MIT */
/*
 * Reader of cpio archives in memory ("newc", the format of initial RAM disks).
 *
 * Several archives may follow each other, padded with zeros; the reader passes over their trailers.
 * The archive is untrusted: every length is checked before it is used, and whatever is not an
 * archive ends the iteration with an error.
 */
#ifndef BASE_CPIO_H
#define BASE_CPIO_H

#include <base/types.h>

/** CPIO_NAME_MAX - longest name including its terminator */
#define CPIO_NAME_MAX 4096

#define CPIO_MODE_TYPE      0170000u
#define CPIO_MODE_FIFO      0010000u
#define CPIO_MODE_CHARACTER 0020000u
#define CPIO_MODE_DIRECTORY 0040000u
#define CPIO_MODE_BLOCK     0060000u
#define CPIO_MODE_REGULAR   0100000u
#define CPIO_MODE_SYMLINK   0120000u
#define CPIO_MODE_SOCKET    0140000u

struct cpio_entry {
	const char *name; /* terminated, inside the archive */
	size_t name_length;
	uint32_t ino;
	uint32_t mode; /* type and permission bits as in stat */
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink; /* hard links share `ino`; the last one of them carries the data */
	uint32_t mtime;
	uint32_t dev_major; /* of the file system the file was on */
	uint32_t dev_minor;
	uint32_t rdev_major; /* of the device a device file stands for */
	uint32_t rdev_minor;
	const void *data; /* contents, or the target of a symbolic link (not terminated) */
	size_t size;
};

struct cpio_iterator {
	const uint8_t *image;
	size_t size;
	size_t offset;
	bool is_in_archive; /* between a first entry and its trailer */
};

enum cpio_result {
	CPIO_ENTRY,     /* *out_entry is the next entry */
	CPIO_END,       /* nothing more */
	CPIO_MALFORMED, /* the bytes at `offset` are no entry; the iteration stays here */
};

/** cpio_begin() - iterate over the archives in @size bytes at @image, borrowed */
void cpio_begin(struct cpio_iterator *iterator, const void *image, size_t size);

/** cpio_iterate() - the next entry; @out_entry is written only with CPIO_ENTRY */
enum cpio_result cpio_iterate(struct cpio_iterator *iterator, struct cpio_entry *out_entry);

/** cpio_find() - look up the first entry whose name is @name, ignoring leading "./" and "/" */
bool cpio_find(const void *image, size_t size, const char *name, struct cpio_entry *out_entry);

#endif
