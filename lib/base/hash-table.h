/* SPDX-License-Identifier: MIT */
/*
 * Intrusive chained hash table.
 *
 * The caller supplies the bucket array, so a table works before there is an allocator and may be
 * static. With hooks the table doubles itself when it holds more nodes than buckets; when the hook
 * cannot allocate, the chains grow longer and nothing fails.
 */
#ifndef BASE_HASH_TABLE_H
#define BASE_HASH_TABLE_H

#include <base/types.h>

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

/** hash_equal_fn - whether @node, whose hash is that of @key, has the key @key */
typedef bool (*hash_equal_fn)(const struct hash_node *node, const void *key);

struct hash_table;

struct hash_table_hooks {
	/* An array of @n_buckets pointers with any contents, or NULL. */
	struct hash_node **(*allocate)(struct hash_table *table, size_t n_buckets);
	/*
	 * The table no longer uses @buckets; the first array given to hash_table_init() comes here,
	 * too.
	 */
	void (*release)(struct hash_table *table, struct hash_node **buckets, size_t n_buckets);
};

struct hash_table {
	struct hash_node **buckets;
	size_t n_buckets; /* a power of two */
	size_t n_nodes;
	const struct hash_table_hooks *hooks; /* NULL: fixed size */
};

/**
 * hash_table_init() - make an empty table
 * @buckets: borrowed array of @n_buckets pointers, any contents
 * @n_buckets: a power of two
 * @hooks: how to grow, NULL for never
 */
void hash_table_init(struct hash_table *table, struct hash_node **buckets, size_t n_buckets,
	const struct hash_table_hooks *hooks);

/** hash_table_insert() - link @node under @hash; keys equal to its own may already be there */
void hash_table_insert(struct hash_table *table, struct hash_node *node, uint64_t hash);

/** hash_table_find() - a node with this hash for which @equal says yes, or NULL */
struct hash_node *hash_table_find(
	const struct hash_table *table, uint64_t hash, hash_equal_fn equal, const void *key);

/** hash_table_remove() - unlink @node, which is in @table */
void hash_table_remove(struct hash_table *table, struct hash_node *node);

/** hash_table_first() - some node, NULL when empty; start of a walk over all nodes */
struct hash_node *hash_table_first(const struct hash_table *table);

/**
 * hash_table_next() - the node after @node in the walk, NULL at the end
 *
 * The table must not change between the steps; to remove while walking, take the successor first.
 */
struct hash_node *hash_table_next(const struct hash_table *table, const struct hash_node *node);

#endif
