/* SPDX-License-Identifier: MIT */
/* Tests of base/tree.h: order, balance and summaries against a plain model. */
#include <base/random.h>
#include <base/testing.h>
#include <base/tree.h>

#define N_ITEMS 500

struct item {
	uint64_t key;
	uint64_t sum; /* of the keys in this subtree */
	struct tree_node node;
};

static struct item *item_of(const struct tree_node *node)
{
	return container_of((struct tree_node *)(uintptr_t)node, struct item, node);
}

static int item_compare(const struct tree_node *a, const struct tree_node *b)
{
	uint64_t key_a = item_of(a)->key;
	uint64_t key_b = item_of(b)->key;

	return (key_a > key_b) - (key_a < key_b);
}

static int item_compare_key(const void *key, const struct tree_node *node)
{
	uint64_t wanted = *(const uint64_t *)key;

	return (wanted > item_of(node)->key) - (wanted < item_of(node)->key);
}

static bool item_summarise(struct tree_node *node)
{
	struct item *item = item_of(node);
	uint64_t before = item->sum;

	item->sum = item->key;
	for (int side = 0; side < 2; side++) {
		if (node->child[side] != NULL) {
			item->sum += item_of(node->child[side])->sum;
		}
	}
	return item->sum != before;
}

/* Check the subtree's links, heights and summaries; returns its height. */
static uint32_t check_subtree(
	const struct tree_node *node, const struct tree_node *parent, bool has_sums)
{
	if (node == NULL) {
		return 0;
	}
	CHECK(node->parent == parent);
	uint32_t before = check_subtree(node->child[0], node, has_sums);
	uint32_t after = check_subtree(node->child[1], node, has_sums);

	CHECK(before <= after + 1 && after <= before + 1);
	CHECK_EQ(node->height, 1 + (before > after ? before : after));
	if (has_sums) {
		uint64_t sum = item_of(node)->sum;

		item_summarise((struct tree_node *)(uintptr_t)node);
		CHECK_EQ(item_of(node)->sum, sum);
	}
	return node->height;
}

static void check_tree(const struct tree *tree, size_t n_expected)
{
	const struct item *previous = NULL;
	size_t n_seen = 0;

	check_subtree(tree->root, NULL, tree->summarise != NULL);
	TREE_FOR_EACH(item, tree, struct item, node) {
		CHECK(previous == NULL || previous->key <= item->key);
		CHECK(tree_prev(&item->node) == (previous != NULL ? &previous->node : NULL));
		previous = item;
		n_seen++;
	}
	CHECK_EQ(n_seen, n_expected);
	CHECK(tree_last(tree) == (previous != NULL ? &previous->node : NULL));
}

static void shuffle_in_and_out(struct tree *tree, uint64_t n_keys)
{
	static struct item items[N_ITEMS];
	struct random random;
	size_t n_linked = 0;

	memset(items, 0, sizeof(items));
	random_init(&random, test_seed(n_keys));
	for (int step = 0; step < 6000; step++) {
		struct item *item = &items[random_below(&random, N_ITEMS)];

		if (tree_node_is_linked(&item->node)) {
			tree_remove(tree, &item->node);
			n_linked--;
		} else {
			item->key = random_below(&random, n_keys);
			tree_insert(tree, &item->node, item_compare);
			n_linked++;
		}
		if (step % 64 == 0) {
			check_tree(tree, n_linked);
		}
	}
	while (!tree_is_empty(tree)) {
		tree_remove(tree, tree->root);
		n_linked--;
	}
	check_tree(tree, 0);
	CHECK_EQ(n_linked, 0);
}

TEST(random_inserts_and_removes)
{
	struct tree tree;

	tree_init(&tree);
	shuffle_in_and_out(&tree, UINT64_MAX);
}

TEST(many_equal_keys)
{
	struct tree tree;

	tree_init(&tree);
	shuffle_in_and_out(&tree, 10);
}

TEST(augmented)
{
	struct tree tree;

	tree_init_augmented(&tree, item_summarise);
	shuffle_in_and_out(&tree, 100000);
}

TEST(searches)
{
	struct item items[100];
	struct tree tree;

	tree_init(&tree);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		items[i].key = 10 * ((i * 37) % 100) + 10; /* 10, 20, ... 1000 in mixed order */
		tree_insert(&tree, &items[i].node, item_compare);
	}
	for (uint64_t key = 0; key <= 1010; key++) {
		struct tree_node *at = tree_find(&tree, &key, item_compare_key);
		struct tree_node *above = tree_lower_bound(&tree, &key, item_compare_key);
		struct tree_node *below = tree_floor(&tree, &key, item_compare_key);

		CHECK((at != NULL) == (key % 10 == 0 && key >= 10 && key <= 1000));
		CHECK((above != NULL) == (key <= 1000));
		CHECK((below != NULL) == (key >= 10));
		CHECK(above == NULL || item_of(above)->key == max_u64(10, (key + 9) / 10 * 10));
		CHECK(below == NULL || item_of(below)->key == min_u64(1000, key / 10 * 10));
	}
}

TEST(equal_keys_keep_insertion_order)
{
	struct item items[20] = { 0 };
	struct tree tree;
	struct tree_node *node;

	tree_init(&tree);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		tree_insert(&tree, &items[i].node, item_compare);
	}
	node = tree_first(&tree);
	for (size_t i = 0; i < ARRAY_SIZE(items); i++, node = tree_next(node)) {
		CHECK(node == &items[i].node);
	}
}

TEST_MAIN()
