/* SPDX-License-Identifier: MIT */
/*
 * Tests of the smaller containers and helpers: hash table, bitmap, ring, refcount, errors, types.
 */
#include <base/bitmap.h>
#include <base/errors.h>
#include <base/hash-table.h>
#include <base/hash.h>
#include <base/random.h>
#include <base/refcount.h>
#include <base/ring.h>
#include <base/string.h>
#include <base/testing.h>

struct item {
	uint64_t key;
	struct hash_node node;
};

static bool is_memory_gone;

static bool item_has_key(const struct hash_node *node, const void *key)
{
	return container_of((struct hash_node *)(uintptr_t)node, struct item, node)->key ==
		*(const uint64_t *)key;
}

static struct hash_node **table_allocate(UNUSED struct hash_table *table, size_t n_buckets)
{
	return is_memory_gone ? NULL : malloc(n_buckets * sizeof(struct hash_node *));
}

static void table_release(
	UNUSED struct hash_table *table, struct hash_node **buckets, UNUSED size_t n_buckets)
{
	free(buckets);
}

static const struct hash_table_hooks table_hooks = {
	.allocate = table_allocate,
	.release = table_release,
};

static void fill_and_empty_table(size_t n_buckets_expected)
{
	static struct item items[300];
	struct hash_table table;
	size_t n_seen = 0;

	hash_table_init(&table, malloc(sizeof(struct hash_node *)), 1, &table_hooks);
	for (uint64_t i = 0; i < ARRAY_SIZE(items); i++) {
		items[i].key = i;
		hash_table_insert(&table, &items[i].node, hash_u64(i));
	}
	CHECK_EQ(table.n_buckets, n_buckets_expected);
	for (struct hash_node *node = hash_table_first(&table); node != NULL;
		node = hash_table_next(&table, node)) {
		n_seen++;
	}
	CHECK_EQ(n_seen, ARRAY_SIZE(items));
	for (uint64_t i = 0; i < ARRAY_SIZE(items); i++) {
		CHECK(hash_table_find(&table, hash_u64(i), item_has_key, &i) == &items[i].node);
		hash_table_remove(&table, &items[i].node);
		CHECK(hash_table_find(&table, hash_u64(i), item_has_key, &i) == NULL);
	}
	CHECK_EQ(table.n_nodes, 0);
	free(table.buckets);
}

TEST(hash_table_grows)
{
	fill_and_empty_table(512);
}

TEST(hash_table_works_without_memory)
{
	is_memory_gone = true;
	fill_and_empty_table(1);
	is_memory_gone = false;
}

TEST(hashes_differ)
{
	CHECK(hash_bytes("a", 1, 0) != hash_bytes("a\0", 2, 0));
	CHECK(hash_bytes("abcdefgh", 8, 0) != hash_bytes("abcdefgi", 8, 0));
	CHECK(hash_bytes("abc", 3, 0) != hash_bytes("abc", 3, 1));
	CHECK(hash_combine(1, 2) != hash_combine(2, 1));
}

TEST(bitmap_searches)
{
	uint64_t map[BITMAP_WORDS(130)];

	bitmap_clear_all(map, 130);
	CHECK_EQ(bitmap_find_set(map, 130, 0), BITMAP_NONE);
	CHECK_EQ(bitmap_find_clear(map, 130, 129), 129);
	CHECK_EQ(bitmap_find_clear(map, 130, 130), BITMAP_NONE);
	bitmap_set(map, 5);
	bitmap_set(map, 64);
	bitmap_assign(map, 129, true);
	CHECK_EQ(bitmap_count(map, 130), 3);
	CHECK_EQ(bitmap_find_set(map, 130, 0), 5);
	CHECK_EQ(bitmap_find_set(map, 130, 6), 64);
	CHECK_EQ(bitmap_find_set(map, 130, 65), 129);
	CHECK_EQ(bitmap_find_set(map, 129, 65), BITMAP_NONE);
	CHECK_EQ(bitmap_find_clear_run(map, 130, 5), 0);
	CHECK_EQ(bitmap_find_clear_run(map, 130, 6), 6);
	CHECK_EQ(bitmap_find_clear_run(map, 130, 59), 65);
	CHECK_EQ(bitmap_find_clear_run(map, 130, 65), BITMAP_NONE);
	bitmap_clear(map, 64);
	CHECK(!bitmap_test(map, 64));
	CHECK_EQ(bitmap_find_clear_run(map, 130, 65), 6);
}

