/* SPDX-License-Identifier: MIT */
/*
 * Intrusive balanced search tree (AVL).
 *
 * The links live in the objects; order is defined by the comparison the caller passes, which has to
 * be the same order on every call for one tree. Equal keys may be inserted: they follow their
 * equals.
 *
 * A tree may be *augmented*: each node then caches a summary of its subtree (the largest gap, the
 * smallest deadline). The tree calls `summarise` for a node, children first, whenever the set of
 * nodes below it changed; call tree_summarise_up() after changing a node's own contribution.
 *
 * Invariant: the heights of the two subtrees of a node differ by at most one, so the depth of a
 * tree of n nodes is below 1.45 log2(n).
 */
#ifndef BASE_TREE_H
#define BASE_TREE_H

#include <base/types.h>

struct tree_node {
	struct tree_node *parent;
	struct tree_node *child[2]; /* [0] before this node, [1] after it */
	uint32_t height;            /* of the subtree; a leaf has 1, an unlinked node 0 */
};

/** tree_compare_fn - negative, 0, positive: @a is before, equal to, after @b */
typedef int (*tree_compare_fn)(const struct tree_node *a, const struct tree_node *b);
/** tree_compare_key_fn - negative, 0, positive: @key is before, equal to, after @node */
typedef int (*tree_compare_key_fn)(const void *key, const struct tree_node *node);
/**
 * tree_summarise_fn - recompute @node's summary from itself and its children
 *
 * Return: whether it changed.
 */
typedef bool (*tree_summarise_fn)(struct tree_node *node);

struct tree {
	struct tree_node *root;
	tree_summarise_fn summarise; /* NULL in an ordinary tree */
};

/** tree_init() - make @tree empty and ordinary */
static inline void tree_init(struct tree *tree)
{
	tree->root = NULL;
	tree->summarise = NULL;
}

/** tree_init_augmented() - make @tree empty and keep summaries with @summarise */
static inline void tree_init_augmented(struct tree *tree, tree_summarise_fn summarise)
{
	tree->root = NULL;
	tree->summarise = summarise;
}

/** tree_is_empty() - whether @tree has no nodes */
static inline bool tree_is_empty(const struct tree *tree)
{
	return tree->root == NULL;
}

/** tree_node_init() - make @node unlinked; needed only where tree_node_is_linked() is asked */
static inline void tree_node_init(struct tree_node *node)
{
	*node = (struct tree_node){ 0 };
}

/** tree_node_is_linked() - whether the initialised @node is in a tree */
static inline bool tree_node_is_linked(const struct tree_node *node)
{
	return node->height != 0;
}

/** tree_insert() - link the unlinked @node, after all nodes that compare equal to it */
void tree_insert(struct tree *tree, struct tree_node *node, tree_compare_fn compare);

/**
 * tree_insert_at() - link the unlinked @node as the child of @parent on @side, which is free
 * @parent: NULL in an empty tree
 *
 * For callers that have come down the tree themselves and know that this is the place in order.
 */
void tree_insert_at(
	struct tree *tree, struct tree_node *node, struct tree_node *parent, unsigned side);

/** tree_remove() - unlink @node, which is in @tree, and initialise it */
void tree_remove(struct tree *tree, struct tree_node *node);

/** tree_summarise_up() - refresh the summaries of @node and its ancestors as far as they change */
void tree_summarise_up(struct tree *tree, struct tree_node *node);

/** tree_first() - the first node in order, NULL when empty */
struct tree_node *tree_first(const struct tree *tree);

/** tree_last() - the last node in order, NULL when empty */
struct tree_node *tree_last(const struct tree *tree);

/** tree_next() - the node after @node, NULL at the end */
struct tree_node *tree_next(const struct tree_node *node);

/** tree_prev() - the node before @node, NULL at the start */
struct tree_node *tree_prev(const struct tree_node *node);

/** tree_find() - a node equal to @key, NULL when there is none */
struct tree_node *tree_find(const struct tree *tree, const void *key, tree_compare_key_fn compare);

/** tree_lower_bound() - the first node that is not before @key, NULL when all are */
struct tree_node *tree_lower_bound(
	const struct tree *tree, const void *key, tree_compare_key_fn compare);

/** tree_floor() - the last node that is not after @key, NULL when all are */
struct tree_node *tree_floor(const struct tree *tree, const void *key, tree_compare_key_fn compare);

/** TREE_ENTRY() - the object around a node that may be NULL; NULL for NULL */
#define TREE_ENTRY(node, type, member) \
	({ \
		struct tree_node *tree_node_ = (node); \
		tree_node_ != NULL ? container_of(tree_node_, type, member) : (type *)NULL; \
	})

/** TREE_FOR_EACH() - visit the objects in order; the body must not change the tree */
#define TREE_FOR_EACH(entry, tree, type, member) \
	for (type *entry = TREE_ENTRY(tree_first(tree), type, member); entry != NULL; \
		entry = TREE_ENTRY(tree_next(&entry->member), type, member))

#endif
