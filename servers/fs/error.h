/* SPDX-License-Identifier: MIT */
/* What went wrong, as the protocol says it. */
#ifndef FS_ERROR_H
#define FS_ERROR_H

/**
 * fs_error_of() - what a reply says for an error of the library or the system
 * @error: 0, -ERR_X, or a BLOCKFS_E_*
 */
int fs_error_of(int error);

#endif
