/* SPDX-License-Identifier: MIT */
/* The kernel heap. */
#include "support.h"

#include <base/random.h>
#include <thor/memory/heap-debug.h>

TEST(heap_objects_are_zeroed_and_aligned)
{
	fixture_begin(1, 16, 1);
	for (size_t size = 0; size < 5000; size += 13) {
		uint8_t *object = heap_allocate(size);

		CHECK(object != NULL);
		CHECK_EQ((uintptr_t)object % 16, 0);
		for (size_t i = 0; i < size; i++) {
			CHECK_EQ(object[i], 0);
		}
		memset(object, 0xee, size);
		heap_free(object);
	}
	CHECK(fixture_end());
}

TEST(heap_large_objects)
{
	fixture_begin(1, 64, 1);
	void *large = heap_allocate(MIB(3));
	void *page = heap_allocate(4096);

	CHECK(large != NULL && page != NULL);
	CHECK(heap_used_bytes() >= MIB(3) + 4096);
	CHECK(heap_allocate(MIB(9)) == NULL);
	CHECK(heap_allocate(~(size_t)0) == NULL);
	heap_free(large);
	heap_free(page);
	heap_free(NULL);
	CHECK(fixture_end());
}

TEST(heap_exhausts_without_harm)
{
	fixture_begin(1, 16, 1);
	void **list = NULL;

	for (void **object; (object = heap_allocate(500)) != NULL;) {
		*object = list;
		list = object;
	}
	CHECK(list != NULL);
	CHECK(heap_allocate(500) == NULL);
	while (list != NULL) {
		void **next = *list;

		heap_free(list);
		list = next;
	}
	CHECK(fixture_end());
}

TEST(heap_frees_on_another_cpu)
{
	fixture_begin(2, 16, 1);
	for (unsigned round = 0; round < 100; round++) {
		void *objects[50];

		sim_switch_cpu(0);
		for (unsigned i = 0; i < 50; i++) {
			objects[i] = heap_allocate(100);
		}
		sim_switch_cpu(1);
		for (unsigned i = 0; i < 50; i++) {
			heap_free(objects[i]);
		}
	}
	CHECK_EQ(heap_used_bytes(), 0);
	CHECK(fixture_end());
}

TEST(heap_finds_writes_beyond_the_end)
{
	if (HEAP_REDZONE == 0) {
		return;
	}
	fixture_begin(1, 16, 1);
	uint8_t *object = heap_allocate(30);

	HEAP_UNPOISON(object, 40);
	object[30] = 1;
	CHECK_ASSERTS(heap_free(object));
	sim_machine_destroy();
}

constexpr unsigned OBJECTS_MAX = 1000;

static void object_check(const uint8_t *object, size_t size, uint8_t mark)
{
	for (size_t i = 0; i < size; i++) {
		CHECK_EQ(object[i], mark);
	}
}

TEST(heap_random_against_model)
{
	static struct {
		uint8_t *bytes;
		size_t size;
	} objects[OBJECTS_MAX];
	struct random random;
	uint64_t seed = test_seed(7);

	random_init(&random, seed);
	fixture_begin(3, 64, seed);
	memset(objects, 0, sizeof(objects));
	for (unsigned step = 0; step < 100000; step++) {
		unsigned at = random_u64(&random) % OBJECTS_MAX;

		sim_switch_cpu(random_u64(&random) % 3);
		if (objects[at].bytes != NULL) {
			object_check(objects[at].bytes, objects[at].size, (uint8_t)at);
			heap_free(objects[at].bytes);
			objects[at].bytes = NULL;
			continue;
		}
		objects[at].size =
			random_u64(&random) % (random_u64(&random) % 50 == 0 ? 20000 : 600);
		objects[at].bytes = heap_allocate(objects[at].size);
		CHECK(objects[at].bytes != NULL);
		object_check(objects[at].bytes, objects[at].size, 0);
		memset(objects[at].bytes, (int)at, objects[at].size);
	}
	for (unsigned at = 0; at < OBJECTS_MAX; at++) {
		heap_free(objects[at].bytes);
	}
	CHECK(fixture_end());
}

TEST_MAIN()
