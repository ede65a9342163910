/* SPDX-License-Identifier: MIT */
/*
 * What file systems answer beside the system's own errors.
 *
 * A function of this library returns 0, a negative code of abi/hel/errors.def (no memory, the
 * device failed, not found, exists) or one of these positive codes, which are conditions of file
 * systems. A caller may test for `!= 0`. The server turns both into what its protocol says.
 */
#ifndef BLOCKFS_ERRORS_H
#define BLOCKFS_ERRORS_H

#include <base/errors.h>

enum blockfs_error {
	BLOCKFS_E_CORRUPT = 1,       /* what is on the disk contradicts itself: EUCLEAN */
	BLOCKFS_E_UNSUPPORTED,       /* a feature, or an operation of this one: EOPNOTSUPP */
	BLOCKFS_E_NOT_THIS,          /* the disk holds something else: EINVAL */
	BLOCKFS_E_READ_ONLY,         /* EROFS */
	BLOCKFS_E_NO_SPACE,          /* ENOSPC */
	BLOCKFS_E_NOT_DIRECTORY,     /* ENOTDIR */
	BLOCKFS_E_IS_DIRECTORY,      /* EISDIR */
	BLOCKFS_E_NOT_EMPTY,         /* ENOTEMPTY */
	BLOCKFS_E_NAME_TOO_LONG,     /* ENAMETOOLONG */
	BLOCKFS_E_TOO_MANY_LINKS,    /* EMLINK */
	BLOCKFS_E_TOO_LARGE,         /* a file or offset: EFBIG */
	BLOCKFS_E_NO_ATTRIBUTE,      /* ENODATA */
	BLOCKFS_E_BUFFER_TOO_SMALL,  /* ERANGE */
	BLOCKFS_E_NOT_PERMITTED,     /* immutable, append-only: EPERM */
	BLOCKFS_E_INTO_ITSELF,       /* a directory below itself: EINVAL */
	BLOCKFS_E_ABORTED,           /* the journal is, after an error: EROFS for new writes */
	BLOCKFS_E_END,               /* of an iteration; never leaves the library */
	BLOCKFS_E_RETRY,             /* look again; never leaves the library */
};

/** blockfs_error_name() - "CORRUPT" for BLOCKFS_E_CORRUPT, "NO_MEMORY" for -ERR_NO_MEMORY */
const char *blockfs_error_name(int error);

#endif
