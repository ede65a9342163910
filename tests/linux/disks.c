/* SPDX-License-Identifier: MIT */
/* Calls about disks, where there need not be one. */
#include "check.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define NOBODY 65534

CASE(ioctls_of_disks_on_other_files)
{
	char name[] = "disks-XXXXXX";
	int file = mkstemp(name), null = open("/dev/null", O_RDWR);
	uint64_t size;
	int value;

	CHECK(file >= 0 && null >= 0);
	unlink(name);
	CHECK(ioctl(file, BLKGETSIZE64, &size) < 0 && errno == ENOTTY);
	CHECK(ioctl(null, BLKGETSIZE64, &size) < 0 && errno == ENOTTY);
	CHECK(ioctl(null, BLKSSZGET, &value) < 0 && errno == ENOTTY);
	CHECK(ioctl(null, BLKRRPART) < 0 && errno == ENOTTY);
	CHECK(ioctl(null, BLKFLSBUF, 0) < 0 && errno == ENOTTY);
}

CASE(partitions_are_listed_below_a_head)
{
	char line[128] = "";
	FILE *file = fopen("/proc/partitions", "r");

	CHECK(file != NULL);
	CHECK(fgets(line, sizeof(line), file) != NULL);
	CHECK(strcmp(line, "major minor  #blocks  name\n") == 0);
	fclose(file);
}

CASE(swap_spaces_are_for_the_superuser)
{
	CHECK(syscall(SYS_swapon, "/", 0x80000) < 0 && errno == EINVAL);
	CHECK(geteuid() != 0 || setuid(NOBODY) == 0);
	CHECK(syscall(SYS_swapon, "/", 0) < 0 && errno == EPERM);
	CHECK(syscall(SYS_swapoff, "/") < 0 && errno == EPERM);
}

CASES_MAIN()
