/* SPDX-License-Identifier: MIT */
/* Block pointers: the way to one. */
#ifndef BLOCKFS_EXT4_INDIRECT_H
#define BLOCKFS_EXT4_INDIRECT_H

#include <drivers/lib/blockfs/ext4/ext4.h>

#define EXT4_N_DIRECT   12
#define EXT4_N_POINTERS 15

struct ext4_indirect_way {
	uint32_t depth;    /* blocks of pointers on the way */
	uint32_t slots[4]; /* in the inode, then in each of them */
};

/** ext4_indirect_way() - where the pointer to a block of a file is; false: it reaches not so far */
bool ext4_indirect_way(const struct ext4 *fs, uint64_t block, struct ext4_indirect_way *out_way);

#endif
