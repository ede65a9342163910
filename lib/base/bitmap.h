/* SPDX-License-Identifier: MIT */
/* Bitmaps in arrays of 64-bit words; bit i is bit i % 64 of word i / 64. */
#ifndef BASE_BITMAP_H
#define BASE_BITMAP_H

#include <base/types.h>

/** BITMAP_WORDS() - number of words that hold @n_bits bits */
#define BITMAP_WORDS(n_bits) (((n_bits) + 63) / 64)

/** BITMAP_NONE - "no such bit", result of the searches */
#define BITMAP_NONE SIZE_MAX

static inline bool bitmap_test(const uint64_t *map, size_t bit)
{
	return (map[bit / 64] >> (bit % 64) & 1) != 0;
}

static inline void bitmap_set(uint64_t *map, size_t bit)
{
	map[bit / 64] |= (uint64_t)1 << (bit % 64);
}

static inline void bitmap_clear(uint64_t *map, size_t bit)
{
	map[bit / 64] &= ~((uint64_t)1 << (bit % 64));
}

static inline void bitmap_assign(uint64_t *map, size_t bit, bool value)
{
	if (value) {
		bitmap_set(map, bit);
	} else {
		bitmap_clear(map, bit);
	}
}

/** bitmap_clear_all() - clear the words of an @n_bits bitmap */
static inline void bitmap_clear_all(uint64_t *map, size_t n_bits)
{
	for (size_t i = 0; i < BITMAP_WORDS(n_bits); i++) {
		map[i] = 0;
	}
}

/* The first bit at or after @start whose value differs from that of @skip (0 or all ones). */
static inline size_t bitmap__find(const uint64_t *map, size_t n_bits, size_t start, uint64_t skip)
{
	while (start < n_bits) {
		uint64_t word = (map[start / 64] ^ skip) >> (start % 64);

		if (word != 0) {
			size_t bit = start + (size_t)__builtin_ctzll(word);

			return bit < n_bits ? bit : BITMAP_NONE;
		}
		start = (start / 64 + 1) * 64;
	}
	return BITMAP_NONE;
}

/** bitmap_find_set() - the first set bit at or after @start, BITMAP_NONE if none */
static inline size_t bitmap_find_set(const uint64_t *map, size_t n_bits, size_t start)
{
	return bitmap__find(map, n_bits, start, 0);
}

/** bitmap_find_clear() - the first clear bit at or after @start, BITMAP_NONE if none */
static inline size_t bitmap_find_clear(const uint64_t *map, size_t n_bits, size_t start)
{
	return bitmap__find(map, n_bits, start, UINT64_MAX);
}

/** bitmap_find_clear_run() - start of the first @n_run clear bits in a row, BITMAP_NONE if none */
static inline size_t bitmap_find_clear_run(const uint64_t *map, size_t n_bits, size_t n_run)
{
	size_t start = bitmap_find_clear(map, n_bits, 0);

	while (start != BITMAP_NONE && n_bits - start >= n_run) {
		size_t end = bitmap_find_set(map, n_bits, start);

		if (end == BITMAP_NONE || end - start >= n_run) {
			return start;
		}
		start = bitmap_find_clear(map, n_bits, end);
	}
	return BITMAP_NONE;
}

/** bitmap_count() - number of set bits */
static inline size_t bitmap_count(const uint64_t *map, size_t n_bits)
{
	size_t n_set = 0;

	for (size_t i = 0; i < n_bits / 64; i++) {
		n_set += (size_t)__builtin_popcountll(map[i]);
	}
	if (n_bits % 64 != 0) {
		uint64_t mask = ((uint64_t)1 << (n_bits % 64)) - 1;

		n_set += (size_t)__builtin_popcountll(map[n_bits / 64] & mask);
	}
	return n_set;
}

#endif
