/* SPDX-License-Identifier: MIT */
/*
 * Caches, by CPUID: leaf 4 of Intel's processors and those like them; 0x8000001d of AMD's, or where
 * these have no topology extensions 0x80000005 and 0x80000006, which say less.
 */
#include <posix/server/arch/x86_64/caches.h>

constexpr uint32_t LEAF_CACHES = 4, LEAF_EXTENDED = 0x80000000, LEAF_EXTENDED_FEATURES = 0x80000001;
constexpr uint32_t LEAF_AMD_FIRST_LEVEL = 0x80000005, LEAF_AMD_OTHER_LEVELS = 0x80000006;
constexpr uint32_t LEAF_AMD_CACHES = 0x8000001d;
constexpr uint32_t TOPOLOGY_EXTENSIONS = 1u << 22;

static bool decode(struct cpuid leaf, struct processor_cache *out_cache)
{
	uint32_t type = leaf.a & 31;

	if (type < CACHE_DATA || type > CACHE_UNIFIED) {
		return false;
	}
	*out_cache = (struct processor_cache){
		.type = (enum cache_type)type,
		.level = leaf.a >> 5 & 7,
		.line_bytes = (leaf.b & 0xfff) + 1,
		.n_partitions = (leaf.b >> 12 & 0x3ff) + 1,
		.n_ways = (leaf.b >> 22) + 1,
		.n_sets = leaf.c + 1,
		.n_sharing = (leaf.a >> 14 & 0xfff) + 1,
	};
	return true;
}

/* ---- what AMD said before -------------------------------------------------------------------- */

/* What four bits stand for; 0: no cache, or all lines in one set. */
static uint32_t ways_of(uint32_t code)
{
	static const uint8_t ways[16] = {
		[1] = 1,
		[2] = 2,
		[3] = 3,
		[4] = 4,
		[5] = 6,
		[6] = 8,
		[8] = 16,
		[10] = 32,
		[11] = 48,
		[12] = 64,
		[13] = 96,
		[14] = 128,
	};

	return ways[code & 15];
}

static bool describe(enum cache_type type, uint32_t level, uint64_t size_kib, uint32_t n_ways,
	uint32_t line_bytes, struct processor_cache *out_cache)
{
	uint64_t n_lines = line_bytes == 0 ? 0 : size_kib * 1024 / line_bytes;

	if (n_lines == 0) {
		return false;
	}
	*out_cache = (struct processor_cache){
		.type = type,
		.level = level,
		.line_bytes = line_bytes,
		.n_partitions = 1,
		.n_ways = n_ways != 0 ? n_ways : (uint32_t)n_lines,
		.n_sets = n_ways != 0 ? (uint32_t)(n_lines / n_ways) : 1,
		.n_sharing = level < 3 ? 1 : UINT32_MAX,
	};
	return true;
}

/* Of the first level, ways are not coded, but 255 means all. */
static uint32_t first_level_ways(uint32_t word)
{
	uint32_t n_ways = word >> 16 & 0xff;

	return n_ways == 0xff ? 0 : n_ways;
}

static bool describe_place(cpuid_fn read, uint32_t place, struct processor_cache *out_cache)
{
	struct cpuid leaf = read(place < 2 ? LEAF_AMD_FIRST_LEVEL : LEAF_AMD_OTHER_LEVELS, 0);

	switch (place) {
	case 0:
		return describe(CACHE_DATA, 1, leaf.c >> 24, first_level_ways(leaf.c),
			leaf.c & 0xff, out_cache);
	case 1:
		return describe(CACHE_INSTRUCTION, 1, leaf.d >> 24, first_level_ways(leaf.d),
			leaf.d & 0xff, out_cache);
	case 2:
		return describe(CACHE_UNIFIED, 2, leaf.c >> 16, ways_of(leaf.c >> 12),
			leaf.c & 0xff, out_cache);
	default:
		return describe(CACHE_UNIFIED, 3, UINT64_C(512) * (leaf.d >> 18),
			ways_of(leaf.d >> 12), leaf.d & 0xff, out_cache);
	}
}

static bool describe_old(cpuid_fn read, uint32_t index, struct processor_cache *out_cache)
{
	if (read(LEAF_EXTENDED, 0).a < LEAF_AMD_OTHER_LEVELS) {
		return false;
	}
	for (uint32_t place = 0; place < 4; place++) {
		if (describe_place(read, place, out_cache) && index-- == 0) {
			return true;
		}
	}
	return false;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool is_amd(cpuid_fn read)
{
	struct cpuid vendor = read(0, 0);

	/* "AuthenticAMD", "HygonGenuine" */
	return vendor.b == 0x68747541 || vendor.b == 0x6f677948;
}

bool cpuid_cache(cpuid_fn read, uint32_t index, struct processor_cache *out_cache)
{
	if (!is_amd(read)) {
		return read(0, 0).a >= LEAF_CACHES && decode(read(LEAF_CACHES, index), out_cache);
	}
	if (read(LEAF_EXTENDED, 0).a >= LEAF_AMD_CACHES &&
		(read(LEAF_EXTENDED_FEATURES, 0).c & TOPOLOGY_EXTENSIONS) != 0) {
		return decode(read(LEAF_AMD_CACHES, index), out_cache);
	}
	return describe_old(read, index, out_cache);
}

bool processor_cache(uint32_t index, struct processor_cache *out_cache)
{
	return cpuid_cache(cpuid, index, out_cache);
}
