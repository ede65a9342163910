/* SPDX-License-Identifier: MIT */
/* crc32c by the instruction that came with SSE4.2; it uses general registers only. */
#include <base/string.h>
#include <drivers/lib/blockfs/crc32c.h>

#define CPUID_1_C_CRC32 (1u << 20)

bool crc32c_is_fast(void)
{
	uint32_t a = 1, b, c = 0, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return (c & CPUID_1_C_CRC32) != 0;
}

__attribute__((target("crc32"))) uint32_t crc32c_fast(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t wide = sum;

	for (; size >= 8; size -= 8, bytes += 8) {
		uint64_t word;

		memcpy(&word, bytes, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	sum = (uint32_t)wide;
	if (size >= 4) {
		uint32_t word;

		memcpy(&word, bytes, sizeof(word));
		sum = __builtin_ia32_crc32si(sum, word);
		bytes += 4;
		size -= 4;
	}
	for (; size > 0; size--, bytes++) {
		sum = __builtin_ia32_crc32qi(sum, *bytes);
	}
	return sum;
}
