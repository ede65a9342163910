/* SPDX-License-Identifier: MIT */
/*
 * A disk in memory: the smallest driver of a block device there can be, and the one to read first.
 *
 * The machine has one if the kernel's command line says hati.ramdisk=SIZE, in MiB. Nothing of it
 * outlasts the driver. Its "device" is always done at once, but answers like a real one: what
 * submit() takes is finished from the loop, as by an interrupt. With hati.ramdisk.life=MS it is
 * taken out after that time.
 */
#include <base/errors.h>
#include <base/format.h>
#include <base/string.h>
#include <drivers/lib/block/block.h>
#include <helix/helix.h>

#define SIZE_MIB_MAX UINT64_C(1048576)
#define DEPTH        128
#define LIFE_MS_MAX  UINT64_C(86400000)
#define NS_PER_MS    UINT64_C(1000000)

struct ram_disk {
	struct block_device device;
	uint8_t *data; /* of device.size_bytes; pages that were never written cost nothing */
	hel_handle memory;
	struct list submitted; /* struct block_request.node */
	uint32_t n_submitted;
	struct op work; /* pending while there are some */
	uint64_t life_ms; /* 0: for ever */
};

static struct helix_loop loop;
static struct ram_disk disk;

/* ---- requests -------------------------------------------------------------------------------- */

static int copy(struct ram_disk *ram, const struct block_request *request)
{
	uint8_t *at = ram->data + request->position;
	int error = 0;

	for (uint32_t i = 0; i < request->n_pieces && error == 0; i++) {
		const struct block_piece *piece = &request->pieces[i];

		/* a client's memory is reached through the kernel: it may not be what it says */
		error = request->operation == BLOCK_READ
			? block_piece_write(piece, 0, at, piece->length)
			: block_piece_read(piece, 0, at, piece->length);
		at += piece->length;
	}
	return error == 0 ? 0 : -ERR_IO;
}

static int carry_out(struct ram_disk *ram, const struct block_request *request)
{
	switch (request->operation) {
	case BLOCK_READ:
	case BLOCK_WRITE: return copy(ram, request);
	case BLOCK_WRITE_ZEROES:
	case BLOCK_DISCARD: memset(ram->data + request->position, 0, request->length); return 0;
	case BLOCK_FLUSH: return 0;
	}
	return -ERR_UNSUPPORTED;
}

static void work_done(struct op *op)
{
	struct ram_disk *ram = op->owner;
	struct list submitted;

	list_init(&submitted);
	list_append_all(&submitted, &ram->submitted);
	ram->n_submitted = 0;
	for (;;) {
		struct block_request *request =
			LIST_POP_FRONT(&submitted, struct block_request, node);

		if (request == NULL) {
			break;
		}
		block_complete(request, carry_out(ram, request));
	}
	block_settle(&ram->device);
}

static enum op_result work_start(struct op *op UNUSED)
{
	return OP_PENDING;
}

static const struct op_class work_class = { .name = "ram disk", .start = work_start };

static bool ram_submit(
	struct block_device *device, uint32_t queue UNUSED, struct block_request *request)
{
	struct ram_disk *ram = container_of(device, struct ram_disk, device);

	if (ram->n_submitted == DEPTH) {
		return false;
	}
	list_push_back(&ram->submitted, &request->node);
	ram->n_submitted++;
	return true;
}

static void ram_commit(struct block_device *device, uint32_t queue UNUSED)
{
	struct ram_disk *ram = container_of(device, struct ram_disk, device);

	if (ram->n_submitted != 0 && !op_is_pending(&ram->work)) {
		op_init(&ram->work, &work_class);
		(void)!op_start(&ram->work, &loop.loop, work_done, ram);
		op_complete(&ram->work, 0);
	}
}

static const struct block_driver driver = { .submit = ram_submit, .commit = ram_commit };

/* ---- the disk -------------------------------------------------------------------------------- */

/* At most @max; 0 without such an option. */
static uint64_t number_from_command_line(const char *name, uint64_t max)
{
	char text[24];
	uint64_t number = 0;

	if (!helix_command_line_option(name, text, sizeof(text))) {
		return 0;
	}
	for (const char *digit = text; *digit >= '0' && *digit <= '9' && number <= max; digit++) {
		number = number * 10 + (uint64_t)(*digit - '0');
	}
	return min_u64(number, max);
}

static int ram_init(struct ram_disk *ram, uint64_t size_bytes)
{
	void *data;
	int error = hel_memory_allocate(size_bytes, 0, &ram->memory);

	if (error == 0) {
		error = helix_map(ram->memory, 0, size_bytes, HEL_MAP_READ | HEL_MAP_WRITE, &data);
	}
	if (error != 0) {
		return error;
	}
	ram->data = data;
	list_init(&ram->submitted);
	ram->device = (struct block_device){
		.driver = &driver,
		.loop = &loop.loop,
		.name = "ram0",
		.model = "Hati RAM disk",
		.serial = "",
		.features = BLOCK_FEATURE_DISCARD | BLOCK_FEATURE_WRITE_ZEROES,
		.size_bytes = size_bytes,
		.logical_block_bytes = 512,
		.physical_block_bytes = HEL_PAGE_SIZE,
		.transfer_bytes_max = BLOCK_TRANSFER_MAX,
		.extents_max = BLOCK_LIMITS_SEGMENTS_MAX,
		.memory_alignment = 1,
		.discard_bytes_max = size_bytes,
		.zeroes_bytes_max = size_bytes,
		.discard_alignment = 512,
		.n_queues = 1,
		.depth = DEPTH,
	};
	block_device_init(&ram->device);
	return 0;
}

static int publish(struct task *task, void *argument)
{
	struct ram_disk *ram = argument;
	int error = block_publish(task, &ram->device, helix_start_handle("mbus"));

	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "not published: %s", error_text(error));
	} else if (ram->life_ms != 0 &&
		task_sleep_until(task, task_now_ns(task) + ram->life_ms * NS_PER_MS) == 0) {
		block_gone(&ram->device);
	}
	return 0;
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	static struct job job;
	uint64_t size_bytes = number_from_command_line("hati.ramdisk", SIZE_MIB_MAX) * MIB(1);
	int error;

	if (size_bytes == 0) {
		return 0; /* nobody wants one */
	}
	error = helix_loop_init(&loop, NULL);
	if (error == 0) {
		error = ram_init(&disk, size_bytes);
	}
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "no RAM disk: %s", error_text(error));
		return 0;
	}
	disk.life_ms = number_from_command_line("hati.ramdisk.life", LIFE_MS_MAX);
	job_init(&job, "publish", publish, &disk);
	job_submit(&loop.loop, &job);
	helix_loop_run(&loop);
	return 0;
}
