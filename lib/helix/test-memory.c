/* SPDX-License-Identifier: MIT */
/* Tests of the allocator on mappings of the host. */
#include <base/random.h>
#include <base/testing.h>
#include <base/types.h>
#include <helix/memory.h>
#include <hel/hel-calls.h>

#include <sys/mman.h>

static size_t mappings_max = SIZE_MAX; /* then the kernel is out of memory */
static size_t pages_max = SIZE_MAX; /* so many can be populated */

static struct hel_outcome sim_map(const struct hel_map_args *args)
{
	void *pointer;

	if (mappings_max == 0) {
		return (struct hel_outcome){ .error = -ERR_NO_MEMORY };
	}
	mappings_max--;
	pointer = mmap((void *)args->address, args->size_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (pointer == MAP_FAILED) {
		return (struct hel_outcome){ .error = -ERR_EXISTS };
	}
	return (struct hel_outcome){ .value = (uint64_t)pointer };
}

struct hel_outcome hel_sim_call(uint32_t number, const uint64_t *arguments)
{
	switch (number) {
	case HEL_CALL_space_map: return sim_map((const struct hel_map_args *)arguments[0]);
	case HEL_CALL_space_unmap:
		munmap((void *)arguments[1], arguments[2]);
		return (struct hel_outcome){};
	case HEL_CALL_space_discard:
		madvise((void *)arguments[1], arguments[2], MADV_DONTNEED);
		return (struct hel_outcome){};
	case HEL_CALL_space_populate:
		if (pages_max < arguments[2] / HEL_PAGE_SIZE) {
			return (struct hel_outcome){ .error = -ERR_NO_MEMORY };
		}
		pages_max -= arguments[2] / HEL_PAGE_SIZE;
		return (struct hel_outcome){};
	default: UNREACHABLE();
	}
}

TEST(memory_sizes_and_alignment)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 100, 2047, 2048, 2049, 4096, 4097, 100000,
		1000000, 1040000, 1048576, 3000000 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint8_t *block = helix_malloc(sizes[i]);

		CHECK(block != NULL);
		CHECK_EQ((uintptr_t)block % 16, 0);
		memset(block, 0x5a, sizes[i]);
		helix_free(block);
	}
	helix_free(NULL);
	CHECK_EQ(helix_memory_stats().n_blocks, 0);
	CHECK_EQ(helix_memory_stats().used_bytes, 0);
}

TEST(memory_calloc_is_zero_after_reuse)
{
	for (size_t size = 8; size < 3000000; size = size * 3 + 1) {
		uint8_t *block = helix_malloc(size);

		memset(block, 0xff, size);
		helix_free(block);
		block = helix_calloc(1, size);
		for (size_t i = 0; i < size; i++) {
			CHECK_EQ(block[i], 0);
		}
		helix_free(block);
	}
	CHECK(helix_calloc(SIZE_MAX / 2, 3) == NULL);
	CHECK(helix_malloc(SIZE_MAX) == NULL);
}

TEST(memory_realloc_keeps_contents)
{
	uint8_t *block = NULL;

	for (size_t size = 1; size < 4000000; size = size * 2 + 3) {
		block = helix_realloc(block, size);
		CHECK(block != NULL);
		block[size - 1] = (uint8_t)(size * 7);
		for (size_t n = 1; n <= size; n = n * 2 + 3) {
			CHECK_EQ(block[n - 1], (uint8_t)(n * 7));
		}
	}
	block = helix_realloc(block, 9);
	CHECK_EQ(block[0], 7);
	helix_free(block);
}

#define N_SLOTS 500

struct slot {
	uint8_t *block;
	size_t size;
	uint8_t pattern;
};

static size_t random_size(struct random *random)
{
	switch (random_below(random, 20)) {
	case 0: return random_below(random, 2000000);
	case 1:
	case 2: return random_below(random, 60000);
	default: return random_below(random, 1200);
	}
}

TEST(memory_random_blocks_do_not_overlap)
{
	static struct slot slots[N_SLOTS];
	struct random random;

	random_init(&random, test_seed(3));
	for (int i = 0; i < 60000; i++) {
		struct slot *slot = &slots[random_below(&random, N_SLOTS)];

		if (slot->block != NULL) {
			for (size_t k = 0; k < slot->size; k += 61) {
				CHECK_EQ(slot->block[k], slot->pattern);
			}
			helix_free(slot->block);
			slot->block = NULL;
		} else {
			slot->size = random_size(&random);
			slot->block = helix_malloc(slot->size);
			slot->pattern = (uint8_t)i;
			CHECK(slot->block != NULL);
			memset(slot->block, slot->pattern, slot->size);
		}
	}
	for (size_t i = 0; i < N_SLOTS; i++) {
		helix_free(slots[i].block);
	}
	CHECK_EQ(helix_memory_stats().n_blocks, 0);
	CHECK_EQ(helix_memory_stats().used_bytes, 0);
	CHECK(helix_memory_stats().mapped_bytes <= 4 << 20);
}

TEST(memory_says_when_there_is_none)
{
	void *blocks[64];
	size_t n_blocks = 0;

	mappings_max = 3;
	while (n_blocks < ARRAY_SIZE(blocks)) {
		blocks[n_blocks] = helix_malloc(500000);
		if (blocks[n_blocks] == NULL) {
			break;
		}
		n_blocks++;
	}
	CHECK(n_blocks >= 3 && n_blocks < ARRAY_SIZE(blocks));
	CHECK(helix_malloc(5000000) == NULL);
	while (n_blocks > 0) {
		helix_free(blocks[--n_blocks]);
	}
	mappings_max = SIZE_MAX;
	CHECK_EQ(helix_memory_stats().n_blocks, 0);
}

TEST(memory_catches_a_second_free)
{
	void *first = helix_malloc(100);
	void *second = helix_malloc(100);

	helix_free(first);
	CHECK_ASSERTS(helix_free(first));
	helix_free(second);
}

/* What cannot be made present is not handed out, and nothing is lost of what was tried. */
TEST(memory_without_pages)
{
	void *blocks[64];
	size_t n_blocks = 0;
	struct helix_memory_stats before = helix_memory_stats();

	for (size_t n = 0; n < 40; n++) {
		pages_max = n;
		while (n_blocks < ARRAY_SIZE(blocks)) {
			void *block = helix_malloc(n_blocks % 2 == 0 ? 3 * HEL_PAGE_SIZE : 1500);

			if (block == NULL) {
				break;
			}
			blocks[n_blocks++] = block;
		}
		CHECK(helix_malloc(MIB(2)) == NULL);
		pages_max = SIZE_MAX;
		while (n_blocks > 0) {
			helix_free(blocks[--n_blocks]);
		}
		CHECK_EQ(helix_memory_stats().n_blocks, before.n_blocks);
		CHECK_EQ(helix_memory_stats().used_bytes, before.used_bytes);
	}
}

TEST_MAIN()