TEST(ring_against_counters)
{
	uint8_t storage[64];
	struct ring ring;
	struct random random;
	uint8_t written = 0;
	uint8_t read = 0;

	ring_init(&ring, storage, sizeof(storage));
	random_init(&random, test_seed(9));
	for (int step = 0; step < 5000; step++) {
		uint8_t buffer[100];
		size_t size = random_below(&random, sizeof(buffer));

		if (random_chance(&random, 2)) {
			for (size_t i = 0; i < size; i++) {
				buffer[i] = (uint8_t)(written + i);
			}
			size_t n_free = ring_free(&ring);
			size_t n_bytes = ring_write(&ring, buffer, size);

			CHECK_EQ(n_bytes, min_size(size, n_free));
			written = (uint8_t)(written + n_bytes);
		} else {
			uint8_t last;

			if (ring_used(&ring) > 0) {
				CHECK_EQ(ring_peek(&ring, ring_used(&ring) - 1, &last, 1), 1);
				CHECK_EQ(last, (uint8_t)(written - 1));
			}
			size_t n_bytes = ring_read(&ring, buffer, size);

			for (size_t i = 0; i < n_bytes; i++) {
				CHECK_EQ(buffer[i], read++);
			}
		}
		CHECK_EQ((uint8_t)(written - read), ring_used(&ring));
	}
}

TEST(refcounts)
{
	struct refcount refcount;

	refcount_init(&refcount, 1);
	refcount_ref(&refcount);
	CHECK(!refcount_unref(&refcount));
	CHECK(refcount_unref(&refcount));
	CHECK(!refcount_try_ref(&refcount));
	CHECK_ASSERTS(refcount_ref(&refcount));
	refcount_init(&refcount, 0);
	CHECK_ASSERTS((void)refcount_unref(&refcount));
	refcount_init(&refcount, REFCOUNT_SATURATED);
	CHECK(!refcount_unref(&refcount));
	CHECK(!refcount_unref(&refcount));
	CHECK(refcount_try_ref(&refcount));
	CHECK_EQ(refcount_get(&refcount), REFCOUNT_SATURATED);
}

TEST(error_names)
{
	CHECK_STR_EQ(error_name(0), "NONE");
	CHECK_STR_EQ(error_name(-ERR_NO_MEMORY), "NO_MEMORY");
	CHECK_STR_EQ(error_name(ERR_NO_MEMORY), "NO_MEMORY");
	CHECK_STR_EQ(error_name(-9999), "?");
	CHECK(error_text(-ERR_CANCELLED)[0] != '\0');
}

TEST(arithmetic)
{
	CHECK_EQ(align_up(4097, 4096), 8192);
	CHECK_EQ(align_up(4096, 4096), 4096);
	CHECK_EQ(align_down(8191, 4096), 4096);
	CHECK(is_aligned(0x3000, 0x1000));
	CHECK(!is_aligned(0x3001, 0x1000));
	CHECK(is_power_of_two(64) && !is_power_of_two(0) && !is_power_of_two(6));
	CHECK_EQ(div_round_up(0, 8), 0);
	CHECK_EQ(div_round_up(UINT64_MAX, 2), UINT64_MAX / 2 + 1);
}

TEST(random_stays_in_range)
{
	struct random random;

	random_init(&random, 0);
	for (int i = 0; i < 1000; i++) {
		CHECK(random_below(&random, 7) < 7);
		uint64_t value = random_between(&random, 5, 6);

		CHECK(value == 5 || value == 6);
	}
	(void)random_between(&random, 0, UINT64_MAX);
}

TEST_MAIN()
