/* SPDX-License-Identifier: MIT */
/* A disk in memory: see fake-device.h. */
#define _GNU_SOURCE /* SEEK_DATA */
#include "fake-device.h"

#include <base/assert.h>
#include <base/errors.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAKE_SECTOR 512

struct fake_request {
	struct timer timer;
	struct device_request *request;
	size_t n_records_at_start;
};

static struct fake_device *fake_of(struct device_request *request)
{
	return container_of(request->device, struct fake_device, device);
}

static bool fake_fails(struct fake_device *fake, const struct device_request *request)
{
	bool is_write = request->action != DEVICE_READ;

	if (fake->fails_writes_only && !is_write) {
		return false;
	}
	if (request->offset < fake->fail_to &&
		request->offset + request->length > fake->fail_from) {
		return true;
	}
	return fake->fail_one_in != 0 && random_chance(&fake->random, fake->fail_one_in);
}

static struct fake_record *fake_append(struct fake_device *fake)
{
	if (fake->n_records == fake->n_records_max) {
		fake->n_records_max = fake->n_records_max * 2 + 64;
		fake->records =
			realloc(fake->records, fake->n_records_max * sizeof(*fake->records));
	}
	struct fake_record *record = &fake->records[fake->n_records++];

	*record = (struct fake_record){ 0 };
	return record;
}

static void fake_copy(struct fake_device *fake, const struct device_request *request)
{
	uint8_t *place = fake->image + request->offset;

	for (size_t i = 0; i < request->n_buffers; i++) {
		const struct device_buffer *buffer = &request->buffers[i];

		ASSERT(buffer->address != NULL);
		if (request->action == DEVICE_READ) {
			memcpy(buffer->address, place, buffer->length);
		} else {
			memcpy(place, buffer->address, buffer->length);
		}
		place += buffer->length;
	}
	ASSERT(place == fake->image + request->offset + request->length);
}

static void fake_record_write(struct fake_device *fake, const struct device_request *request)
{
	struct fake_record *record = fake_append(fake);

	record->offset = request->offset;
	record->length = request->length;
	record->is_fua = (request->flags & DEVICE_FUA) != 0;
	record->data = malloc(request->length);
	memcpy(record->data, fake->image + request->offset, request->length);
}

static int fake_perform(
	struct fake_device *fake, const struct device_request *request, size_t n_records_at_start)
{
	if (fake_fails(fake, request)) {
		return -ERR_IO;
	}
	switch (request->action) {
	case DEVICE_READ:
		fake->n_reads++;
		fake->bytes_read += request->length;
		fake_copy(fake, request);
		return 0;
	case DEVICE_FLUSH:
		fake->n_flushes++;
		if (fake->is_recording) {
			struct fake_record *record = fake_append(fake);

			record->is_flush = true;
			record->n_covered = n_records_at_start;
		}
		return 0;
	case DEVICE_WRITE:
		fake->n_writes++;
		fake->bytes_written += request->length;
		fake_copy(fake, request);
		break;
	case DEVICE_DISCARD: memset(fake->image + request->offset, 0xd5, request->length); break;
	case DEVICE_WRITE_ZEROES: memset(fake->image + request->offset, 0, request->length); break;
	}
	if (fake->is_recording) {
		fake_record_write(fake, request);
	}
	return 0;
}

static void fake_fire(struct timer *timer)
{
	struct fake_request *pending = container_of(timer, struct fake_request, timer);
	struct device_request *request = pending->request;
	struct fake_device *fake = fake_of(request);
	int error = fake_perform(fake, request, pending->n_records_at_start);

	free(pending);
	fake->n_in_flight--;
	op_complete(&request->op, error);
}

static enum op_result fake_start(struct device_request *request)
{
	struct fake_device *fake = fake_of(request);

	if (fake->delay_max_ns == 0) {
		return op_finish_inline(&request->op, fake_perform(fake, request, fake->n_records));
	}
	struct fake_request *pending = malloc(sizeof(*pending));

	*pending = (struct fake_request){
		.request = request,
		.n_records_at_start = fake->n_records,
	};
	fake->n_in_flight++;
	timer_init(&pending->timer, fake_fire);
	timer_arm(fake->loop, &pending->timer,
		loop_now_ns(fake->loop) + 1 + random_below(&fake->random, fake->delay_max_ns));
	return OP_PENDING;
}

