/* SPDX-License-Identifier: MIT */
/* The battery-backed clock of a PC. */
#ifndef HW_RTC_H
#define HW_RTC_H

#include <abi/hel/types.h>
#include <base/types.h>

/**
 * rtc_set_clock() - read the date and give it to the kernel as the wall clock
 * @authority: borrowed; needs MANAGE
 *
 * Return: 0, -ERR_IO (the clock does not answer or its date is nonsense), what making the ports
 * fails with.
 */
MUST_USE int rtc_set_clock(hel_handle authority);

#endif
