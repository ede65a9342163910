/* SPDX-License-Identifier: MIT */
/* A sparse array from page index to entry: see page-tree.h. */
#include <thor/memory/page-tree.h>

#include <abi/hel/errors.h>
#include <base/assert.h>
#include <thor/memory/memory.h>
#include <thor/object/account.h>

constexpr uint32_t PAGE_TREE_BITS = 6;
constexpr uint32_t PAGE_TREE_HEIGHT_MAX = 10; /* 64^10 indices: more than 2^52 at any alignment */

struct page_tree_node {
	uint64_t slots[PAGE_TREE_WAYS];
};

void page_tree_init(struct page_tree *tree, struct account *account)
{
	*tree = (struct page_tree){ .account = account };
}

static struct page_tree_node *page_tree_node_create(struct page_tree *tree)
{
	return account_allocate(tree->account, sizeof(struct page_tree_node));
}

static struct page_tree_node *page_tree_node_of(uint64_t slot)
{
	return (struct page_tree_node *)(uintptr_t)slot;
}

/* How many bits of an index a tree of this height tells apart. */
static uint32_t page_tree_bits(const struct page_tree *tree)
{
	return tree->height * PAGE_TREE_BITS;
}

static bool page_tree_covers(const struct page_tree *tree, uint64_t index)
{
	return (index - tree->origin) >> page_tree_bits(tree) == 0;
}

uint64_t *page_tree_slot(const struct page_tree *tree, uint64_t index)
{
	uint64_t key = index - tree->origin;
	uint32_t shift = page_tree_bits(tree);
	uint64_t *slot = (uint64_t *)&tree->root;

	if (key >> shift != 0) {
		return NULL;
	}
	while (shift > 0) {
		if (*slot == 0) {
			return NULL;
		}
		shift -= PAGE_TREE_BITS;
		slot = &page_tree_node_of(*slot)->slots[key >> shift & (PAGE_TREE_WAYS - 1)];
	}
	return slot;
}

/* ---- growing ----------------------------------------------------------------------- */

/*
 * Put the root into a new one, at the low end if the tree has to reach up and at the high end if
 * down.
 */
static int page_tree_grow(struct page_tree *tree, bool is_upwards)
{
	struct page_tree_node *node = page_tree_node_create(tree);
	uint64_t position = is_upwards ? 0 : PAGE_TREE_WAYS - 1;

	if (node == NULL) {
		return -ERR_NO_MEMORY;
	}
	ASSERT(tree->height < PAGE_TREE_HEIGHT_MAX);
	if (tree->height == 0) {
		/* The first node: lines up with multiples of 64, so that neighbours share it. */
		position = tree->origin % PAGE_TREE_WAYS;
	}
	node->slots[position] = tree->root;
	tree->origin -= position << page_tree_bits(tree);
	tree->root = (uint64_t)(uintptr_t)node;
	tree->height++;
	return 0;
}

static int page_tree_cover(struct page_tree *tree, uint64_t index)
{
	if (tree->root == 0 && tree->height == 0) {
		tree->origin = index;
	}
	while (!page_tree_covers(tree, index)) {
		int error = page_tree_grow(tree, (int64_t)(index - tree->origin) > 0);

		if (error != 0) {
			return error;
		}
	}
	return 0;
}

uint64_t *page_tree_make_slot(struct page_tree *tree, uint64_t index)
{
	if (unlikely(!page_tree_covers(tree, index) || tree->root == 0) &&
		page_tree_cover(tree, index) != 0) {
		return NULL;
	}
	uint64_t key = index - tree->origin;
	uint32_t shift = page_tree_bits(tree);
	uint64_t *slot = &tree->root;

	while (shift > 0) {
		if (*slot == 0) {
			*slot = (uint64_t)(uintptr_t)page_tree_node_create(tree);
			if (*slot == 0) {
				return NULL;
			}
		}
		shift -= PAGE_TREE_BITS;
		slot = &page_tree_node_of(*slot)->slots[key >> shift & (PAGE_TREE_WAYS - 1)];
	}
	return slot;
}

