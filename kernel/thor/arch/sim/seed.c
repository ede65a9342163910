/* SPDX-License-Identifier: MIT */
/* Seeding thor's generator; apart, for <base/random.h> has a function of the same name. */
#include <thor/time/random.h>

void sim_seed_kernel(uint64_t seed);

void sim_seed_kernel(uint64_t seed)
{
	const uint64_t words[4] = { seed, 1, 2, 3 };

	random_init(words);
}
