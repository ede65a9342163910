/* SPDX-License-Identifier: MIT */
/* Times of records: with an offset from UTC in quarters of an hour. */
#include <drivers/lib/blockfs/iso9660/iso9660.h>

static struct blockfs_time time_of(
	int64_t year, uint32_t month, uint32_t day, const uint32_t *clock, int8_t quarters)
{
	if (month < 1 || month > 12 || day < 1 || day > 31) {
		return (struct blockfs_time){ 0 };
	}
	int64_t from_march = year - (month <= 2 ? 1 : 0);
	uint32_t shifted = (month + 9) % 12; /* March is 0, leap days are at the end */
	int64_t days = 365 * from_march + from_march / 4 - from_march / 100 + from_march / 400 +
		(153 * shifted + 2) / 5 + day - 1 - 719468;

	return (struct blockfs_time){
		.seconds =
			days * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2] - quarters * 900,
	};
}

struct blockfs_time iso_time_short(const uint8_t *bytes)
{
	const uint32_t clock[] = { bytes[3], bytes[4], bytes[5] };

	return time_of(1900 + bytes[0], bytes[1], bytes[2], clock, (int8_t)bytes[6]);
}

static uint32_t digits(const uint8_t *bytes, size_t n)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n; i++) {
		value = value * 10 + (bytes[i] >= '0' && bytes[i] <= '9' ? bytes[i] - '0' : 0u);
	}
	return value;
}

struct blockfs_time iso_time_long(const uint8_t *bytes)
{
	const uint32_t clock[] = { digits(bytes + 8, 2), digits(bytes + 10, 2),
		digits(bytes + 12, 2) };
	struct blockfs_time time = time_of(digits(bytes, 4), digits(bytes + 4, 2),
		digits(bytes + 6, 2), clock, (int8_t)bytes[16]);

	time.nanoseconds = digits(bytes + 14, 2) * 10000000u;
	return time;
}
