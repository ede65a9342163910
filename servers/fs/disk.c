/* SPDX-License-Identifier: MIT */
/* The life of a disk, and its table of partitions: see disk.h. */
#include "disk.h"

#include <base/assert.h>
#include <base/errors.h>
#include <base/format.h>
#include <base/string.h>

#define SCRATCH_BYTES KIB(64)

/* ---- volumes --------------------------------------------------------------------------------- */

/* One more, which is not published yet. */
static struct volume *volume_create(struct disk *disk, const struct partition *partition)
{
	struct volume *volume = helix_calloc(1, sizeof(*volume));

	if (volume == NULL || counters_init(&volume->counters) != 0) {
		helix_free(volume);
		return NULL;
	}
	volume->disk = disk;
	volume->n_references = 1;
	mutex_init(&volume->raw_lock);
	if (partition == NULL) {
		str_copy(volume->name, sizeof(volume->name), disk->name);
		volume->device = &disk->io.device;
	} else {
		format_to(volume->name, sizeof(volume->name), "%s-part%u", disk->name,
			partition->number);
		volume->partition = *partition;
		device_slice_init(
			&volume->slice, &disk->io.device, partition->start, partition->size);
		volume->device = &volume->slice.device;
	}
	volume->device->owner = &volume->counters;
	list_push_back(&disk->volumes, &volume->node);
	disk->n_volumes++;
	return volume;
}

static int add_volume(struct task *task, struct disk *disk, const struct partition *partition)
{
	struct volume *volume = volume_create(disk, partition);
	int error = volume == NULL ? -ERR_NO_MEMORY : volume_publish(task, volume);

	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s: a volume is not published: %s", disk->name,
			error_text(error));
	}
	return error;
}

/* All but the whole disk, or that, too. Nobody opens one any more before the first is withdrawn. */
static void remove_volumes(struct task *task, struct disk *disk, bool with_disk)
{
	struct list removed;

	list_init(&removed);
	LIST_FOR_EACH_SAFE(volume, &disk->volumes, struct volume, node) {
		if (with_disk || volume->partition.number != 0) {
			volume->is_removed = true;
			list_remove(&volume->node);
			list_push_back(&removed, &volume->node);
		}
	}
	wait_queue_wake(&disk->changed);
	for (;;) {
		struct volume *volume = LIST_POP_FRONT(&removed, struct volume, node);

		if (volume == NULL) {
			return;
		}
		volume_withdraw(task, volume);
		volume_put(volume);
	}
}

/* ---- the table ------------------------------------------------------------------------------- */

static void read_table(struct task *task, struct disk *disk)
{
	const struct blockfs_arena arena = {
		.memory = (uint64_t)(uintptr_t)&disk->scratch,
		.address = disk->scratch_address,
		.size = SCRATCH_BYTES,
	};
	int error = partition_table_read(task, &disk->io.device, &arena, disk->table);

	if (error != 0) {
		disk->table->scheme = PARTITIONS_NONE;
		disk->table->n_partitions = 0;
		helix_log(HEL_LOG_WARNING, "%s: the table of partitions: %s", disk->name,
			blockfs_error_name(error));
	} else if (disk->table->is_damaged) {
		helix_log(HEL_LOG_WARNING, "%s: one copy of the table of partitions is damaged",
			disk->name);
	}
}

static int add_partitions(struct task *task, struct disk *disk)
{
	int first_error = 0;

	read_table(task, disk);
	for (size_t i = 0; i < disk->table->n_partitions; i++) {
		int error = add_volume(task, disk, &disk->table->partitions[i]);

		first_error = first_error != 0 ? first_error : error;
	}
	return first_error;
}

static bool has_used_partition(const struct disk *disk)
{
	LIST_FOR_EACH(volume, &disk->volumes, struct volume, node) {
		if (volume->partition.number != 0 && volume->n_sessions > 0) {
			return true;
		}
	}
	return false;
}

int disk_rescan(struct task *task, struct disk *disk)
{
	int error = mutex_lock(task, &disk->table_lock);

	if (error != 0) {
		return error;
	}
	if (disk->is_gone) {
		error = -ERR_END_OF_LANE;
	} else if (has_used_partition(disk)) {
		error = -ERR_BUSY;
	} else {
		remove_volumes(task, disk, false);
		error = add_partitions(task, disk);
	}
	mutex_unlock(&disk->table_lock);
	return error;
}

