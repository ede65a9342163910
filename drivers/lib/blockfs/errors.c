/* SPDX-License-Identifier: MIT */
/* Names of conditions: see errors.h. */
#include <base/types.h>
#include <drivers/lib/blockfs/errors.h>

static const char *const names[] = {
	[BLOCKFS_E_CORRUPT] = "CORRUPT",
	[BLOCKFS_E_UNSUPPORTED] = "UNSUPPORTED_FEATURE",
	[BLOCKFS_E_NOT_THIS] = "NOT_THIS",
	[BLOCKFS_E_READ_ONLY] = "READ_ONLY",
	[BLOCKFS_E_NO_SPACE] = "NO_SPACE_ON_DISK",
	[BLOCKFS_E_NOT_DIRECTORY] = "NOT_DIRECTORY",
	[BLOCKFS_E_IS_DIRECTORY] = "IS_DIRECTORY",
	[BLOCKFS_E_NOT_EMPTY] = "NOT_EMPTY",
	[BLOCKFS_E_NAME_TOO_LONG] = "NAME_TOO_LONG",
	[BLOCKFS_E_TOO_MANY_LINKS] = "TOO_MANY_LINKS",
	[BLOCKFS_E_TOO_LARGE] = "TOO_LARGE",
	[BLOCKFS_E_NO_ATTRIBUTE] = "NO_ATTRIBUTE",
	[BLOCKFS_E_BUFFER_TOO_SMALL] = "BUFFER_TOO_SMALL_FOR_IT",
	[BLOCKFS_E_NOT_PERMITTED] = "NOT_PERMITTED",
	[BLOCKFS_E_INTO_ITSELF] = "INTO_ITSELF",
	[BLOCKFS_E_ABORTED] = "ABORTED",
	[BLOCKFS_E_END] = "END",
	[BLOCKFS_E_RETRY] = "RETRY_LOOK",
};

const char *blockfs_error_name(int error)
{
	if (error <= 0) {
		return error_name(error);
	}
	return (size_t)error < ARRAY_SIZE(names) ? names[error] : "?";
}
