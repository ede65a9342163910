/* SPDX-License-Identifier: MIT */
/*
 * Random numbers for everybody: ChaCha20 with fast key erasure.
 *
 * Seeded from what eir found (RDRAND, timing), the processor's generator and the clock; every
 * request generates a new key first, so that what is known later says nothing about what was
 * given out before.
 */
#ifndef THOR_TIME_RANDOM_H
#define THOR_TIME_RANDOM_H

#include <base/types.h>

/**
 * random_init() - seed the generator with @seed and what the processor offers; before anybody
 * asks
 */
void random_init(const uint64_t seed[4]);

/** random_bytes() - @size unpredictable bytes; any context with locks below LOCK_RANK_RANDOM */
void random_bytes(void *out_data, size_t size);

/** random_stir() - mix a hard to predict value in (interrupt timing); cheap, owner CPU */
void random_stir(uint64_t value);

#endif