/* As most disks: what has been sent is done. */
static void fake_cancel(UNUSED struct device_request *request)
{
}

static const struct device_ops fake_ops = { .start = fake_start, .cancel = fake_cancel };

static uint8_t *fake_map(uint64_t size)
{
	void *image = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (image == MAP_FAILED) {
		abort();
	}
	return image;
}

void fake_device_init(struct fake_device *fake, struct loop *loop, uint64_t size, uint64_t seed)
{
	*fake = (struct fake_device){
		.device = {
			.ops = &fake_ops,
			.size = size,
			.block_size = FAKE_SECTOR,
			.can_discard = true,
			.can_write_zeroes = true,
		},
		.loop = loop,
		.image = fake_map(size),
		.delay_max_ns = 1000000,
	};
	random_init(&fake->random, seed);
}

bool fake_device_load(struct fake_device *fake, struct loop *loop, const char *path, uint64_t seed)
{
	struct stat status;
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0 || fstat(file, &status) != 0) {
		return false;
	}
	fake_device_init(fake, loop, (uint64_t)status.st_size & ~(uint64_t)(FAKE_SECTOR - 1), seed);
	off_t data = 0;

	/* only what is not a hole */
	while ((data = lseek(file, data, SEEK_DATA)) >= 0 && data < status.st_size) {
		off_t hole = lseek(file, data, SEEK_HOLE);
		ssize_t n = pread(file, fake->image + data, (size_t)(hole - data), data);

		if (n <= 0) {
			break;
		}
		data += n;
	}
	close(file);
	return true;
}

bool fake_device_save(const struct fake_device *fake, const char *path)
{
	static const uint8_t zeros[65536];
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool is_good = file >= 0 && ftruncate(file, (off_t)fake->device.size) == 0;

	for (uint64_t offset = 0; is_good && offset < fake->device.size; offset += sizeof(zeros)) {
		size_t size = min_size(sizeof(zeros), (size_t)(fake->device.size - offset));

		if (memcmp(fake->image + offset, zeros, size) != 0) {
			is_good = pwrite(file, fake->image + offset, size, (off_t)offset) ==
				(ssize_t)size;
		}
	}
	if (file >= 0) {
		close(file);
	}
	return is_good;
}

void fake_device_record(struct fake_device *fake)
{
	fake->first_image = fake_map(fake->device.size);
	memcpy(fake->first_image, fake->image, fake->device.size);
	fake->is_recording = true;
}

/* Some sectors of a write that nothing made durable. */
static void fake_tear(const struct fake_record *record, struct random *random, uint8_t *out_image)
{
	uint64_t n_sectors = record->length / FAKE_SECTOR;
	uint64_t first = 0, end = n_sectors;

	if (random_chance(random, 4)) {
		first = random_below(random, n_sectors);
		end = random_between(random, first, n_sectors);
	}
	memcpy(out_image + record->offset + first * FAKE_SECTOR, record->data + first * FAKE_SECTOR,
		(end - first) * FAKE_SECTOR);
}

void fake_device_crash(
	const struct fake_device *fake, size_t n_records, struct random *random, uint8_t *out_image)
{
	uint64_t n_covered = 0;
	uint64_t keep_of_8 = random_below(random, 9);

	memcpy(out_image, fake->first_image, fake->device.size);
	for (size_t i = 0; i < n_records; i++) {
		if (fake->records[i].is_flush) {
			n_covered = max_u64(n_covered, fake->records[i].n_covered);
		}
	}
	for (size_t i = 0; i < n_records; i++) {
		const struct fake_record *record = &fake->records[i];

		if (record->is_flush) {
			continue;
		}
		if (i < n_covered || record->is_fua) {
			memcpy(out_image + record->offset, record->data, record->length);
		} else if (random_below(random, 8) < keep_of_8) {
			fake_tear(record, random, out_image);
		}
	}
}

void fake_device_forget(struct fake_device *fake)
{
	for (size_t i = 0; i < fake->n_records; i++) {
		free(fake->records[i].data);
	}
	fake->n_records = 0;
	if (fake->first_image != NULL) {
		munmap(fake->first_image, fake->device.size);
		fake->first_image = NULL;
	}
}

void fake_device_deinit(struct fake_device *fake)
{
	fake_device_forget(fake);
	free(fake->records);
	munmap(fake->image, fake->device.size);
}
