/* SPDX-License-Identifier: MIT */
/* The heap, which the program supplies, as it supplies assert_fail(). */
#ifndef BLOCKFS_MEMORY_H
#define BLOCKFS_MEMORY_H

#include <base/types.h>

/** blockfs_allocate() - @size zeroed bytes, 16-aligned, or NULL */
MUST_USE void *blockfs_allocate(size_t size);

/** blockfs_free() - give back what blockfs_allocate() gave; accepts NULL */
void blockfs_free(void *block);

/* Memory that devices reach: buffers of metadata and of the journal are cut from it. */
struct blockfs_arena {
	uint64_t memory;  /* handle of the memory object */
	uint64_t offset;  /* where in it the arena begins */
	uint8_t *address; /* where it is mapped */
	size_t size;
};

#endif
