/* SPDX-License-Identifier: MIT */
/* Intrusive balanced search tree: see tree.h. */
#include <base/tree.h>

static uint32_t tree_height(const struct tree_node *node)
{
	return node != NULL ? node->height : 0;
}

/* Recompute what a node caches about its subtree; whether that changed. */
static bool tree_refresh(struct tree *tree, struct tree_node *node)
{
	uint32_t before = tree_height(node->child[0]);
	uint32_t after = tree_height(node->child[1]);
	uint32_t height = 1 + (before > after ? before : after);
	bool is_changed = height != node->height;

	node->height = height;
	if (tree->summarise != NULL && tree->summarise(node)) {
		is_changed = true;
	}
	return is_changed;
}

/* Put @replacement, which may be NULL, where @node hangs. */
static void tree_replace(struct tree *tree, struct tree_node *node, struct tree_node *replacement)
{
	struct tree_node *parent = node->parent;

	if (parent == NULL) {
		tree->root = replacement;
	} else {
		parent->child[parent->child[1] == node] = replacement;
	}
	if (replacement != NULL) {
		replacement->parent = parent;
	}
}

/*
 * Turn the child on @side into the root of @node's subtree (drawn for side 1):
 *
 *      node                pivot
 *      /  \                /   \
 *     A   pivot    ->    node   C
 *         /  \           /  \
 *        B    C         A    B
 */
static struct tree_node *tree_rotate(struct tree *tree, struct tree_node *node, int side)
{
	struct tree_node *pivot = node->child[side];
	struct tree_node *inner = pivot->child[!side];

	tree_replace(tree, node, pivot);
	pivot->child[!side] = node;
	node->parent = pivot;
	node->child[side] = inner;
	if (inner != NULL) {
		inner->parent = node;
	}
	tree_refresh(tree, node);
	tree_refresh(tree, pivot);
	return pivot;
}

/*
 * Restore the invariant at *@node, whose subtrees are balanced and differ in height by at most two;
 * *@node becomes the root of the subtree. Whether it or what it caches changed.
 */
static bool tree_balance(struct tree *tree, struct tree_node **node)
{
	uint32_t height[2] = { tree_height((*node)->child[0]), tree_height((*node)->child[1]) };
	int side = height[1] > height[0];

	if (height[side] <= height[!side] + 1) {
		return tree_refresh(tree, *node);
	}
	struct tree_node *child = (*node)->child[side];

	if (tree_height(child->child[!side]) > tree_height(child->child[side])) {
		tree_rotate(tree, child, !side);
	}
	*node = tree_rotate(tree, *node, side);
	return true;
}

/*
 * Restore the invariant from @node upwards, until nothing changes any more.
 * @stale: an ancestor, or @node itself, that caches what another node did; or NULL
 */
static void tree_balance_up(
	struct tree *tree, struct tree_node *node, const struct tree_node *stale)
{
	while (node != NULL) {
		const struct tree_node *before = node;
		uint32_t height_before = node->height;
		bool is_changed = tree_balance(tree, &node);

		if (tree->summarise == NULL) {
			is_changed = node->height != height_before;
			stale = NULL;
		}
		if (!is_changed && stale == NULL) {
			return;
		}
		if (before == stale) {
			stale = NULL;
		}
		node = node->parent;
	}
}

void tree_insert(struct tree *tree, struct tree_node *node, tree_compare_fn compare)
{
	struct tree_node *parent = NULL;
	struct tree_node **link = &tree->root;

	while (*link != NULL) {
		parent = *link;
		link = &parent->child[compare(node, parent) >= 0];
	}
	*node = (struct tree_node){ .parent = parent };
	*link = node;
	tree_balance_up(tree, node, NULL);
}

void tree_insert_at(
	struct tree *tree, struct tree_node *node, struct tree_node *parent, unsigned side)
{
	*node = (struct tree_node){ .parent = parent };
	if (parent == NULL) {
		tree->root = node;
	} else {
		parent->child[side] = node;
	}
	tree_balance_up(tree, node, NULL);
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
	struct tree_node *damaged; /* the lowest node whose subtree changed */
	struct tree_node *heir = NULL; /* takes the place of a node with two children */

	if (node->child[0] == NULL || node->child[1] == NULL) {
		damaged = node->parent;
		tree_replace(tree, node, node->child[node->child[0] == NULL]);
	} else {
		heir = tree_next(node);
		damaged = heir->parent == node ? heir : heir->parent;
		tree_replace(tree, heir, heir->child[1]);
		tree_replace(tree, node, heir);
		heir->height = node->height;
		for (int side = 0; side < 2; side++) {
			heir->child[side] = node->child[side];
			if (heir->child[side] != NULL) {
				heir->child[side]->parent = heir;
			}
		}
	}
	tree_balance_up(tree, damaged, heir);
	tree_node_init(node);
}

void tree_summarise_up(struct tree *tree, struct tree_node *node)
{
	while (node != NULL && tree->summarise(node)) {
		node = node->parent;
	}
}

/* The outermost node of the subtree on @side. */
static struct tree_node *tree_extreme(struct tree_node *node, int side)
{
	while (node != NULL && node->child[side] != NULL) {
		node = node->child[side];
	}
	return node;
}

/* The neighbour of @node in order, towards @side. */
static struct tree_node *tree_step(const struct tree_node *node, int side)
{
	if (node->child[side] != NULL) {
		return tree_extreme(node->child[side], !side);
	}
	while (node->parent != NULL && node->parent->child[side] == node) {
		node = node->parent;
	}
	return node->parent;
}

struct tree_node *tree_first(const struct tree *tree)
{
	return tree_extreme(tree->root, 0);
}

struct tree_node *tree_last(const struct tree *tree)
{
	return tree_extreme(tree->root, 1);
}

struct tree_node *tree_next(const struct tree_node *node)
{
	return tree_step(node, 1);
}

struct tree_node *tree_prev(const struct tree_node *node)
{
	return tree_step(node, 0);
}

struct tree_node *tree_find(const struct tree *tree, const void *key, tree_compare_key_fn compare)
{
	struct tree_node *node = tree->root;

	while (node != NULL) {
		int order = compare(key, node);

		if (order == 0) {
			return node;
		}
		node = node->child[order > 0];
	}
	return NULL;
}

struct tree_node *tree_lower_bound(
	const struct tree *tree, const void *key, tree_compare_key_fn compare)
{
	struct tree_node *best = NULL;
	struct tree_node *node = tree->root;

	while (node != NULL) {
		bool is_candidate = compare(key, node) <= 0;

		if (is_candidate) {
			best = node;
		}
		node = node->child[!is_candidate];
	}
	return best;
}

struct tree_node *tree_floor(const struct tree *tree, const void *key, tree_compare_key_fn compare)
{
	struct tree_node *best = NULL;
	struct tree_node *node = tree->root;

	while (node != NULL) {
		bool is_candidate = compare(key, node) >= 0;

		if (is_candidate) {
			best = node;
		}
		node = node->child[is_candidate];
	}
	return best;
}
