/* SPDX-License-Identifier: MIT */
/*
 * Ranges of device addresses in order, and the lowest hole of a size between them.
 *
 * The tree is augmented: each range caches where its subtree begins and ends and the largest hole
 * inside, so a hole is found in O(log n). Ranges may overlap (without IOMMU two mappings of the
 * same memory have the same addresses); then holes mean nothing, but finding ranges works.
 */
#ifndef THOR_DMA_DMA_RANGE_H
#define THOR_DMA_DMA_RANGE_H

#include <base/tree.h>

struct dma_range {
	struct tree_node node;
	uint64_t start, end; /* [start, end) */
	uint64_t subtree_start, subtree_end, subtree_hole; /* of the subtree */
};

/** dma_ranges_init() - no ranges */
void dma_ranges_init(struct tree *ranges);

/** dma_ranges_insert() - add a range whose start and end are set */
void dma_ranges_insert(struct tree *ranges, struct dma_range *range);

/** dma_ranges_remove() - take a range out */
void dma_ranges_remove(struct tree *ranges, struct dma_range *range);

/** dma_ranges_find() - the first range that starts at @start, or NULL */
struct dma_range *dma_ranges_find(const struct tree *ranges, uint64_t start);

/** dma_ranges_next() - the range after @range, or NULL */
struct dma_range *dma_ranges_next(const struct dma_range *range);

/** dma_ranges_overlap() - whether some of [@start, @end) is in a range; if no two overlap */
bool dma_ranges_overlap(const struct tree *ranges, uint64_t start, uint64_t end);

/**
 * dma_ranges_find_hole() - the lowest @size_bytes free addresses in [@low, @high)
 * @low: where to begin while no range lies below it
 * @out_start: written on success only
 */
bool dma_ranges_find_hole(const struct tree *ranges, uint64_t size_bytes, uint64_t low,
	uint64_t high, uint64_t *out_start);

#endif
