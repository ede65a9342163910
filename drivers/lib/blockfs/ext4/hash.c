/* SPDX-License-Identifier: MIT */
/*
 * Hashes of names: half of MD4, TEA in a Davies-Meyer loop, and the one of the first days.
 *
 * Each exists for `char` signed and unsigned: where the machine that made the file system had which
 * is a flag of the superblock. See Documentation/filesystems/ext4/directory.rst, "Hash Tree
 * Directories".
 */
#include <drivers/lib/blockfs/ext4/ext4.h>

#define HASH_END   0xfffffffeu /* is no hash: it means the end of a directory */
#define MD4_K2     0x5a827999u
#define MD4_K3     0x6ed9eba1u
#define TEA_DELTA  0x9e3779b9u
#define TEA_ROUNDS 16

static inline uint32_t rotate(uint32_t value, int n_bits)
{
	return value << n_bits | value >> (32 - n_bits);
}

static void half_md4(uint32_t sums[4], const uint32_t in[8])
{
	static const uint8_t order[3][8] = {
		{ 0, 1, 2, 3, 4, 5, 6, 7 },
		{ 1, 3, 5, 7, 0, 2, 4, 6 },
		{ 3, 7, 2, 6, 1, 5, 0, 4 },
	};
	static const uint8_t shifts[3][4] = { { 3, 7, 11, 19 }, { 3, 5, 9, 13 }, { 3, 9, 11, 15 } };
	static const uint32_t constants[3] = { 0, MD4_K2, MD4_K3 };
	uint32_t words[4] = { sums[0], sums[1], sums[2], sums[3] };

	for (int round = 0; round < 3; round++) {
		for (int step = 0; step < 8; step++) {
			/* the step changes a, the roles go round: a, d, c, b */
			uint32_t *a = &words[(4 - step % 4) % 4];
			uint32_t b = words[(5 - step % 4) % 4];
			uint32_t c = words[(6 - step % 4) % 4];
			uint32_t d = words[(7 - step % 4) % 4];
			uint32_t mixed = round == 0 ? d ^ (b & (c ^ d))
				: round == 1        ? (b & c) + ((b ^ c) & d)
						    : b ^ c ^ d;

			*a = rotate(*a + mixed + in[order[round][step]] + constants[round],
				shifts[round][step % 4]);
		}
	}
	for (int i = 0; i < 4; i++) {
		sums[i] += words[i];
	}
}

static void tea(uint32_t sums[4], const uint32_t in[4])
{
	uint32_t low = sums[0], high = sums[1], sum = 0;

	for (int round = 0; round < TEA_ROUNDS; round++) {
		sum += TEA_DELTA;
		low += ((high << 4) + in[0]) ^ (high + sum) ^ ((high >> 5) + in[1]);
		high += ((low << 4) + in[2]) ^ (low + sum) ^ ((low >> 5) + in[3]);
	}
	sums[0] += low;
	sums[1] += high;
}

static inline uint32_t name_byte(const char *name, size_t index, bool is_unsigned)
{
	return is_unsigned ? (uint32_t)(uint8_t)name[index]
			   : (uint32_t)(int32_t)(int8_t)name[index];
}

/* Up to n_words * 4 bytes of a name as words, the rest filled with its length. */
static void name_words(
	const char *name, size_t length, bool is_unsigned, uint32_t *out_words, size_t n_words)
{
	uint32_t fill = (uint32_t)(length | length << 8);
	size_t n_bytes = min_size(length, n_words * 4);

	fill |= fill << 16;
	for (size_t word = 0; word < n_words; word++) {
		uint32_t value = fill;

		for (size_t i = word * 4; i < word * 4 + 4 && i < n_bytes; i++) {
			value = name_byte(name, i, is_unsigned) + (value << 8);
		}
		out_words[word] = value;
	}
}

static uint32_t legacy(const char *name, size_t length, bool is_unsigned)
{
	uint32_t newer = 0x12a3fe2du, older = 0x37abe8f9u;

	for (size_t i = 0; i < length; i++) {
		uint32_t next = older + (newer ^ (name_byte(name, i, is_unsigned) * 7152373u));

		if ((next & 0x80000000u) != 0) {
			next -= 0x7fffffffu;
		}
		older = newer;
		newer = next;
	}
	return newer << 1;
}

bool ext4_hash_name(const uint32_t seed[4], uint8_t version, const char *name, size_t length,
	struct ext4_hash *out_hash)
{
	uint32_t sums[4] = { 0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u };
	bool is_unsigned = version >= EXT4_HASH_LEGACY_UNSIGNED;
	uint32_t words[8];

	if ((seed[0] | seed[1] | seed[2] | seed[3]) != 0) {
		for (int i = 0; i < 4; i++) {
			sums[i] = seed[i];
		}
	}
	*out_hash = (struct ext4_hash){ 0 };
	switch (version) {
	case EXT4_HASH_LEGACY:
	case EXT4_HASH_LEGACY_UNSIGNED: out_hash->major = legacy(name, length, is_unsigned); break;
	case EXT4_HASH_HALF_MD4:
	case EXT4_HASH_HALF_MD4_UNSIGNED:
		for (size_t done = 0; done < length; done += 32) {
			name_words(name + done, length - done, is_unsigned, words, 8);
			half_md4(sums, words);
		}
		out_hash->major = sums[1];
		out_hash->minor = sums[2];
		break;
	case EXT4_HASH_TEA:
	case EXT4_HASH_TEA_UNSIGNED:
		for (size_t done = 0; done < length; done += 16) {
			name_words(name + done, length - done, is_unsigned, words, 4);
			tea(sums, words);
		}
		out_hash->major = sums[0];
		out_hash->minor = sums[1];
		break;
	default: return false;
	}
	out_hash->major &= ~1u;
	if (out_hash->major == HASH_END) {
		out_hash->major = HASH_END - 2;
	}
	return true;
}
