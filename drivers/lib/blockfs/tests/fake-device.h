/* SPDX-License-Identifier: MIT */
/*
 * A disk in memory for tests: slow, disorderly, faulty and without power when told so.
 *
 * Each request takes a random time of the test loop's virtual clock; what a write does, it does at
 * the end of that time, so requests in flight overtake each other and a buffer that changes while
 * it is written shows. With recording on, writes and flushes are kept in the order in which they
 * happened, and fake_device_crash() makes the image that a power cut after any of them may leave:
 * what a flush covered, what was written with FUA, and a random part of the rest, cut between
 * sectors.
 */
#ifndef BLOCKFS_TESTS_FAKE_DEVICE_H
#define BLOCKFS_TESTS_FAKE_DEVICE_H

#include <base/random.h>
#include <drivers/lib/blockfs/device.h>

struct fake_record {
	bool is_flush;
	bool is_fua;
	uint64_t offset;
	uint64_t length;
	uint64_t n_covered;  /* flush: the records before this one are durable */
	uint8_t *data;
};

struct fake_device {
	struct device device;
	struct loop *loop;
	struct random random;
	uint8_t *image;
	uint64_t delay_max_ns; /* 0: requests finish inline */

	/* faults */
	uint64_t fail_one_in;      /* 0: never; a request fails with -ERR_IO */
	bool fails_writes_only;
	uint64_t fail_from, fail_to; /* requests that touch these bytes fail */

	/* recording */
	bool is_recording;
	uint8_t *first_image;
	struct fake_record *records;
	size_t n_records;
	size_t n_records_max;

	uint64_t n_reads, n_writes, n_flushes, bytes_read, bytes_written;
	uint64_t n_in_flight;
};

/** fake_device_init() - a disk of @size zero bytes */
void fake_device_init(struct fake_device *fake, struct loop *loop, uint64_t size, uint64_t seed);

/** fake_device_load() - a disk with the contents of a file; false if it cannot be read */
bool fake_device_load(struct fake_device *fake, struct loop *loop, const char *path, uint64_t seed);

/** fake_device_save() - write the disk to a file, with holes for zeros; false if that fails */
bool fake_device_save(const struct fake_device *fake, const char *path);

/** fake_device_record() - begin to record, from the present contents */
void fake_device_record(struct fake_device *fake);

/**
 * fake_device_crash() - the image after a power cut
 * @n_records: so many of the records have happened
 * @out_image: room for the device's size
 */
void fake_device_crash(const struct fake_device *fake, size_t n_records, struct random *random,
	uint8_t *out_image);

/** fake_device_forget() - drop the records */
void fake_device_forget(struct fake_device *fake);

/** fake_device_deinit() - free everything */
void fake_device_deinit(struct fake_device *fake);

#endif
