/* SPDX-License-Identifier: MIT */
/* Tests of base/list.h. */
#include <base/list.h>
#include <base/testing.h>

struct item {
	int value;
	struct list_node node;
};

static struct item *item_of(struct list_node *node)
{
	return container_of(node, struct item, node);
}

TEST(empty_list)
{
	struct list list = LIST_INIT(list);

	CHECK(list_is_empty(&list));
	CHECK(list_first(&list) == NULL);
	CHECK(list_last(&list) == NULL);
	CHECK(list_pop_front(&list) == NULL);
	CHECK_EQ(list_size(&list), 0);
	LIST_FOR_EACH(item, &list, struct item, node) {
		CHECK(item == NULL);
	}
}

TEST(order_of_pushes)
{
	struct item items[3] = { { .value = 0 }, { .value = 1 }, { .value = 2 } };
	struct list list;
	int expected = 0;

	list_init(&list);
	list_push_back(&list, &items[1].node);
	list_push_back(&list, &items[2].node);
	list_push_front(&list, &items[0].node);
	LIST_FOR_EACH(item, &list, struct item, node) {
		CHECK_EQ(item->value, expected++);
	}
	CHECK_EQ(expected, 3);
	CHECK_EQ(item_of(list_last(&list))->value, 2);
	CHECK(list_prev(&list, &items[0].node) == NULL);
	CHECK(list_next(&list, &items[2].node) == NULL);
}

TEST(remove_unlinks_and_is_idempotent)
{
	struct item items[2] = { 0 };
	struct list list = LIST_INIT(list);

	CHECK(!list_node_is_linked(&items[0].node));
	list_push_back(&list, &items[0].node);
	list_push_back(&list, &items[1].node);
	CHECK(list_node_is_linked(&items[0].node));
	list_remove(&items[0].node);
	list_remove(&items[0].node);
	CHECK(!list_node_is_linked(&items[0].node));
	CHECK(list_first(&list) == &items[1].node);
	CHECK_EQ(list_size(&list), 1);
}

TEST(safe_walk_may_remove)
{
	struct item items[5] = { 0 };
	struct list list = LIST_INIT(list);
	int n_seen = 0;

	for (int i = 0; i < 5; i++) {
		items[i].value = i;
		list_push_back(&list, &items[i].node);
	}
	LIST_FOR_EACH_SAFE(item, &list, struct item, node) {
		CHECK_EQ(item->value, n_seen++);
		list_remove(&item->node);
		memset(item, 0xee, sizeof(*item));
	}
	CHECK_EQ(n_seen, 5);
	CHECK(list_is_empty(&list));
}

TEST(append_all_moves_in_order)
{
	struct item items[4] = { 0 };
	struct list a = LIST_INIT(a);
	struct list b = LIST_INIT(b);
	int expected = 0;

	for (int i = 0; i < 4; i++) {
		items[i].value = i;
		list_push_back(i < 2 ? &a : &b, &items[i].node);
	}
	list_append_all(&a, &b);
	CHECK(list_is_empty(&b));
	list_append_all(&a, &b);
	while (!list_is_empty(&a)) {
		CHECK_EQ(LIST_POP_FRONT(&a, struct item, node)->value, expected++);
	}
	CHECK_EQ(expected, 4);
}

TEST_MAIN()
