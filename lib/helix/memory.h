/* SPDX-License-Identifier: MIT */
/*
 * The allocator of native programs, and mapping of memory objects.
 *
 * Small sizes come from slabs of one size class, larger ones from runs of pages, very large ones
 * are mappings of their own; see memory.c. All operations take constant time. Any thread may use
 * it.
 */
#ifndef HELIX_MEMORY_H
#define HELIX_MEMORY_H

#include <abi/hel/hel.h>
#include <base/types.h>

/**
 * helix_malloc() - @size bytes with any contents, 16-aligned; NULL if there is no memory; 0 bytes
 * are 1
 */
MUST_USE void *helix_malloc(size_t size);

/**
 * helix_calloc() - @n objects of @size bytes, all zero; NULL if there is no memory or the product
 * overflows
 */
MUST_USE void *helix_calloc(size_t n, size_t size);

/**
 * helix_realloc() - change the size of a block, moving it if need be
 * @block: taken on success; NULL: as helix_malloc()
 *
 * Return: the block; NULL (and @block stays as it is) if there is no memory.
 */
MUST_USE void *helix_realloc(void *block, size_t size);

/** helix_free() - give back a block; accepts NULL */
void helix_free(void *block);

struct helix_memory_stats {
	size_t used_bytes;   /* in blocks that are allocated, rounded up to their classes */
	size_t mapped_bytes; /* what the allocator has mapped */
	size_t n_blocks;
};

/** helix_memory_stats() - what is allocated now; for leak checks and dumps */
struct helix_memory_stats helix_memory_stats(void);

/**
 * helix_map() - map a range of a memory object into this program
 * @memory: HEL_NULL: fresh zeros
 * @offset: page-aligned
 * @size_bytes: rounded up to pages
 * @flags: READ, WRITE, EXECUTE of enum hel_map_flags
 *
 * Return: 0 or what hel_space_map() says.
 */
MUST_USE int helix_map(hel_handle memory, uint64_t offset, uint64_t size_bytes, uint32_t flags,
	void **out_pointer);

/** helix_map_present() - the same, and all pages are there, or -ERR_NO_MEMORY: no later fault */
MUST_USE int helix_map_present(hel_handle memory, uint64_t offset, uint64_t size_bytes,
	uint32_t flags, void **out_pointer);

/** helix_unmap() - take back what helix_map() made; @size_bytes as there */
void helix_unmap(void *pointer, uint64_t size_bytes);

#endif