int page_tree_set(struct page_tree *tree, uint64_t index, uint64_t entry)
{
	uint64_t *slot = page_tree_make_slot(tree, index);

	if (slot == NULL) {
		return -ERR_NO_MEMORY;
	}
	page_tree_fill(tree, slot, entry);
	return 0;
}

/* ---- walking ----------------------------------------------------------------------- */

/* A part of a tree: what a slot covers. */
struct page_tree_part {
	uint64_t *slot;
	uint32_t shift; /* it covers 2^shift indices, 0: it is an entry */
	uint64_t base; /* from this key on */
};

/* The part of a tree's keys that [index, end) covers; false if none. */
static bool page_tree_clip(const struct page_tree *tree, uint64_t index, uint64_t end,
	uint64_t *out_first, uint64_t *out_end)
{
	/* Signed distances: the origin may be below zero, indices are below 2^52. */
	int64_t first_key = (int64_t)(index - tree->origin);
	int64_t end_key = (int64_t)(end - tree->origin);
	int64_t size = (int64_t)1 << page_tree_bits(tree);

	*out_first = first_key > 0 ? (uint64_t)first_key : 0;
	*out_end = (uint64_t)(end_key < size ? end_key : size);
	return tree->root != 0 && end_key > 0 && first_key < size && index < end;
}

static bool page_tree_next_in(struct page_tree_part part, uint64_t first, uint64_t end,
	uint64_t *out_key, uint64_t *out_entry)
{
	if (*part.slot == 0) {
		return false;
	}
	if (part.shift == 0) {
		*out_key = part.base;
		*out_entry = *part.slot;
		return true;
	}
	uint32_t shift = part.shift - PAGE_TREE_BITS;
	uint64_t i = first > part.base ? (first - part.base) >> shift : 0;
	struct page_tree_node *node = page_tree_node_of(*part.slot);

	for (; i < PAGE_TREE_WAYS; i++) {
		struct page_tree_part child = { &node->slots[i], shift, part.base + (i << shift) };

		if (child.base >= end) {
			return false;
		}
		if (*child.slot != 0 && page_tree_next_in(child, first, end, out_key, out_entry)) {
			return true;
		}
	}
	return false;
}

bool page_tree_next(const struct page_tree *tree, uint64_t index, uint64_t end, uint64_t *out_index,
	uint64_t *out_entry)
{
	struct page_tree_part root = { (uint64_t *)&tree->root, page_tree_bits(tree), 0 };
	uint64_t first_key, end_key, key;

	if (!page_tree_clip(tree, index, end, &first_key, &end_key) ||
		!page_tree_next_in(root, first_key, end_key, &key, out_entry)) {
		return false;
	}
	*out_index = key + tree->origin;
	return true;
}

uint64_t page_tree_count(const struct page_tree *tree, uint64_t index, uint64_t end)
{
	uint64_t n_pages = 0;
	uint64_t entry;

	while (page_tree_next(tree, index, end, &index, &entry)) {
		n_pages++;
		index++;
	}
	return n_pages;
}

/* ---- removing ---------------------------------------------------------------------- */

struct page_tree_removal {
	struct page_tree *tree;
	uint64_t first, end; /* keys */
	page_tree_run_fn removed;
	void *context;
};

static bool page_tree_node_is_empty(const struct page_tree_node *node)
{
	for (uint32_t i = 0; i < PAGE_TREE_WAYS; i += 4) {
		if ((node->slots[i] | node->slots[i + 1] | node->slots[i + 2] |
			    node->slots[i + 3]) != 0) {
			return false;
		}
	}
	return true;
}

/* Slots [i, end) of a lowest node, the first of which has the key @base. */
static void page_tree_remove_run(
	struct page_tree_removal *removal, const uint64_t *slots, uint32_t n_slots, uint64_t key)
{
	const struct page_tree_run run = {
		.slots = slots,
		.index = key + removal->tree->origin,
		.n_slots = n_slots,
		.n_pages_max = removal->tree->n_pages,
	};

	removal->tree->n_pages -= removal->removed(removal->context, &run);
}

