/* SPDX-License-Identifier: MIT */
/* Fast hashes for hash tables: well mixed, seedable, not cryptographic. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <base/types.h>

/** hash_u64() - mix all bits of @value into all bits of the result (a bijection) */
static inline uint64_t hash_u64(uint64_t value)
{
	value = (value ^ (value >> 32)) * 0xd6e8feb86659fd93u;
	value = (value ^ (value >> 32)) * 0xd6e8feb86659fd93u;
	return value ^ (value >> 32);
}

/** hash_combine() - hash of the pair of a hash and a further value; order matters */
static inline uint64_t hash_combine(uint64_t hash, uint64_t value)
{
	return hash_u64(hash * 0x9e3779b97f4a7c15u + value);
}

/**
 * hash_bytes() - hash @size bytes
 * @seed: different seeds give independent hashes; pick a random one where keys come from strangers
 */
static inline uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
	const uint8_t *bytes = data;
	uint64_t hash = hash_combine(seed, size);

	for (; size >= 8; bytes += 8, size -= 8) {
		uint64_t word;

		__builtin_memcpy(&word, bytes, sizeof(word));
		hash = (hash ^ word) * 0x9fb21c651e98df25u;
		hash ^= hash >> 29;
	}
	uint64_t rest = 0;

	for (size_t i = 0; i < size; i++) {
		rest |= (uint64_t)bytes[i] << (8 * i);
	}
	return hash_u64(hash ^ rest);
}

#endif
