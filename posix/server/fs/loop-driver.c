/* SPDX-License-Identifier: MIT */
/* The block device that a bound loop device is on mbus: see loop-driver.h. */
#include <base/errors.h>
#include <base/string.h>
#include <drivers/lib/block/block.h>
#include <helix/helix.h>
#include <posix/server/fs/loop-driver.h>
#include <posix/server/tty/channel-loop.h>

constexpr uint32_t DEPTH = 64;
constexpr size_t BUFFER_BYTES = KIB(64);

struct loop_driver {
	struct block_device device;
	struct loop_driver_config config;
	struct list submitted; /* struct block_request.node */
	uint32_t n_submitted;
	struct job worker; /* carries them out while there are some */
	bool is_working;
	uint8_t buffer[BUFFER_BYTES]; /* the worker's */
};

/* ---- requests -------------------------------------------------------------------------------- */

static int move_piece(struct task *task, struct loop_driver *driver, bool is_read,
	const struct block_piece *piece, uint64_t offset)
{
	const struct loop_driver_config *config = &driver->config;
	int error = 0;

	for (uint32_t at = 0; at < piece->length && error == 0;) {
		size_t size = min_size(piece->length - at, BUFFER_BYTES);

		if (is_read) {
			error = config->ops->read(
				task, config->backing, offset + at, driver->buffer, size);
			error = error != 0 ? error
					   : block_piece_write(piece, at, driver->buffer, size);
		} else {
			error = block_piece_read(piece, at, driver->buffer, size);
			error = error != 0 ? error
					   : config->ops->write(task, config->backing, offset + at,
						     driver->buffer, size);
		}
		at += (uint32_t)size;
	}
	return error;
}

static int move_data(
	struct task *task, struct loop_driver *driver, const struct block_request *request)
{
	uint64_t offset = request->position;
	int error = 0;

	for (uint32_t i = 0; i < request->n_pieces && error == 0; i++) {
		error = move_piece(task, driver, request->operation == BLOCK_READ,
			&request->pieces[i], offset);
		offset += request->pieces[i].length;
	}
	return error;
}

static int carry_out(
	struct task *task, struct loop_driver *driver, const struct block_request *request)
{
	const struct loop_driver_config *config = &driver->config;

	switch (request->operation) {
	case BLOCK_READ:
	case BLOCK_WRITE: return move_data(task, driver, request);
	case BLOCK_WRITE_ZEROES:
	case BLOCK_DISCARD:
		return config->ops->clear(
			task, config->backing, request->position, request->length);
	case BLOCK_FLUSH: return config->ops->sync(task, config->backing);
	}
	return -ERR_UNSUPPORTED;
}

static int worker_run(struct task *task, void *argument)
{
	struct loop_driver *driver = argument;

	for (;;) {
		struct block_request *request =
			LIST_POP_FRONT(&driver->submitted, struct block_request, node);

		if (request == NULL) {
			break;
		}
		int error = carry_out(task, driver, request);

		driver->n_submitted--;
		/* the last one: the driver may be freed as soon as others run */
		block_complete(request, error == 0 ? 0 : -ERR_IO);
		block_settle(&driver->device);
	}
	task->job = NULL; /* the job may be used again before its task has ended */
	driver->is_working = false;
	return 0;
}

static bool loop_submit(
	struct block_device *device, uint32_t queue UNUSED, struct block_request *request)
{
	struct loop_driver *driver = container_of(device, struct loop_driver, device);

	if (driver->n_submitted == DEPTH) {
		return false;
	}
	list_push_back(&driver->submitted, &request->node);
	driver->n_submitted++;
	return true;
}

static void loop_commit(struct block_device *device, uint32_t queue UNUSED)
{
	struct loop_driver *driver = container_of(device, struct loop_driver, device);

	if (driver->n_submitted > 0 && !driver->is_working) {
		driver->is_working = true;
		job_init(&driver->worker, "loop device", worker_run, driver);
		job_submit(posix_loop(), &driver->worker);
	}
}

static const struct block_driver loop_block_driver = {
	.submit = loop_submit,
	.commit = loop_commit,
};

/* ---- the device ------------------------------------------------------------------------------ */

int loop_driver_start(
	struct task *task, const struct loop_driver_config *config, struct loop_driver **out_driver)
{
	struct loop_driver *driver = helix_calloc(1, sizeof(*driver));

	if (driver == NULL) {
		return -ERR_NO_MEMORY;
	}
	driver->config = *config;
	list_init(&driver->submitted);
	driver->device = (struct block_device){
		.driver = &loop_block_driver,
		.loop = posix_loop(),
		.name = driver->config.name,
		.model = "",
		.serial = "",
		.features = BLOCK_FEATURE_WRITE_CACHE | BLOCK_FEATURE_DISCARD |
			BLOCK_FEATURE_WRITE_ZEROES |
			(config->is_read_only ? BLOCK_FEATURE_READ_ONLY : 0),
		.size_bytes = config->size_bytes,
		.logical_block_bytes = config->block_bytes,
		.physical_block_bytes = config->block_bytes,
		.transfer_bytes_max = BLOCK_TRANSFER_MAX,
		.extents_max = BLOCK_LIMITS_SEGMENTS_MAX,
		.memory_alignment = 1,
		.discard_bytes_max = UINT32_MAX & ~(uint64_t)(HEL_PAGE_SIZE - 1),
		.zeroes_bytes_max = UINT32_MAX & ~(uint64_t)(HEL_PAGE_SIZE - 1),
		.discard_alignment = HEL_PAGE_SIZE,
		.n_queues = 1,
		.depth = DEPTH,
	};
	block_device_init(&driver->device);
	int error = block_publish(task, &driver->device, helix_start_handle("mbus"));

	if (error != 0) {
		helix_free(driver);
		return error;
	}
	*out_driver = driver;
	return 0;
}

void loop_driver_end(struct task *task, struct loop_driver *driver)
{
	block_end(task, &driver->device);
	while (driver->is_working) {
		if (task_yield(task) != 0) {
			return; /* cancelled: the memory stays */
		}
	}
	helix_free(driver);
}