static void page_tree_remove_in(struct page_tree_removal *removal, struct page_tree_part part)
{
	uint32_t shift = part.shift - PAGE_TREE_BITS;
	uint64_t span = (uint64_t)1 << part.shift;
	uint64_t i = removal->first > part.base ? (removal->first - part.base) >> shift : 0;
	uint64_t end = min_u64(removal->end - part.base, span);
	bool is_whole = i == 0 && removal->first <= part.base && end == span;
	struct page_tree_node *node = page_tree_node_of(*part.slot);

	if (shift == 0) {
		page_tree_remove_run(removal, &node->slots[i], (uint32_t)(end - i), part.base + i);
		for (; i < end && !is_whole; i++) {
			node->slots[i] = 0;
		}
	}
	for (; shift != 0 && i << shift < end; i++) {
		if (node->slots[i] != 0) {
			page_tree_remove_in(removal,
				(struct page_tree_part){
					&node->slots[i], shift, part.base + (i << shift) });
		}
	}
	if (is_whole || page_tree_node_is_empty(node)) {
		account_free(removal->tree->account, node, sizeof(*node));
		*part.slot = 0;
	}
}

void page_tree_remove(struct page_tree *tree, uint64_t index, uint64_t end,
	page_tree_run_fn removed, void *context)
{
	struct page_tree_removal removal = { .tree = tree, .removed = removed, .context = context };
	struct page_tree_part root = { &tree->root, page_tree_bits(tree), 0 };

	if (!page_tree_clip(tree, index, end, &removal.first, &removal.end)) {
		return;
	}
	if (tree->height == 0) {
		page_tree_remove_run(&removal, &tree->root, 1, 0);
		tree->root = 0;
	} else {
		page_tree_remove_in(&removal, root);
	}
	if (tree->root == 0) {
		tree->height = 0;
		ASSERT(tree->n_pages == 0);
	}
}

/* ---- runs -------------------------------------------------------------------------- */

/* How many slots there are from that of @index to the end of its node. */
static uint64_t page_tree_n_slots(const struct page_tree *tree, uint64_t index)
{
	return tree->height == 0 ? 1 : PAGE_TREE_WAYS - (index - tree->origin) % PAGE_TREE_WAYS;
}

const uint64_t *page_tree_slots(const struct page_tree *tree, uint64_t index, uint64_t *out_n_slots)
{
	const uint64_t *slots = page_tree_slot(tree, index);

	if (slots != NULL) {
		*out_n_slots = page_tree_n_slots(tree, index);
	}
	return slots;
}

uint64_t page_tree_find_run(
	const struct page_tree *tree, uint64_t index, uint64_t n_pages, uint64_t step)
{
	uint64_t first = page_tree_get(tree, index);
	uint64_t entry = first;
	uint64_t end = index + n_pages;

	while (index < end && first != 0) {
		uint64_t n_slots;
		const uint64_t *slots = page_tree_slots(tree, index, &n_slots);

		if (slots == NULL) {
			return 0;
		}
		n_slots = min_u64(n_slots, end - index);
		for (uint64_t i = 0; i < n_slots; i++, entry += step) {
			if (slots[i] != entry) {
				return 0;
			}
		}
		index += n_slots;
	}
	return first;
}

static uint32_t page_tree_count_run(void *context UNUSED, const struct page_tree_run *run)
{
	uint32_t n_pages = 0;

	PAGE_TREE_FOR_EACH(entry, n_pages, run)
	{
		(void)entry;
	}
	return n_pages;
}

int page_tree_set_run(
	struct page_tree *tree, uint64_t index, uint64_t n_pages, uint64_t entry, uint64_t step)
{
	uint64_t end = index + n_pages;

	for (uint64_t at = index; at < end;) {
		uint64_t *slot = page_tree_make_slot(tree, at);

		if (slot == NULL) {
			page_tree_remove(tree, index, at, page_tree_count_run, NULL);
			return -ERR_NO_MEMORY;
		}
		uint64_t n_slots = min_u64(page_tree_n_slots(tree, at), end - at);

		for (uint64_t i = 0; i < n_slots; i++, entry += step) {
			page_tree_fill(tree, &slot[i], entry);
		}
		at += n_slots;
	}
	return 0;
}
