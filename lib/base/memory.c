/* SPDX-License-Identifier: MIT */
/*
 * memcpy, memmove, memset, memcmp, memchr for freestanding programs.
 *
 * Plain loops over 8-byte words, four per round: the kernel may not touch vector registers, and an
 * emulator runs general registers faster than `rep movsb` and SSE, which become helper calls. Words
 * are read and written unaligned; every machine we run on allows that on ordinary memory. The empty
 * assembly statements stop the compiler from turning the loops into vector code or into calls to
 * themselves.
 */
#include <base/string.h>

#if !__STDC_HOSTED__ && !defined(BASE_STRING_PREFIXED)
#undef memcpy
#undef memmove
#undef memset
#endif

typedef uint64_t word __attribute__((may_alias, aligned(1)));
typedef uint32_t half __attribute__((may_alias, aligned(1)));
typedef uint16_t quarter __attribute__((may_alias, aligned(1)));

#define WORD                          sizeof(word)
#define ROUND                         (4 * sizeof(word))
#define KEEP_IN_REGISTERS(a, b, c, d) __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d))
#define KEEP_APART()                  __asm__ volatile("" : : : "memory")

/* The four words of a round are all loaded before the first is stored: safe for overlap. */
static inline void memory_move_round(uint8_t *to, const uint8_t *from)
{
	uint64_t a = ((const word *)from)[0];
	uint64_t b = ((const word *)from)[1];
	uint64_t c = ((const word *)from)[2];
	uint64_t d = ((const word *)from)[3];

	KEEP_IN_REGISTERS(a, b, c, d);
	((word *)to)[0] = a;
	((word *)to)[1] = b;
	((word *)to)[2] = c;
	((word *)to)[3] = d;
}

/* The last bytes of a copy from low to high addresses, less than a word. */
static inline void memory_move_rest(uint8_t *to, const uint8_t *from, size_t size)
{
	if (size & 4) {
		*(half *)to = *(const half *)from;
		to += 4;
		from += 4;
		KEEP_APART();
	}
	if (size & 2) {
		*(quarter *)to = *(const quarter *)from;
		to += 2;
		from += 2;
		KEEP_APART();
	}
	if (size & 1) {
		*to = *from;
	}
}

/* Copy from low to high addresses; @to may overlap the end of @from only from below. */
static void memory_move_up(uint8_t *to, const uint8_t *from, size_t size)
{
	for (; size >= ROUND; size -= ROUND, to += ROUND, from += ROUND) {
		memory_move_round(to, from);
	}
	for (; size >= WORD; size -= WORD, to += WORD, from += WORD) {
		*(word *)to = *(const word *)from;
		KEEP_APART();
	}
	memory_move_rest(to, from, size);
}

/* Copy from high to low addresses; the counterpart for @to above @from. */
static void memory_move_down(uint8_t *to, const uint8_t *from, size_t size)
{
	while (size >= ROUND) {
		size -= ROUND;
		memory_move_round(to + size, from + size);
	}
	while (size >= WORD) {
		size -= WORD;
		*(word *)(to + size) = *(const word *)(from + size);
		KEEP_APART();
	}
	while (size > 0) {
		size--;
		to[size] = from[size];
		KEEP_APART();
	}
}

void *memcpy(void *restrict out_to, const void *restrict from, size_t size)
{
	memory_move_up(out_to, from, size);
	return out_to;
}

void *memmove(void *out_to, const void *from, size_t size)
{
	if ((uintptr_t)out_to - (uintptr_t)from >= size) {
		memory_move_up(out_to, from, size);
	} else {
		memory_move_down(out_to, from, size);
	}
	return out_to;
}

void *memset(void *out_to, int byte, size_t size)
{
	uint8_t *to = out_to;
	uint64_t fill = (uint8_t)byte * 0x0101010101010101u;

	for (; size >= ROUND; size -= ROUND, to += ROUND) {
		((word *)to)[0] = fill;
		KEEP_APART();
		((word *)to)[1] = fill;
		KEEP_APART();
		((word *)to)[2] = fill;
		KEEP_APART();
		((word *)to)[3] = fill;
	}
	for (; size >= WORD; size -= WORD, to += WORD) {
		*(word *)to = fill;
		KEEP_APART();
	}
	for (; size > 0; size--) {
		*to++ = (uint8_t)byte;
		KEEP_APART();
	}
	return out_to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *left = a;
	const uint8_t *right = b;

	while (size >= WORD && *(const word *)left == *(const word *)right) {
		size -= WORD;
		left += WORD;
		right += WORD;
	}
	for (; size > 0; size--, left++, right++) {
		if (*left != *right) {
			return *left < *right ? -1 : 1;
		}
	}
	return 0;
}

void *memchr(const void *data, int byte, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == (uint8_t)byte) {
			return (void *)(uintptr_t)&bytes[i];
		}
	}
	return NULL;
}
