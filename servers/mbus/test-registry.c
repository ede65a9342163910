/* SPDX-License-Identifier: MIT */
/* Tests of the registry: filters and the history that watchers see. */
#include "registry.h"

#include <base/testing.h>

static struct registry_property disk_properties[] = {
	{ "class", "block" },
	{ "name", "sda" },
	{ "size", "4096" },
};
static struct registry_property port_properties[] = {
	{ "class", "char" },
	{ "name", "console" },
};

static struct registry_object disk(void)
{
	return (struct registry_object){ .properties = disk_properties, .n_properties = 3 };
}

static struct registry_object port(void)
{
	return (struct registry_object){ .properties = port_properties, .n_properties = 2 };
}

TEST(registry_filters_are_conjunctions)
{
	static const struct registry_property both[] = { { "name", "sda" }, { "class", "block" } };
	static const struct registry_property other[] = { { "class", "block" }, { "name", "sdb" } };
	static const struct registry_property missing[] = { { "colour", "" } };
	struct registry_object object = disk();

	CHECK(registry_matches(&object, NULL, 0));
	CHECK(registry_matches(&object, both, 1));
	CHECK(registry_matches(&object, both, 2));
	CHECK(!registry_matches(&object, other, 2));
	CHECK(registry_matches(&object, other, 1));
	CHECK(!registry_matches(&object, missing, 1));
}

TEST(registry_gives_every_object_an_id)
{
	struct registry registry;
	struct registry_object a = disk();
	struct registry_object b = port();

	registry_init(&registry);
	registry_add(&registry, &a);
	registry_add(&registry, &b);
	CHECK(a.id != b.id);
	CHECK(registry_find(&registry, a.id) == &a);
	registry_remove(&registry, &a);
	CHECK(registry_find(&registry, a.id) == NULL);
	CHECK(registry_find(&registry, 0) == NULL);
	registry_add(&registry, &a);
	CHECK(registry_find(&registry, a.id) == &a);
	CHECK_EQ(a.id, 3);
}

TEST(registry_watchers_see_each_change_once)
{
	static const struct registry_property filter = { "class", "char" };
	struct registry registry;
	struct registry_object a = disk();
	struct registry_object b = port();
	struct registry_object c = port();
	uint64_t ids[REGISTRY_VANISHED_MAX];

	registry_init(&registry);
	CHECK(registry_next(&registry, 0, 0, NULL, 0) == NULL);
	registry_add(&registry, &a);
	registry_add(&registry, &b);
	registry_add(&registry, &c);
	CHECK(registry_next(&registry, 0, 0, NULL, 0) == &a);
	CHECK(registry_next(&registry, 0, a.created, NULL, 0) == &b);
	CHECK(registry_next(&registry, 0, 0, &filter, 1) == &b);
	CHECK(registry_next(&registry, 0, b.created, &filter, 1) == &c);
	CHECK(registry_next(&registry, 0, c.created, &filter, 1) == NULL);
	uint64_t seen = registry.sequence;

	CHECK(registry_next(&registry, seen, seen, NULL, 0) == NULL);
	registry_remove(&registry, &b);
	CHECK_EQ(registry_vanished(&registry, seen, registry.sequence, ids), 1);
	CHECK_EQ(ids[0], b.id);
	CHECK_EQ(registry_vanished(&registry, registry.sequence, registry.sequence, ids), 0);
	CHECK_EQ(registry_vanished(&registry, 0, seen, ids), 0);
	/* one that came and went in between is reported as vanished only */
	CHECK(registry_next(&registry, 0, a.created, &filter, 1) == &c);
}

TEST(registry_watchers_see_changes)
{
	struct registry registry;
	struct registry_object a = disk();
	struct registry_object b = port();
	struct registry_object c = port();

	registry_init(&registry);
	registry_add(&registry, &a);
	registry_add(&registry, &b);
	uint64_t seen = registry.sequence;

	registry_touch(&registry, &a);
	registry_add(&registry, &c);
	registry_touch(&registry, &c);
	/* who knows both hears of the change, then of the new one; that one's change is in it */
	CHECK(registry_next(&registry, seen, seen, NULL, 0) == &a);
	CHECK_EQ(registry_stamp(&a, seen), a.changed);
	CHECK(registry_next(&registry, seen, a.changed, NULL, 0) == &c);
	CHECK_EQ(registry_stamp(&c, seen), c.created);
	CHECK(registry_next(&registry, seen, c.created, NULL, 0) == NULL);
	/* who has stopped between the two stamps of one hears of it again */
	CHECK(registry_next(&registry, c.created, c.created, NULL, 0) == &c);
	/* who knows nothing hears of each once, in the order of their creation */
	CHECK(registry_next(&registry, 0, 0, NULL, 0) == &a);
	CHECK(registry_next(&registry, 0, a.created, NULL, 0) == &b);
	CHECK(registry_next(&registry, 0, b.created, NULL, 0) == &c);
	CHECK(registry_next(&registry, 0, c.created, NULL, 0) == NULL);
}

TEST(registry_keeps_the_last_vanished)
{
	struct registry registry;
	uint64_t ids[REGISTRY_VANISHED_MAX];
	struct registry_object object = disk();

	registry_init(&registry);
	for (int i = 0; i < REGISTRY_VANISHED_MAX + 10; i++) {
		registry_add(&registry, &object);
		registry_remove(&registry, &object);
	}
	CHECK_EQ(registry_vanished(&registry, 0, registry.sequence, ids), REGISTRY_VANISHED_MAX);
	CHECK_EQ(ids[0], 11);
	CHECK_EQ(ids[REGISTRY_VANISHED_MAX - 1], REGISTRY_VANISHED_MAX + 10);
}

TEST_MAIN()
