/* SPDX-License-Identifier: MIT */
/*
 * The kernel's random number generator: see random.h. ChaCha20 as RFC 8439 has it, 64-byte
 * blocks.
 */
#include <thor/time/random.h>

#include <abi/boot/boot-info.h>
#include <base/string.h>
#include <thor/arch.h>
#include <thor/init/init.h>
#include <thor/spinlock.h>

constexpr size_t CHACHA_BLOCK_BYTES = 64;
constexpr size_t CHACHA_KEY_BYTES = 32;

constexpr size_t RANDOM_BLOCKS = 8;
constexpr size_t RANDOM_POOL_BYTES = RANDOM_BLOCKS * CHACHA_BLOCK_BYTES - CHACHA_KEY_BYTES;

/*
 * The pool holds bytes that were generated but not given out yet. A refill makes the next key
 * from the first bytes of the new blocks; bytes that are given out are wiped, so nothing in here
 * tells what was said before.
 */
static struct {
	struct spinlock lock;
	uint32_t key[8]; /* guarded by lock, as all below */
	uint8_t pool[RANDOM_POOL_BYTES];
	size_t n_left;            /* at the end of the pool */
	_Atomic uint64_t stirred; /* goes into the next refill; not guarded */
} random_state = { .lock = { .rank = LOCK_RANK_RANDOM } };

static uint32_t chacha_rotate(uint32_t value, unsigned count)
{
	return value << count | value >> (32 - count);
}

static void chacha_quarter(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	*a += *b;
	*d = chacha_rotate(*d ^ *a, 16);
	*c += *d;
	*b = chacha_rotate(*b ^ *c, 12);
	*a += *b;
	*d = chacha_rotate(*d ^ *a, 8);
	*c += *d;
	*b = chacha_rotate(*b ^ *c, 7);
}

static void chacha_block(const uint32_t key[8], uint64_t counter, uint64_t nonce,
	uint8_t out_block[CHACHA_BLOCK_BYTES])
{
	uint32_t start[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
	uint32_t x[16];

	memcpy(&start[4], key, CHACHA_KEY_BYTES);
	memcpy(&start[12], &counter, sizeof(counter));
	memcpy(&start[14], &nonce, sizeof(nonce));
	memcpy(x, start, sizeof(x));
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 4; i++) {
			chacha_quarter(&x[i], &x[i + 4], &x[i + 8], &x[i + 12]);
		}
		for (int i = 0; i < 4; i++) {
			chacha_quarter(&x[i], &x[4 + (i + 1) % 4], &x[8 + (i + 2) % 4],
				&x[12 + (i + 3) % 4]);
		}
	}
	for (int i = 0; i < 16; i++) {
		x[i] += start[i];
	}
	memcpy(out_block, x, sizeof(x));
}

void random_init(const uint64_t seed[4])
{
	uint64_t words[4];

	for (int i = 0; i < 4; i++) {
		uint64_t hardware = 0;

		(void)arch_random_seed(&hardware);
		words[i] = seed[i] ^ hardware ^ arch_clock_ns() << (16 * i);
	}
	spinlock_acquire(&random_state.lock);
	memcpy(random_state.key, words, sizeof(words));
	random_state.n_left = 0;
	spinlock_release(&random_state.lock);
}

void random_stir(uint64_t value)
{
	uint64_t old = atomic_load_explicit(&random_state.stirred, memory_order_relaxed);

	atomic_store_explicit(
		&random_state.stirred, (old << 7 | old >> 57) ^ value, memory_order_relaxed);
}

static void random_refill_locked(void)
{
	uint8_t blocks[RANDOM_BLOCKS * CHACHA_BLOCK_BYTES];
	uint64_t nonce = atomic_load_explicit(&random_state.stirred, memory_order_relaxed);

	for (uint64_t i = 0; i < RANDOM_BLOCKS; i++) {
		chacha_block(random_state.key, i, nonce, blocks + i * CHACHA_BLOCK_BYTES);
	}
	memcpy(random_state.key, blocks, CHACHA_KEY_BYTES);
	memcpy(random_state.pool, blocks + CHACHA_KEY_BYTES, RANDOM_POOL_BYTES);
	random_state.n_left = RANDOM_POOL_BYTES;
	memset(blocks, 0, sizeof(blocks));
}

void random_bytes(void *out_data, size_t size)
{
	uint8_t *bytes = out_data;

	spinlock_acquire(&random_state.lock);
	while (size > 0) {
		if (random_state.n_left == 0) {
			random_refill_locked();
		}
		uint8_t *source = random_state.pool + RANDOM_POOL_BYTES - random_state.n_left;
		size_t n_bytes = min_size(size, random_state.n_left);

		memcpy(bytes, source, n_bytes);
		memset(source, 0, n_bytes);
		random_state.n_left -= n_bytes;
		bytes += n_bytes;
		size -= n_bytes;
	}
	spinlock_release(&random_state.lock);
}

static void random_start(const struct boot_info *boot)
{
	random_init(boot->random_seed);
}
INIT_TASK(random, "random", .run = random_start, .needs = { "clock" }, .provides = { "tasking" });
