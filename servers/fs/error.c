/* SPDX-License-Identifier: MIT */
/* Errors of drivers/lib/blockfs as fs.bragi's: see error.h. */
#include "error.h"

#include <base/types.h>
#include <drivers/lib/blockfs/errors.h>
#include <protocols/fs/fs.gen.h>

static const int codes[] = {
	[BLOCKFS_E_CORRUPT] = FS_ERROR_CORRUPT,
	[BLOCKFS_E_UNSUPPORTED] = FS_ERROR_UNSUPPORTED_HERE,
	[BLOCKFS_E_NOT_THIS] = FS_ERROR_UNKNOWN_TYPE,
	[BLOCKFS_E_READ_ONLY] = FS_ERROR_READ_ONLY,
	[BLOCKFS_E_NO_SPACE] = FS_ERROR_NO_SPACE,
	[BLOCKFS_E_NOT_DIRECTORY] = FS_ERROR_NOT_DIRECTORY,
	[BLOCKFS_E_IS_DIRECTORY] = FS_ERROR_IS_DIRECTORY,
	[BLOCKFS_E_NOT_EMPTY] = FS_ERROR_NOT_EMPTY,
	[BLOCKFS_E_NAME_TOO_LONG] = FS_ERROR_NAME_TOO_LONG,
	[BLOCKFS_E_TOO_MANY_LINKS] = FS_ERROR_TOO_MANY_LINKS,
	[BLOCKFS_E_TOO_LARGE] = FS_ERROR_TOO_LARGE,
	[BLOCKFS_E_NO_ATTRIBUTE] = FS_ERROR_NO_ATTRIBUTE,
	[BLOCKFS_E_BUFFER_TOO_SMALL] = FS_ERROR_BUFFER_TOO_SMALL,
	[BLOCKFS_E_NOT_PERMITTED] = FS_ERROR_NOT_PERMITTED,
	[BLOCKFS_E_INTO_ITSELF] = FS_ERROR_INTO_ITSELF,
	[BLOCKFS_E_ABORTED] = FS_ERROR_ABORTED,
};

int fs_error_of(int error)
{
	if (error <= 0) {
		return error == -ERR_BUSY ? FS_ERROR_BUSY : error;
	}
	return (size_t)error < ARRAY_SIZE(codes) && codes[error] != 0 ? codes[error]
								      : FS_ERROR_CORRUPT;
}
