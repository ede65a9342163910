/* SPDX-License-Identifier: MIT */
/* /proc/PID/maps and smaps. */
#ifndef POSIX_PRINT_MAPS_H
#define POSIX_PRINT_MAPS_H

#include <hel/hel-calls.h>
#include <posix/server/process/print.h>
#include <posix/server/process/process-internal.h>

/** print_smaps_details() - what smaps says of a mapping below its line of maps */
void print_smaps_details(
	struct printer *printer, const struct hel_mapping_info *info, bool is_private);

#endif
