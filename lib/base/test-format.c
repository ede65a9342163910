/* SPDX-License-Identifier: MIT */
/* Tests of base/format.h: the same text as the C library's printf. */
#include <base/format.h>
#include <base/testing.h>
#include <base/types.h>

/* Format with ours and with libc's; both must agree on text and length, whole and cut. */
#define CHECK_LIKE_LIBC(...) \
	do { \
		char ours_[128]; \
		char theirs_[128]; \
		size_t n_ours_ = format_to(ours_, sizeof(ours_), __VA_ARGS__); \
		int n_theirs_ = snprintf(theirs_, sizeof(theirs_), __VA_ARGS__); \
		CHECK_STR_EQ(ours_, theirs_); \
		CHECK_EQ(n_ours_, n_theirs_); \
		CHECK_EQ(format_to(ours_, 4, __VA_ARGS__), n_theirs_); \
		theirs_[3] = '\0'; \
		CHECK_STR_EQ(ours_, theirs_); \
	} while (0)

TEST(integers)
{
	CHECK_LIKE_LIBC("%d %i %u", -1, 42, 3000000000u);
	CHECK_LIKE_LIBC("%d %d", INT32_MIN, INT32_MAX);
	CHECK_LIKE_LIBC("%ld %lld %zu", INT64_MIN, (long long)INT64_MAX, SIZE_MAX);
	CHECK_LIKE_LIBC("%hhd %hhu %hd %hu", (char)-3, (unsigned char)253, (short)-4,
		(unsigned short)65000);
	CHECK_LIKE_LIBC("%x %X %lx %o", 0xbeef, 0xBEEFu, 0x123456789abcdefl, 0755);
	CHECK_LIKE_LIBC("%#x %#X %#o %#x %#o", 0x1f, 0x1f, 8, 0, 0);
	CHECK_LIKE_LIBC("[%+d] [% d] [%+d] [% d]", 5, 5, -5, -5);
}

TEST(width_and_precision)
{
	CHECK_LIKE_LIBC("[%5d] [%-5d] [%05d] [%5d]", 42, 42, 42, -42);
	CHECK_LIKE_LIBC("[%05d] [%-+6d] [%+06d]", -42, 42, 42);
	CHECK_LIKE_LIBC("[%.3d] [%8.3d] [%-8.3d] [%.0d]", 7, 7, 7, 0);
	CHECK_LIKE_LIBC("[%#10x] [%#010x] [%-#10x] [%#.6x]", 0xab, 0xab, 0xab, 0xab);
	CHECK_LIKE_LIBC("[%*d] [%-*d] [%*d]", 6, 1, 6, 2, -6, 3);
	CHECK_LIKE_LIBC("[%.*d] [%.*d]", 4, 9, -1, 9);
}

TEST(texts)
{
	CHECK_LIKE_LIBC("%s|%10s|%-10s|%.2s|%10.1s", "one", "two", "three", "four", "five");
	CHECK_LIKE_LIBC("%.*s|%c|%3c|%-3c|%%", 2, "abcdef", 'x', 'y', 'z');
	CHECK_LIKE_LIBC("%p", (void *)0x1234);
	char buffer[32];

	CHECK_EQ(format_to(buffer, sizeof(buffer), "%s", (const char *)NULL), 6);
	CHECK_STR_EQ(buffer, "(null)");
}

TEST(string_need_not_be_terminated_within_precision)
{
	char *letters = malloc(3);

	for (int i = 0; i < 3; i++) {
		letters[i] = (char)('a' + i);
	}
	CHECK_LIKE_LIBC("%.3s", letters);
	free(letters);
}

TEST(counting_and_tiny_buffers)
{
	char buffer[1] = { 'x' };

	CHECK_EQ(format_to(NULL, 0, "%d", 12345), 5);
	CHECK_EQ(format_to(buffer, 1, "%d", 12345), 5);
	CHECK_EQ(buffer[0], '\0');
}

TEST_MAIN()
