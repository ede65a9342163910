/* SPDX-License-Identifier: MIT */
/* Caches of processors of both makers, and of one that says nothing. */
#include <base/testing.h>

#include <posix/server/arch/x86_64/caches.h>

constexpr uint32_t INTEL = 0x756e6547, AMD = 0x68747541;

static struct cpuid intel(uint32_t leaf, uint32_t subleaf)
{
	static const struct cpuid caches[] = {
		{ 0x1c004121, 0x02c0003f, 0x3f, 0 }, /* 48 KiB, 12 ways */
		{ 0x1c004122, 0x01c0003f, 0x3f, 0 },
		{ 0x1c004143, 0x03c0003f, 0x7ff, 0 }, /* 2 MiB, 16 ways */
		{ 0x1fffc163, 0x04c0003f, 0x1bfff, 0 }, /* 140 MiB, 20 ways */
	};

	if (leaf == 0) {
		return (struct cpuid){ .a = 0x1f, .b = INTEL };
	}
	return leaf == 4 && subleaf < ARRAY_SIZE(caches) ? caches[subleaf] : (struct cpuid){};
}

static struct cpuid amd_old(uint32_t leaf, UNUSED uint32_t subleaf)
{
	switch (leaf) {
	case 0: return (struct cpuid){ .a = 0xd, .b = AMD };
	case 0x80000000: return (struct cpuid){ .a = 0x8000001e };
	case 0x80000005: return (struct cpuid){ .c = 0x40020140, .d = 0 };
	case 0x80000006: return (struct cpuid){ .c = 0x02006140, .d = 0x0080f140 };
	default: return (struct cpuid){};
	}
}

static struct cpuid amd_new(uint32_t leaf, uint32_t subleaf)
{
	switch (leaf) {
	case 0x80000001: return (struct cpuid){ .c = 1u << 22 };
	case 0x8000001d:
		return subleaf == 0 ? (struct cpuid){ 0x4121, 0x01c0003f, 0x3f, 0 }
				    : (struct cpuid){};
	default: return amd_old(leaf, subleaf);
	}
}

static struct cpuid silent(UNUSED uint32_t leaf, UNUSED uint32_t subleaf)
{
	return (struct cpuid){};
}

static uint64_t size_of(const struct processor_cache *cache)
{
	return (uint64_t)cache->line_bytes * cache->n_partitions * cache->n_ways * cache->n_sets;
}

TEST(leaves_with_all_parameters)
{
	struct processor_cache cache;

	CHECK(cpuid_cache(intel, 0, &cache));
	CHECK(cache.type == CACHE_DATA && cache.level == 1 && size_of(&cache) == KIB(48));
	CHECK_EQ(cache.n_sharing, 2);
	CHECK(cpuid_cache(intel, 1, &cache));
	CHECK(cache.type == CACHE_INSTRUCTION && cache.level == 1 && size_of(&cache) == KIB(32));
	CHECK(cpuid_cache(intel, 2, &cache));
	CHECK(cache.type == CACHE_UNIFIED && cache.level == 2 && size_of(&cache) == MIB(2));
	CHECK(cpuid_cache(intel, 3, &cache));
	CHECK(cache.level == 3 && size_of(&cache) == MIB(140) && cache.n_ways == 20);
	CHECK(cache.line_bytes == 64 && cache.n_sets == 0x1c000);
	CHECK(!cpuid_cache(intel, 4, &cache));
	CHECK(cpuid_cache(amd_new, 0, &cache));
	CHECK(cache.type == CACHE_DATA && size_of(&cache) == KIB(32));
	CHECK(!cpuid_cache(amd_new, 1, &cache));
}

/* There is no cache for instructions, and all lines of the last one are one set. */
TEST(leaves_that_say_less)
{
	struct processor_cache cache;

	CHECK(cpuid_cache(amd_old, 0, &cache));
	CHECK(cache.type == CACHE_DATA && cache.level == 1 && size_of(&cache) == KIB(64));
	CHECK(cache.n_ways == 2 && cache.n_sets == 512);
	CHECK(cpuid_cache(amd_old, 1, &cache));
	CHECK(cache.type == CACHE_UNIFIED && cache.level == 2 && size_of(&cache) == KIB(512));
	CHECK_EQ(cache.n_ways, 8);
	CHECK(cpuid_cache(amd_old, 2, &cache));
	CHECK(cache.level == 3 && size_of(&cache) == MIB(16) && cache.n_sets == 1);
	CHECK(!cpuid_cache(amd_old, 3, &cache));
	CHECK(!cpuid_cache(silent, 0, &cache));
}

TEST_MAIN()
