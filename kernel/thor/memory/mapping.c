/* SPDX-License-Identifier: MIT */
/* The ordered set of a space's mappings: see mapping.h. */
#include <thor/memory/mapping.h>

#include <base/assert.h>

static uint64_t mapping_gap_max_of(const struct tree_node *node)
{
	return node != NULL ? container_of(node, struct mapping, node)->gap_bytes_max : 0;
}

static bool mapping_summarise(struct tree_node *node)
{
	struct mapping *mapping = container_of(node, struct mapping, node);
	uint64_t before = mapping->gap_bytes_max;
	uint64_t children =
		max_u64(mapping_gap_max_of(node->child[0]), mapping_gap_max_of(node->child[1]));

	mapping->gap_bytes_max = max_u64(mapping->gap_bytes, children);
	return mapping->gap_bytes_max != before;
}

void mapping_set_init(struct mapping_set *set)
{
	tree_init_augmented(&set->tree, mapping_summarise);
	set->n_mappings = 0;
	set->first = NULL;
	set->last = NULL;
	set->recent = NULL;
}

static uint64_t mapping_gap(const struct mapping *mapping)
{
	return mapping->address - (mapping->prev != NULL ? mapping_end(mapping->prev) : 0);
}

static void mapping_update_gap(struct mapping_set *set, struct mapping *mapping)
{
	uint64_t gap_bytes = mapping_gap(mapping);

	if (gap_bytes != mapping->gap_bytes) {
		mapping->gap_bytes = gap_bytes;
		tree_summarise_up(&set->tree, &mapping->node);
	}
}

void mapping_set_insert(struct mapping_set *set, struct mapping *mapping)
{
	struct tree_node *parent = NULL;
	unsigned side = 0;

	mapping->prev = NULL;
	mapping->next = NULL;
	for (struct tree_node *node = set->tree.root; node != NULL; node = node->child[side]) {
		struct mapping *other = container_of(node, struct mapping, node);

		parent = node;
		side = mapping->address > other->address;
		if (side == 0) {
			mapping->next = other;
		} else {
			mapping->prev = other;
		}
	}
	*(mapping->prev != NULL ? &mapping->prev->next : &set->first) = mapping;
	*(mapping->next != NULL ? &mapping->next->prev : &set->last) = mapping;
	mapping->gap_bytes = mapping_gap(mapping);
	tree_insert_at(&set->tree, &mapping->node, parent, side);
	set->n_mappings++;
	set->recent = mapping;
	if (mapping->next != NULL) {
		mapping_update_gap(set, mapping->next);
	}
}

void mapping_set_remove(struct mapping_set *set, struct mapping *mapping)
{
	tree_remove(&set->tree, &mapping->node);
	*(mapping->prev != NULL ? &mapping->prev->next : &set->first) = mapping->next;
	*(mapping->next != NULL ? &mapping->next->prev : &set->last) = mapping->prev;
	set->n_mappings--;
	if (set->recent == mapping) {
		set->recent = NULL;
	}
	if (mapping->next != NULL) {
		mapping_update_gap(set, mapping->next);
	}
}

void mapping_set_resized(struct mapping_set *set, struct mapping *mapping)
{
	mapping_update_gap(set, mapping);
	if (mapping->next != NULL) {
		mapping_update_gap(set, mapping->next);
	}
}

struct mapping *mapping_set_above(struct mapping_set *set, uint64_t address)
{
	struct mapping *best = NULL;

	/* One comparison: below the start wraps around. */
	if (set->recent != NULL && address - set->recent->address < set->recent->size_bytes) {
		return set->recent;
	}
	for (struct tree_node *node = set->tree.root; node != NULL;) {
		struct mapping *mapping = container_of(node, struct mapping, node);

		if (address >= mapping_end(mapping)) {
			node = node->child[1];
			continue;
		}
		best = mapping;
		if (address >= mapping->address) {
			set->recent = mapping;
			break;
		}
		node = node->child[0];
	}
	return best;
}

struct mapping *mapping_set_find(struct mapping_set *set, uint64_t address)
{
	struct mapping *mapping = mapping_set_above(set, address);

	return mapping != NULL && mapping->address <= address ? mapping : NULL;
}

/* The highest hole of a subtree, the gaps of which are below those of its right neighbours. */
static bool mapping_find_hole_in(
	const struct tree_node *node, const struct mapping_hole *hole, uint64_t *out_address)
{
	if (node == NULL || mapping_gap_max_of(node) < hole->size_bytes) {
		return false;
	}
	const struct mapping *mapping = container_of(node, struct mapping, node);
	uint64_t gap_low = mapping->address - mapping->gap_bytes;
	uint64_t low = max_u64(gap_low, hole->low);
	uint64_t high = min_u64(mapping->address, hole->high);

	if (mapping_end(mapping) < hole->high &&
		mapping_find_hole_in(node->child[1], hole, out_address)) {
		return true;
	}
	if (high > low && high - low >= hole->size_bytes) {
		*out_address = high - hole->size_bytes;
		return true;
	}
	return gap_low > hole->low && mapping_find_hole_in(node->child[0], hole, out_address);
}

bool mapping_set_find_hole(
	const struct mapping_set *set, const struct mapping_hole *hole, uint64_t *out_address)
{
	uint64_t low = max_u64(set->last != NULL ? mapping_end(set->last) : 0, hole->low);

	if (hole->high > low && hole->high - low >= hole->size_bytes) {
		*out_address = hole->high - hole->size_bytes;
		return true;
	}
	return mapping_find_hole_in(set->tree.root, hole, out_address);
}
