/* SPDX-License-Identifier: MIT */
/* /proc/PID/maps, smaps and numa_maps. */
#ifndef POSIX_PRINT_MAPS_H
#define POSIX_PRINT_MAPS_H

#include <hel/hel-calls.h>
#include <posix/server/process/print.h>
#include <posix/server/process/process-internal.h>

/** print_smaps_details() - what smaps says of a mapping below its line of maps */
void print_smaps_details(
	struct printer *printer, const struct hel_mapping_info *info, bool is_private);

/**
 * print_numa_mapping() - a line of numa_maps
 * @name: of its file, or of its kind as maps has it
 * @policy: that of the thread, for where the mapping has none
 */
void print_numa_mapping(struct printer *printer, const struct hel_mapping_info *info,
	const char *name, uint64_t policy);

#endif
