/* SPDX-License-Identifier: MIT */
/* Intrusive chained hash table: see hash-table.h. */
#include <base/assert.h>
#include <base/hash-table.h>

static struct hash_node **hash_table_bucket(const struct hash_table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->n_buckets - 1)];
}

static void hash_table_link(struct hash_table *table, struct hash_node *node)
{
	struct hash_node **bucket = hash_table_bucket(table, node->hash);

	node->next = *bucket;
	*bucket = node;
}

static void hash_table_set_buckets(
	struct hash_table *table, struct hash_node **buckets, size_t n_buckets)
{
	table->buckets = buckets;
	table->n_buckets = n_buckets;
	for (size_t i = 0; i < n_buckets; i++) {
		buckets[i] = NULL;
	}
}

void hash_table_init(struct hash_table *table, struct hash_node **buckets, size_t n_buckets,
	const struct hash_table_hooks *hooks)
{
	ASSERT(is_power_of_two(n_buckets));
	*table = (struct hash_table){ .hooks = hooks };
	hash_table_set_buckets(table, buckets, n_buckets);
}

/* Double the bucket array if the hook has memory for it. */
static void hash_table_grow(struct hash_table *table)
{
	struct hash_node **old_buckets = table->buckets;
	size_t n_old = table->n_buckets;
	struct hash_node **buckets = table->hooks->allocate(table, 2 * n_old);

	if (buckets == NULL) {
		return;
	}
	hash_table_set_buckets(table, buckets, 2 * n_old);
	for (size_t i = 0; i < n_old; i++) {
		struct hash_node *next;

		for (struct hash_node *node = old_buckets[i]; node != NULL; node = next) {
			next = node->next;
			hash_table_link(table, node);
		}
	}
	table->hooks->release(table, old_buckets, n_old);
}

void hash_table_insert(struct hash_table *table, struct hash_node *node, uint64_t hash)
{
	if (table->n_nodes >= table->n_buckets && table->hooks != NULL) {
		hash_table_grow(table);
	}
	node->hash = hash;
	hash_table_link(table, node);
	table->n_nodes++;
}

struct hash_node *hash_table_find(
	const struct hash_table *table, uint64_t hash, hash_equal_fn equal, const void *key)
{
	struct hash_node *node = *hash_table_bucket(table, hash);

	while (node != NULL && !(node->hash == hash && equal(node, key))) {
		node = node->next;
	}
	return node;
}

void hash_table_remove(struct hash_table *table, struct hash_node *node)
{
	struct hash_node **link = hash_table_bucket(table, node->hash);

	while (*link != node) {
		ASSERT(*link != NULL);
		link = &(*link)->next;
	}
	*link = node->next;
	node->next = NULL;
	table->n_nodes--;
}

/* The first node in the buckets from @index on. */
static struct hash_node *hash_table_first_from(const struct hash_table *table, size_t index)
{
	for (; index < table->n_buckets; index++) {
		if (table->buckets[index] != NULL) {
			return table->buckets[index];
		}
	}
	return NULL;
}

struct hash_node *hash_table_first(const struct hash_table *table)
{
	return hash_table_first_from(table, 0);
}

struct hash_node *hash_table_next(const struct hash_table *table, const struct hash_node *node)
{
	if (node->next != NULL) {
		return node->next;
	}
	return hash_table_first_from(table, (node->hash & (table->n_buckets - 1)) + 1);
}
