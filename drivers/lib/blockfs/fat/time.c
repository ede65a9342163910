/* SPDX-License-Identifier: MIT */
/* Times of FAT: from 1980 to 2107, two seconds, and the clock is UTC. */
#include <drivers/lib/blockfs/fat/fat.h>

#define DAY_SECONDS 86400
#define YEAR_FIRST  1980u
#define YEAR_LAST   2107u

/* Days from 1970 to the first of March of a year, so that leap days are at the end. */
static int64_t days_to_march(int64_t year)
{
	return 365 * year + year / 4 - year / 100 + year / 400 - 719468;
}

static int64_t days_from(uint32_t year, uint32_t month, uint32_t day)
{
	uint32_t shifted = (month + 9) % 12; /* March is 0 */

	return days_to_march((int64_t)year - (month <= 2 ? 1 : 0)) + (153 * shifted + 2) / 5 + day -
		1;
}

struct blockfs_time fat_time_decode(uint16_t date, uint16_t time, uint8_t centiseconds)
{
	uint32_t month = date >> 5 & 15, day = date & 31;
	int64_t days = days_from(YEAR_FIRST + (date >> 9),
		month == 0           ? 1
			: month > 12 ? 12
				     : month,
		day == 0 ? 1 : day);
	uint32_t seconds =
		(uint32_t)(time >> 11) * 3600 + (time >> 5 & 63) * 60u + (time & 31) * 2u;

	return (struct blockfs_time){
		.seconds = days * DAY_SECONDS + seconds + centiseconds / 100,
		.nanoseconds = centiseconds % 100 * 10000000u,
	};
}

static uint16_t date_encode(int64_t days)
{
	uint32_t year = YEAR_FIRST, month = 1;

	while (days_from(year + 1, 1, 1) <= days) {
		year++;
	}
	while (month < 12 && days_from(year, month + 1, 1) <= days) {
		month++;
	}
	return (uint16_t)((year - YEAR_FIRST) << 9 | month << 5 |
		(uint32_t)(days - days_from(year, month, 1) + 1));
}

void fat_time_encode(
	struct blockfs_time from, uint8_t *out_date, uint8_t *out_time, uint8_t *out_centiseconds)
{
	const int64_t first = days_from(YEAR_FIRST, 1, 1) * DAY_SECONDS;
	const int64_t last = days_from(YEAR_LAST + 1, 1, 1) * DAY_SECONDS - 1;

	if (from.seconds < first || from.seconds > last) {
		from.seconds = from.seconds < first ? first : last;
		from.nanoseconds = 0;
	}
	uint32_t second = (uint32_t)(from.seconds % DAY_SECONDS);

	fat_put_16(out_date, date_encode(from.seconds / DAY_SECONDS));
	if (out_time != NULL) {
		fat_put_16(out_time, second / 3600 << 11 | second / 60 % 60 << 5 | second % 60 / 2);
	}
	if (out_centiseconds != NULL) {
		*out_centiseconds = (uint8_t)(second % 2 * 100 + from.nanoseconds / 10000000u);
	}
}
