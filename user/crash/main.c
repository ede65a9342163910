/* SPDX-License-Identifier: MIT */
/*
 * crash: a server that dies, for tests/system/servers.py. What it does is its first argument.
 */
#include <base/assert.h>
#include <base/string.h>
#include <helix/helix.h>

int main(int n_arguments, char **arguments)
{
	const char *way = n_arguments > 1 ? arguments[1] : "";

	helix_log(HEL_LOG_INFO, "about to %s", way);
	if (str_equal(way, "fault")) {
		*(volatile int *)16 = 1;
	} else if (str_equal(way, "assert")) {
		ASSERT(n_arguments == 1);
	} else if (str_equal(way, "return")) {
		return 3;
	}
	return 0;
}
