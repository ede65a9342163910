/* SPDX-License-Identifier: MIT */
/* From cpio archives to files. */
#ifndef POSIX_FS_UNPACK_H
#define POSIX_FS_UNPACK_H

#include <abi/hel/types.h>

struct dentry;

/* What is unpacked: may contain anything; what is no archive ends the unpacking. */
struct boot_archive {
	const void *data;
	size_t size;
	hel_handle memory; /* that @data is a mapping of, borrowed and for ever; or HEL_NULL */
};

/**
 * unpack_archives() - make the files of the archives in memory below a directory of tmpfs
 *
 * Large files whose bytes begin on a page of the archive's memory are views of that, not copies.
 * Return: 0, -LINUX_ENOMEM, -LINUX_ENOSPC.
 */
int64_t unpack_archives(struct dentry *root, const struct boot_archive *archive);

#endif
