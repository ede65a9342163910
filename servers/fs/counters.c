/* SPDX-License-Identifier: MIT */
/* Counters of a volume: see counters.h. */
#include "counters.h"

int counters_init(struct counters *counters)
{
	void *address;
	int error = hel_memory_allocate(HEL_PAGE_SIZE, 0, &counters->memory);

	if (error != 0) {
		return error;
	}
	error = helix_map(
		counters->memory, 0, HEL_PAGE_SIZE, HEL_MAP_READ | HEL_MAP_WRITE, &address);
	if (error != 0) {
		hel_close(HEL_THIS, counters->memory);
		return error;
	}
	counters->values = address;
	return 0;
}

void counters_deinit(struct counters *counters)
{
	if (counters->values != NULL) {
		helix_unmap(counters->values, HEL_PAGE_SIZE);
		hel_close(HEL_THIS, counters->memory);
		counters->values = NULL;
	}
}

void counters_begin(
	struct counters *counters, const struct device_request *request, uint64_t now_ns)
{
	if (counters == NULL) {
		return;
	}
	struct fs_counters *values = counters->values;

	if (values->n_reads_now + values->n_writes_now == 0) {
		counters->busy_since_ns = now_ns;
	}
	if (request->action == DEVICE_READ) {
		values->n_reads_now++;
	} else {
		values->n_writes_now++;
	}
}

void counters_end(struct counters *counters, const struct device_request *request, uint64_t now_ns,
	uint64_t took_ns)
{
	if (counters == NULL) {
		return;
	}
	struct fs_counters *values = counters->values;

	switch (request->action) {
	case DEVICE_READ:
		values->n_reads++;
		values->n_read_bytes += request->length;
		values->read_ns += took_ns;
		break;
	case DEVICE_WRITE:
	case DEVICE_WRITE_ZEROES:
		values->n_writes++;
		values->n_written_bytes += request->length;
		values->write_ns += took_ns;
		break;
	case DEVICE_DISCARD:
		values->n_discards++;
		values->n_discarded_bytes += request->length;
		values->discard_ns += took_ns;
		break;
	case DEVICE_FLUSH:
		values->n_flushes++;
		values->flush_ns += took_ns;
		break;
	}
	if (request->action == DEVICE_READ) {
		values->n_reads_now--;
	} else {
		values->n_writes_now--;
	}
	if (values->n_reads_now + values->n_writes_now == 0) {
		values->busy_ns += now_ns - counters->busy_since_ns;
	}
}
