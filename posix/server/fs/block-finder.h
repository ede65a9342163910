/* SPDX-License-Identifier: MIT */
/*
 * Finds volumes on mbus and makes block devices of them, for ever. Places where there may be disks
 * are heard of, too, so that disks are numbered in their order: see block-name.h.
 */
#ifndef POSIX_FS_BLOCK_FINDER_H
#define POSIX_FS_BLOCK_FINDER_H

/** block_finder_start() - in jobs of posix_loop() */
void block_finder_start(void);

/**
 * block_finder_settle() - wait until what has been published or withdrawn by now is seen here
 *
 * In a task of a request. It asks mbus for nothing: mbus tells watchers of a change before it
 * answers calls that came later.
 */
void block_finder_settle(void);

#endif
