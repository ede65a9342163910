/* SPDX-License-Identifier: MIT */
/*
 * What the tests of direct transfers share: a disk, and bytes that say where they belong.
 *
 * The disk is $DIRECT_DEVICE, whose bytes are lost, or a loop device, or where there is none a
 * file: then what is said of disks alone is left out.
 */
#ifndef TESTS_LINUX_DIRECT_H
#define TESTS_LINUX_DIRECT_H

#include "check.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define KIB     1024
#define SPAN    (8u << 20) /* of the disk that is used */
#define LONGEST (1536 * KIB)
#define WARM    30

static bool is_disk;
static uint64_t disk_size;
static uint8_t *buffer, *other; /* LONGEST bytes each, of whole pages */

static int open_loop(void)
{
	char name[] = "direct-XXXXXX", device[64];
	int control = open("/dev/loop-control", O_RDWR), file = mkstemp(name);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	int disk = -1;

	CHECK(file >= 0 && ftruncate(file, SPAN) == 0);
	unlink(name);
	if (number >= 0) {
		snprintf(device, sizeof(device), "/dev/loop%d", number);
		int loop = open(device, O_RDWR);
		struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };

		if (loop >= 0 && ioctl(loop, LOOP_SET_FD, file) == 0) {
			CHECK_EQ(ioctl(loop, LOOP_SET_STATUS64, &info), 0);
			disk = open(device, O_RDWR | O_DIRECT);
		}
		close(loop);
	}
	if (disk < 0) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
		disk = open(path, O_RDWR | O_DIRECT);
		disk = disk < 0 ? open(path, O_RDWR) : disk;
	}
	close(control);
	close(file);
	return disk;
}

static int open_disk(void)
{
	const char *name = getenv("DIRECT_DEVICE");
	int fd = name == NULL ? open_loop() : open(name, O_RDWR | O_DIRECT);
	struct stat stat;

	CHECK(fd >= 0);
	CHECK_EQ(fstat(fd, &stat), 0);
	is_disk = S_ISBLK(stat.st_mode);
	disk_size = (uint64_t)stat.st_size;
	CHECK(!is_disk || ioctl(fd, BLKGETSIZE64, &disk_size) == 0);
	CHECK(disk_size >= SPAN);
	buffer = mmap(NULL, LONGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	other = mmap(NULL, LONGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(buffer != MAP_FAILED && other != MAP_FAILED);
	return fd;
}

/* What a block of the disk holds after fill(): so whoever reads it can tell. */
static uint64_t word_of(uint64_t offset, uint32_t version)
{
	return offset * 0x9e3779b97f4a7c15 + version;
}

static void make_words(uint8_t *bytes, uint64_t size, uint64_t offset, uint32_t version)
{
	for (uint64_t i = 0; i < size; i += 8) {
		uint64_t word = word_of(offset + i, version);

		memcpy(bytes + i, &word, 8);
	}
}

static bool are_words(const uint8_t *bytes, uint64_t size, uint64_t offset, uint32_t version)
{
	for (uint64_t i = 0; i < size; i += 8) {
		uint64_t word = word_of(offset + i, version);

		if (memcmp(bytes + i, &word, 8) != 0) {
			return false;
		}
	}
	return true;
}

/* Until it is worth while not to ask. */
static void warm(int fd)
{
	for (int i = 0; i < WARM; i++) {
		make_words(buffer, 4096, 0, 7);
		CHECK_EQ(pwrite(fd, buffer, 4096, 0), 4096);
		CHECK_EQ(pread(fd, buffer, 4096, 0), 4096);
		CHECK(are_words(buffer, 4096, 0, 7));
		usleep(i < 20 ? 1000 : 0);
	}
}

static int open_warm(void)
{
	int fd = open_disk();

	warm(fd);
	return fd;
}

__attribute__((unused)) static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