/* ---- the disk -------------------------------------------------------------------------------- */

static int make_scratch(struct task *task, struct disk *disk)
{
	hel_handle memory;
	void *address;
	int error = hel_memory_allocate(SCRATCH_BYTES, 0, &memory);

	if (error != 0) {
		return error;
	}
	error = helix_map(memory, 0, SCRATCH_BYTES, HEL_MAP_READ | HEL_MAP_WRITE, &address);
	if (error == 0) {
		error = io_memory_attach(task, &disk->io, memory, &disk->scratch);
		if (error == 0) {
			disk->scratch_address = address;
			return 0;
		}
		helix_unmap(address, SCRATCH_BYTES);
	}
	hel_close(HEL_THIS, memory);
	return error;
}

static void drop_scratch(struct task *task, struct disk *disk)
{
	if (disk->scratch_address != NULL) {
		io_memory_detach(task, &disk->io, &disk->scratch);
		helix_unmap(disk->scratch_address, SCRATCH_BYTES);
		hel_close(HEL_THIS, disk->scratch.handle);
	}
}

static int publish_all(struct task *task, struct disk *disk)
{
	int error = mutex_lock(task, &disk->table_lock);

	if (error != 0) {
		return error;
	}
	error = add_volume(task, disk, NULL);
	if (error == 0) {
		(void)add_partitions(task, disk); /* what is there can be used */
	}
	mutex_unlock(&disk->table_lock);
	return error;
}

/* Until it is taken out. */
static int watch_disk(struct task *task, struct disk *disk)
{
	int error = 0;

	while (error == 0 && disk->block.state != BLOCK_DISK_GONE) {
		error = wait_on(task, &disk->block.changed);
		io_update(&disk->io);
		wait_queue_wake(&disk->changed);
	}
	return error;
}

static void withdraw_all(struct task *task, struct disk *disk)
{
	disk->is_gone = true;
	wait_queue_wake(&disk->changed);
	if (mutex_lock(task, &disk->table_lock) == 0) {
		remove_volumes(task, disk, true);
		mutex_unlock(&disk->table_lock);
	}
	while (disk->n_volumes > 0 || disk->n_watches > 0) {
		(void)!wait_on(task, &disk->changed);
	}
}

static int serve_disk(struct task *task, struct disk *disk)
{
	int error =
		block_disk_open(task, &disk->block, disk->loop, disk->mbus, disk->name, IO_SLOTS);

	if (error != 0) {
		return error;
	}
	error = io_init(&disk->io, &disk->block);
	if (error == 0) {
		error = make_scratch(task, disk);
		error = error != 0 ? error : publish_all(task, disk);
		error = error != 0 ? error : watch_disk(task, disk);
		withdraw_all(task, disk);
		drop_scratch(task, disk);
		io_deinit(&disk->io);
	}
	block_disk_close(task, &disk->block);
	return error;
}

static int disk_run(struct task *task, void *argument)
{
	struct disk *disk = argument;
	int error = serve_disk(task, disk);

	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s is not served: %s", disk->name, error_text(error));
	} else {
		helix_log(HEL_LOG_INFO, "%s has been taken out", disk->name);
	}
	task->job = NULL;
	list_remove(&disk->node);
	helix_free(disk->table);
	helix_free(disk);
	return 0;
}

int disk_create(struct loop *loop, hel_handle mbus, const char *name, struct list *disks)
{
	struct disk *disk = helix_calloc(1, sizeof(*disk));

	if (disk == NULL) {
		return -ERR_NO_MEMORY;
	}
	disk->loop = loop;
	disk->mbus = mbus;
	disk->table = helix_calloc(1, sizeof(*disk->table));
	if (disk->table == NULL || strlen(name) >= sizeof(disk->name)) {
		int error = disk->table == NULL ? -ERR_NO_MEMORY : -ERR_ILLEGAL_ARGS;

		helix_free(disk->table);
		helix_free(disk);
		return error;
	}
	str_copy(disk->name, sizeof(disk->name), name);
	mutex_init(&disk->table_lock);
	list_init(&disk->volumes);
	wait_queue_init(&disk->changed);
	list_push_back(disks, &disk->node);
	job_init(&disk->job, "disk", disk_run, disk);
	job_submit(loop, &disk->job);
	return 0;
}
