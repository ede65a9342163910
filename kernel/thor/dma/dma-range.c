/* SPDX-License-Identifier: MIT */
/* Ranges of device addresses: see dma-range.h. */
#include <thor/dma/dma-range.h>

static struct dma_range *range_of(struct tree_node *node)
{
	return TREE_ENTRY(node, struct dma_range, node);
}

/* Addresses from @from up to @to; none if that is lower. */
static uint64_t range_between(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static bool range_summarise(struct tree_node *node)
{
	struct dma_range *range = range_of(node);
	const struct dma_range *left = range_of(node->child[0]);
	const struct dma_range *right = range_of(node->child[1]);
	struct dma_range old = *range;

	range->subtree_start = range->start;
	range->subtree_end = range->end;
	range->subtree_hole = 0;
	if (left != NULL) {
		range->subtree_start = left->subtree_start;
		range->subtree_end = max_u64(range->end, left->subtree_end);
		range->subtree_hole =
			max_u64(left->subtree_hole, range_between(left->subtree_end, range->start));
	}
	if (right != NULL) {
		uint64_t hole = max_u64(
			right->subtree_hole, range_between(range->end, right->subtree_start));

		range->subtree_end = max_u64(range->subtree_end, right->subtree_end);
		range->subtree_hole = max_u64(range->subtree_hole, hole);
	}
	return range->subtree_start != old.subtree_start || range->subtree_end != old.subtree_end ||
		range->subtree_hole != old.subtree_hole;
}

static int range_compare(const struct tree_node *a, const struct tree_node *b)
{
	uint64_t a_start = container_of(a, const struct dma_range, node)->start;
	uint64_t b_start = container_of(b, const struct dma_range, node)->start;

	return (a_start > b_start) - (a_start < b_start);
}

static int range_compare_key(const void *key, const struct tree_node *node)
{
	uint64_t address = *(const uint64_t *)key;
	uint64_t start = container_of(node, const struct dma_range, node)->start;

	return (address > start) - (address < start);
}

void dma_ranges_init(struct tree *ranges)
{
	tree_init_augmented(ranges, range_summarise);
}

void dma_ranges_insert(struct tree *ranges, struct dma_range *range)
{
	tree_insert(ranges, &range->node, range_compare);
}

void dma_ranges_remove(struct tree *ranges, struct dma_range *range)
{
	tree_remove(ranges, &range->node);
}

struct dma_range *dma_ranges_find(const struct tree *ranges, uint64_t start)
{
	struct dma_range *range = range_of(tree_lower_bound(ranges, &start, range_compare_key));

	return range != NULL && range->start == start ? range : NULL;
}

struct dma_range *dma_ranges_next(const struct dma_range *range)
{
	return range_of(tree_next(&range->node));
}

bool dma_ranges_overlap(const struct tree *ranges, uint64_t start, uint64_t end)
{
	uint64_t last = end - 1;
	const struct dma_range *range = range_of(tree_floor(ranges, &last, range_compare_key));

	return range != NULL && range->end > start;
}

/* The largest hole of a subtree when [@from, @to) is what its parents leave it. */
static uint64_t range_largest_hole(const struct dma_range *subtree, uint64_t from, uint64_t to)
{
	if (subtree == NULL) {
		return range_between(from, to);
	}
	uint64_t edges = max_u64(range_between(from, subtree->subtree_start),
		range_between(subtree->subtree_end, to));

	return max_u64(edges, subtree->subtree_hole);
}

bool dma_ranges_find_hole(const struct tree *ranges, uint64_t size_bytes, uint64_t low,
	uint64_t high, uint64_t *out_start)
{
	struct dma_range *range = range_of(ranges->root);
	uint64_t from = low;
	uint64_t to = UINT64_MAX;

	/* Always into the lower half that has room. */
	while (range != NULL) {
		const struct dma_range *left = range_of(range->node.child[0]);

		if (range_largest_hole(left, from, range->start) >= size_bytes) {
			to = range->start;
			range = range_of(range->node.child[0]);
		} else {
			from = range->end;
			range = range_of(range->node.child[1]);
		}
	}
	to = min_u64(to, high);
	if (range_between(from, to) < size_bytes) {
		return false;
	}
	*out_start = from;
	return true;
}
