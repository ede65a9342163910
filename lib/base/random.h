/* SPDX-License-Identifier: MIT */
/*
 * Seeded pseudo-random numbers for tests, simulation and hashing seeds (xoshiro256**).
 *
 * The same seed gives the same sequence on every machine. Not for secrets.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <base/types.h>

struct random {
	uint64_t state[4];
};

/** random_init() - start the sequence of @seed; any value is fine */
static inline void random_init(struct random *random, uint64_t seed)
{
	for (size_t i = 0; i < ARRAY_SIZE(random->state); i++) {
		uint64_t mixed = seed += 0x9e3779b97f4a7c15u; /* splitmix64 spreads the seed */

		mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
		mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
		random->state[i] = mixed ^ (mixed >> 31);
	}
}

static inline uint64_t random__rotate(uint64_t value, unsigned n_bits)
{
	return value << n_bits | value >> (64 - n_bits);
}

/** random_u64() - the next 64 bits */
static inline uint64_t random_u64(struct random *random)
{
	uint64_t *state = random->state;
	uint64_t result = random__rotate(state[1] * 5, 7) * 9;
	uint64_t shifted = state[1] << 17;

	state[2] ^= state[0];
	state[3] ^= state[1];
	state[1] ^= state[2];
	state[0] ^= state[3];
	state[2] ^= shifted;
	state[3] = random__rotate(state[3], 45);
	return result;
}

/** random_below() - a number in [0, @bound); @bound is not 0; the bias is below 2^-32 */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
	return (uint64_t)(((unsigned __int128)random_u64(random) * bound) >> 64);
}

/** random_between() - a number in [@low, @high] */
static inline uint64_t random_between(struct random *random, uint64_t low, uint64_t high)
{
	uint64_t n_values = high - low + 1;

	return n_values == 0 ? random_u64(random) : low + random_below(random, n_values);
}

/** random_chance() - true once in @n times */
static inline bool random_chance(struct random *random, uint64_t n)
{
	return random_below(random, n) == 0;
}

#endif
