/* SPDX-License-Identifier: MIT */
/*
 * The battery-backed clock of a PC: MC146818 registers behind ports 0x70 (index) and 0x71 (data).
 *
 * The registers change once a second, announced by a flag for a quarter of a millisecond before.
 * Instead of waiting for the flag the date is read until two readings agree and the flag was clear
 * before both.
 */
#include "rtc.h"

#include <abi/hel/errors.h>
#include <hel/hel-calls.h>

constexpr uint32_t RTC_PORT = 0x70;
constexpr uint32_t RTC_SECONDS = 0, RTC_MINUTES = 2, RTC_HOURS = 4, RTC_DAY = 7, RTC_MONTH = 8,
		   RTC_YEAR = 9;
constexpr uint32_t RTC_STATUS_A = 10, RTC_STATUS_B = 11;
constexpr uint8_t RTC_IS_UPDATING = 0x80; /* in status A */
constexpr uint8_t RTC_IS_BINARY = 4, RTC_IS_24_HOURS = 2; /* in status B */
constexpr uint8_t RTC_IS_AFTERNOON = 0x80; /* in the hours, if they are 12 */
constexpr unsigned RTC_TRIES = 10000;
constexpr int64_t NS_PER_S = 1000000000;

struct rtc_date {
	uint8_t seconds, minutes, hours, day, month, year;
};

static int rtc_register(hel_handle io, uint32_t index, uint8_t *out_value)
{
	uint32_t value;
	int error = hel_io_write(io, 0, 1, index);

	if (error == 0) {
		error = hel_io_read(io, 1, 1, &value);
	}
	if (error == 0) {
		*out_value = (uint8_t)value;
	}
	return error;
}

static int rtc_read_date(hel_handle io, struct rtc_date *out_date)
{
	const struct {
		uint32_t index;
		uint8_t *value;
	} fields[] = {
		{ RTC_SECONDS, &out_date->seconds },
		{ RTC_MINUTES, &out_date->minutes },
		{ RTC_HOURS, &out_date->hours },
		{ RTC_DAY, &out_date->day },
		{ RTC_MONTH, &out_date->month },
		{ RTC_YEAR, &out_date->year },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		int error = rtc_register(io, fields[i].index, fields[i].value);

		if (error != 0) {
			return error;
		}
	}
	return 0;
}

static bool rtc_is_same(const struct rtc_date *a, const struct rtc_date *b)
{
	return a->seconds == b->seconds && a->minutes == b->minutes && a->hours == b->hours &&
		a->day == b->day && a->month == b->month && a->year == b->year;
}

/* A date that was not read while it changed. */
static int rtc_read_stable(hel_handle io, struct rtc_date *out_date)
{
	struct rtc_date last = { .month = 0xff };

	for (unsigned i = 0; i < RTC_TRIES; i++) {
		uint8_t status;
		int error = rtc_register(io, RTC_STATUS_A, &status);

		if (error == 0 && (status & RTC_IS_UPDATING) == 0) {
			error = rtc_read_date(io, out_date);
			if (error == 0 && rtc_is_same(out_date, &last)) {
				return 0;
			}
			last = *out_date;
		}
		if (error != 0) {
			return error;
		}
	}
	return -ERR_IO;
}

static uint8_t rtc_from_bcd(uint8_t value)
{
	return (uint8_t)((value >> 4) * 10 + (value & 15));
}

static void rtc_normalise(struct rtc_date *date, uint8_t status_b)
{
	bool is_afternoon =
		(status_b & RTC_IS_24_HOURS) == 0 && (date->hours & RTC_IS_AFTERNOON) != 0;

	date->hours &= (uint8_t)~RTC_IS_AFTERNOON;
	if ((status_b & RTC_IS_BINARY) == 0) {
		date->seconds = rtc_from_bcd(date->seconds);
		date->minutes = rtc_from_bcd(date->minutes);
		date->hours = rtc_from_bcd(date->hours);
		date->day = rtc_from_bcd(date->day);
		date->month = rtc_from_bcd(date->month);
		date->year = rtc_from_bcd(date->year);
	}
	if ((status_b & RTC_IS_24_HOURS) == 0) {
		date->hours = (uint8_t)(date->hours % 12 + (is_afternoon ? 12 : 0));
	}
}

/* Seconds since 1970 of a date between 2000 and 2099. */
static int64_t rtc_seconds_of(const struct rtc_date *date)
{
	static const uint16_t days_before[12] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304,
		334 };
	int64_t year = date->year;
	int64_t days =
		10957 + year * 365 + (year + 3) / 4 + days_before[date->month - 1] + date->day - 1;

	if (year % 4 == 0 && date->month > 2) {
		days++;
	}
	return ((days * 24 + date->hours) * 60 + date->minutes) * 60 + date->seconds;
}

static int rtc_read(hel_handle io, int64_t *out_seconds)
{
	struct rtc_date date;
	uint8_t status_b = 0;
	int error = rtc_register(io, RTC_STATUS_B, &status_b);

	if (error == 0) {
		error = rtc_read_stable(io, &date);
	}
	if (error != 0) {
		return error;
	}
	rtc_normalise(&date, status_b);
	if (date.month < 1 || date.month > 12 || date.day < 1 || date.day > 31 || date.hours > 23 ||
		date.minutes > 59 || date.seconds > 60 || date.year > 99) {
		return -ERR_IO;
	}
	*out_seconds = rtc_seconds_of(&date);
	return 0;
}

int rtc_set_clock(hel_handle authority)
{
	int64_t seconds = 0;
	uint64_t now_ns = 0;
	hel_handle io;
	int error = hel_io_create(authority, RTC_PORT, 2, &io);

	if (error != 0) {
		return error;
	}
	error = rtc_read(io, &seconds);
	hel_close(HEL_THIS, io);
	if (error == 0) {
		error = hel_clock_get(&now_ns);
	}
	if (error == 0) {
		error = hel_clock_set_realtime(authority, seconds * NS_PER_S - (int64_t)now_ns);
	}
	return error;
}
