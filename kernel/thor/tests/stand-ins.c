/* SPDX-License-Identifier: MIT */
/* What the tests of memory alone need of the parts of thor that they do not link. */
#include <thor/sched/sched.h>

uint64_t arch_clock_ns(void)
{
	return 0;
}

bool sched_should_pause(UNUSED uint64_t since_ns)
{
	return false;
}
