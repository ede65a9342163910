/* SPDX-License-Identifier: MIT */
/* Tests of base/string.h: our memory and string functions against the C library's. */
#include <string.h>

/* The C library's functions keep working under other names... */
static void *(*const libc_memmove)(void *, const void *, size_t) = memmove;
static size_t (*const libc_strnlen)(const char *, size_t) = strnlen;
static int (*const libc_memcmp)(const void *, const void *, size_t) = memcmp;
static char *(*const libc_strstr)(const char *, const char *) = strstr;

#include <base/random.h>
#include <base/testing.h>

/*
 * ... because from here on memcpy() is base_memcpy(): this program is built with
 * BASE_STRING_PREFIXED.
 */
#include <base/string.h>

static int sign(int value)
{
	return (value > 0) - (value < 0);
}

TEST(move_every_overlap)
{
	uint8_t ours[160];
	uint8_t theirs[160];

	for (size_t size = 0; size < 80; size++) {
		for (size_t to = 0; to < 80; to += 3) {
			for (size_t i = 0; i < sizeof(ours); i++) {
				ours[i] = theirs[i] = (uint8_t)(i * 7);
			}
			CHECK(memmove(ours + to, ours + 40, size) == ours + to);
			libc_memmove(theirs + to, theirs + 40, size);
			CHECK_EQ(libc_memcmp(ours, theirs, sizeof(ours)), 0);
		}
	}
}

TEST(copy_and_set_stay_inside)
{
	for (size_t size = 0; size < 200; size++) {
		uint8_t *from = malloc(size + 1);
		uint8_t *to = malloc(size); /* ASan watches the borders */

		for (size_t i = 0; i < size; i++) {
			from[i] = (uint8_t)(i + size);
		}
		CHECK(memcpy(to, from, size) == to);
		CHECK(size == 0 || libc_memcmp(to, from, size) == 0);
		CHECK(memset(to, 0x1a5, size) == to);
		for (size_t i = 0; i < size; i++) {
			CHECK_EQ(to[i], 0xa5);
		}
		free(from);
		free(to);
	}
}

TEST(compare_and_search)
{
	struct random random;

	random_init(&random, test_seed(3));
	for (int round = 0; round < 2000; round++) {
		char a[24];
		char b[24];
		size_t size = random_below(&random, sizeof(a) - 1);

		for (size_t i = 0; i < sizeof(a); i++) {
			a[i] = (char)('a' + random_below(&random, 2));
			b[i] = random_chance(&random, 8) ? (char)0xff : a[i];
		}
		a[sizeof(a) - 1] = b[sizeof(b) - 1] = '\0';
		CHECK_EQ(memcmp(a, b, size), sign(libc_memcmp(a, b, size)));
		CHECK_EQ(sign(strncmp(a, b, size)), sign(libc_memcmp(a, b, size)));
		CHECK_EQ(sign(strcmp(a, b)), sign(libc_memcmp(a, b, sizeof(a))));
		a[size] = '\0';
		CHECK_EQ(strlen(a), size);
		CHECK_EQ(strnlen(a, 10), libc_strnlen(a, 10));
		CHECK(strstr(b, a + size / 2) == libc_strstr(b, a + size / 2));
	}
}

TEST(find_characters)
{
	const char *text = "hello";

	CHECK(strchr(text, 'l') == text + 2);
	CHECK(strrchr(text, 'l') == text + 3);
	CHECK(strchr(text, 'x') == NULL);
	CHECK(strrchr(text, 'x') == NULL);
	CHECK(strchr(text, '\0') == text + 5);
	CHECK(strrchr(text, '\0') == text + 5);
	CHECK(memchr(text, 'o', 4) == NULL);
	CHECK(memchr(text, 'o', 5) == text + 4);
	CHECK(strstr(text, "") == text);
	CHECK(strstr(text, "lo") == text + 3);
	CHECK(strstr(text, "low") == NULL);
}

TEST(bounded_copy)
{
	char buffer[4] = "zzz";

	CHECK(!str_copy(buffer, sizeof(buffer), "abc"));
	CHECK_STR_EQ(buffer, "abc");
	CHECK(str_copy(buffer, sizeof(buffer), "abcd"));
	CHECK_STR_EQ(buffer, "abc");
	CHECK(str_copy(buffer, 1, "x"));
	CHECK_STR_EQ(buffer, "");
	CHECK(!str_copy(buffer, 1, ""));
	CHECK(str_starts_with("hello", "hel"));
	CHECK(!str_starts_with("he", "hel"));
}

static void check_parse(const char *text, unsigned base, bool is_good, uint64_t expected)
{
	uint64_t value = 77;

	CHECK_EQ(parse_u64(text, base, &value), is_good);
	CHECK_EQ(value, is_good ? expected : 77);
}

TEST(parse_numbers)
{
	check_parse("0", 10, true, 0);
	check_parse("18446744073709551615", 10, true, UINT64_MAX);
	check_parse("18446744073709551616", 10, false, 0);
	check_parse("99999999999999999999", 0, false, 0);
	check_parse("ffffffffffffffff", 16, true, UINT64_MAX);
	check_parse("10000000000000000", 16, false, 0);
	check_parse("0xfF", 0, true, 255);
	check_parse("0xfF", 16, true, 255);
	check_parse("0xfF", 10, false, 0);
	check_parse("0o17", 0, true, 15);
	check_parse("0b101", 0, true, 5);
	check_parse("0b1", 16, true, 0xb1);
	check_parse("017", 0, true, 17);
	check_parse("17", 8, true, 15);
	check_parse("18", 8, false, 0);
	check_parse("", 10, false, 0);
	check_parse("0x", 0, false, 0);
	check_parse("-1", 10, false, 0);
	check_parse(" 1", 10, false, 0);
	check_parse("1g", 16, false, 0);
}

TEST_MAIN()
