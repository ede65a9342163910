/* SPDX-License-Identifier: MIT */
/*
 * Mappings: ranges of a space that show a part of a memory object, and the ordered set of them.
 *
 * Each mapping knows the gap of unmapped addresses below it, and the tree is augmented with the
 * largest gap of each subtree, so that the highest free range of a size is found in O(log n).
 */
#ifndef THOR_MEMORY_MAPPING_H
#define THOR_MEMORY_MAPPING_H

#include <thor/memory/memory-object.h>

constexpr uint32_t MAPPING_ACCESS = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_EXECUTE;
constexpr uint32_t MAPPING_FORK = HEL_MAP_FORK_COPY | HEL_MAP_FORK_DROP;
constexpr uint32_t MAPPING_MAX = 65536; /* of one space */

struct mapping {
	/* immutable */
	struct space *space; /* whose mapping set contains it; not referenced */
	struct memory *memory; /* referenced; NULL for a guard; a move may change it */
	uint64_t tag;
	uint64_t offset_end; /* it never shows what is there: the end of a slice, or UINT64_MAX */

	/* changed with space->lock and memory->lock held, read with either */
	uint64_t address, size_bytes, offset;
	uint32_t flags;  /* MAPPING_ACCESS, MAPPING_FORK, HEL_MAP_GUARD, HEL_MAP_LARGE */
	uint32_t allowed; /* what space_protect may set of MAPPING_ACCESS */
	uint64_t label; /* the user's, see hel_space_label() */

	/* guarded by space->lock */
	union {
		struct tree_node node;
		struct list_node retired_node; /* out of the set; owner: whoever removed it */
	};
	struct mapping *prev, *next; /* neighbours by address, NULL at the ends */
	uint64_t gap_bytes; /* free addresses between the previous mapping (or 0) and this one */
	uint64_t gap_bytes_max; /* the largest of the subtree */

	/* guarded by memory->lock */
	struct list_node memory_node;

	struct grant_use *use; /* of the grant of the descriptor that it was made with; or NULL */
};

struct mapping_set {
	struct tree tree;
	uint64_t n_mappings;
	struct mapping *first, *last; /* by address, or NULL */
	struct mapping *recent; /* the last one found, or NULL */
};

/* What space_map looks for. */
struct mapping_hole {
	uint64_t size_bytes;
	uint64_t low, high; /* [low, high) */
};

/** mapping_end() - the first address above a mapping */
static inline uint64_t mapping_end(const struct mapping *mapping)
{
	return mapping->address + mapping->size_bytes;
}

/** mapping_offset_of() - the offset in the object of an address in a mapping */
static inline uint64_t mapping_offset_of(const struct mapping *mapping, uint64_t address)
{
	return mapping->offset + (address - mapping->address);
}

/** mapping_list() - its object, which is locked, is to know of it */
static inline void mapping_list(struct mapping *mapping)
{
	list_push_back(&mapping->memory->mappings, &mapping->memory_node);
	mapping->memory->n_writable += (mapping->allowed & HEL_MAP_WRITE) != 0;
}

/** mapping_unlist() - the same in reverse */
static inline void mapping_unlist(struct mapping *mapping)
{
	list_remove(&mapping->memory_node);
	mapping->memory->n_writable -= (mapping->allowed & HEL_MAP_WRITE) != 0;
}

/** mapping_set_init() - no mappings */
void mapping_set_init(struct mapping_set *set);

/** mapping_set_insert() - add a mapping whose range is free */
void mapping_set_insert(struct mapping_set *set, struct mapping *mapping);

/** mapping_set_remove() - take a mapping out */
void mapping_set_remove(struct mapping_set *set, struct mapping *mapping);

/**
 * mapping_set_resized() - recompute the gaps after the range of a mapping changed (not past a
 * neighbour)
 */
void mapping_set_resized(struct mapping_set *set, struct mapping *mapping);

/** mapping_set_find() - the mapping that contains @address, or NULL */
struct mapping *mapping_set_find(struct mapping_set *set, uint64_t address);

/** mapping_set_above() - the first mapping that ends above @address, or NULL */
struct mapping *mapping_set_above(struct mapping_set *set, uint64_t address);

/**
 * mapping_set_find_hole() - the highest free range of a size
 * @out_address: its start; written on success only
 *
 * Return: whether there is one.
 */
bool mapping_set_find_hole(
	const struct mapping_set *set, const struct mapping_hole *hole, uint64_t *out_address);

#endif
