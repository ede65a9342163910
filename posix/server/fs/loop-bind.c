/* SPDX-License-Identifier: MIT */
/* Files behind loop devices: bound, read and written for the disk, let go. See loop.h. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/errors.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/helix.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/block.h>
#include <posix/server/fs/loop-driver.h>
#include <posix/server/fs/loop.h>
#include <posix/server/fs/sysfs.h>
#include <posix/server/process/process.h>
#include <posix/server/task.h>
#include <posix/server/turn.h>

constexpr uint64_t SHOWN_NS_MAX = 10'000'000'000;
constexpr uint32_t FLAGS_KEPT = LINUX_LO_AUTOCLEAR | LINUX_LO_PARTSCAN | LINUX_LO_READ_ONLY;

/* ---- what the disk does to the file ---------------------------------------------------------- */

struct backing_io {
	struct loopdev *loop;
	bool is_write;
	uint64_t offset;
	uint8_t *buffer;
	size_t size;
};

/* Bytes behind the end of the file read zero. */
static int64_t backing_move(void *context)
{
	struct backing_io *io = context;
	struct file *file = io->loop->backing;

	while (io->size > 0) {
		uint64_t at = io->offset;
		int64_t n_bytes = io->is_write
			? file->ops->write(file, NULL, io->buffer, io->size, &at)
			: file->ops->read(file, NULL, io->buffer, io->size, &at);

		if (n_bytes < 0 || (n_bytes == 0 && io->is_write)) {
			return -LINUX_EIO;
		}
		if (n_bytes == 0) {
			memset(io->buffer, 0, io->size);
			return 0;
		}
		io->offset += (uint64_t)n_bytes;
		io->buffer += n_bytes;
		io->size -= (size_t)n_bytes;
	}
	return 0;
}

static int backing_run(struct task *task, int64_t (*run)(void *context), void *context)
{
	return task_run_own(task, run, context) < 0 ? -ERR_IO : 0;
}

static int backing_read(
	struct task *task, void *backing, uint64_t offset, void *buffer, size_t size)
{
	struct loopdev *loop = backing;
	struct backing_io io = {
		.loop = loop, .offset = loop->info.offset + offset, .buffer = buffer, .size = size
	};

	return backing_run(task, backing_move, &io);
}

static int backing_write(
	struct task *task, void *backing, uint64_t offset, const void *buffer, size_t size)
{
	struct loopdev *loop = backing;
	struct backing_io io = {
		.loop = loop,
		.is_write = true,
		.offset = loop->info.offset + offset,
		.buffer = (uint8_t *)(uintptr_t)buffer, /* it is only read */
		.size = size,
	};

	return backing_run(task, backing_move, &io);
}

static int64_t backing_punch(void *context)
{
	constexpr int HOLE = LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE;
	const struct backing_io *io = context;
	struct file *file = io->loop->backing;

	return file->ops->fallocate(file, HOLE, io->offset, io->size);
}

/* A hole, or zeros where there can be none. */
static int backing_clear(struct task *task, void *backing, uint64_t offset, uint64_t size)
{
	static const uint8_t zeros[KIB(16)];
	struct loopdev *loop = backing;
	struct backing_io io = { .loop = loop, .offset = loop->info.offset + offset, .size = size };
	int error = backing_run(task, backing_punch, &io);

	if (error == 0) {
		return 0;
	}
	error = 0;
	while (size > 0 && error == 0) {
		size_t part = (size_t)min_u64(size, sizeof(zeros));

		error = backing_write(task, backing, offset, zeros, part);
		offset += part;
		size -= part;
	}
	return error;
}

static int64_t backing_store(void *context)
{
	struct file *file = ((struct loopdev *)context)->backing;

	return file->ops->sync(file, NULL);
}

static int backing_sync(struct task *task, void *backing)
{
	return backing_run(task, backing_store, backing);
}

static const struct loop_backing_ops backing_ops = {
	.read = backing_read,
	.write = backing_write,
	.clear = backing_clear,
	.sync = backing_sync,
};

/* ---- the disk -------------------------------------------------------------------------------- */

struct volume *loopdev_volume(const struct loopdev *loop)
{
	char name[16];

	format_to(name, sizeof(name), "loop%u", loop->number);
	struct volume *volume = volume_find_name(name);

	return volume != NULL && block_of(volume)->is_shown ? volume : NULL;
}

static uint64_t backing_size(struct file *file)
{
	if (inode_is_type(file->inode, LINUX_S_IFREG)) {
		return file->inode->size_bytes;
	}
	uint64_t position = file->offset;
	int64_t size = file->ops->seek(file, 0, LINUX_SEEK_END);

	file->offset = position;
	return size < 0 ? 0 : (uint64_t)size;
}

static uint64_t loopdev_size(const struct loopdev *loop)
{
	const struct linux_loop_info *info = &loop->info;
	uint64_t size = backing_size(loop->backing);

	size = size > info->offset ? size - info->offset : 0;
	if (info->size_limit != 0) {
		size = min_u64(size, info->size_limit);
	}
	return align_down(size, loop->block_bytes);
}

/* Nobody waits for ever for a file server that does not want the disk. */
struct late {
	struct job job;
	uint64_t rdev, generation;
};

static int late_run(struct task *task, void *argument)
{
	struct late *late = argument;

	(void)!task_sleep_until(task, task_now_ns(task) + SHOWN_NS_MAX);
	struct loopdev *loop = loopdev_find(late->rdev);

	if (loop != NULL && loop->generation == late->generation && loop->state == LOOP_CHANGING) {
		loop->is_late = true;
		wait_queue_wake(&block_news);
	}
	task->job = NULL; /* the job goes before its task ends */
	helix_free(late);
	return 0;
}

static int64_t await_volume(struct loopdev *loop)
{
	struct late *late = helix_malloc(sizeof(*late));

	if (late == NULL) {
		return -LINUX_ENOMEM;
	}
	*late = (struct late){ .rdev = linux_makedev(LOOP_MAJOR, loop->number),
		.generation = loop->generation };
	loop->is_late = false;
	job_init(&late->job, "loop device is late", late_run, late);
	job_submit(posix_loop(), &late->job);
	while (loopdev_volume(loop) == NULL && !loop->is_late) {
		task_wait_on(&block_news);
	}
	return loopdev_volume(loop) == NULL ? -LINUX_EIO : 0;
}

static void show_facts(const struct loopdev *loop)
{
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{ "offset", loop->info.offset },
		{ "sizelimit", loop->info.size_limit },
		{ "autoclear", (loop->info.flags & LINUX_LO_AUTOCLEAR) != 0 },
		{ "partscan", (loop->info.flags & LINUX_LO_PARTSCAN) != 0 },
		{ "dio", 0 },
	};
	char path[80], text[sizeof(loop->backing_name) + 2];

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		format_to(path, sizeof(path), "devices/virtual/block/loop%u/loop/%s", loop->number,
			numbers[i].name);
		format_to(text, sizeof(text), "%llu\n", (unsigned long long)numbers[i].value);
		(void)sysfs_make_text(path, text);
	}
	format_to(
		path, sizeof(path), "devices/virtual/block/loop%u/loop/backing_file", loop->number);
	format_to(text, sizeof(text), "%s\n", loop->backing_name);
	(void)sysfs_make_text(path, text);
}

static void stop_driver(struct loopdev *loop)
{
	struct loop_driver *driver = loop->driver;
	struct request_pause pause;

	loop->driver = NULL;
	request_pause(&pause);
	loop_driver_end(pause.task, driver);
	request_resume(&pause);
}

/* The device is CHANGING, and has a file; 0: its volume is there. */
static int64_t start_driver(struct loopdev *loop)
{
	struct loop_driver_config config = {
		.size_bytes = loopdev_size(loop),
		.block_bytes = loop->block_bytes,
		.is_read_only = (loop->info.flags & LINUX_LO_READ_ONLY) != 0,
		.ops = &backing_ops,
		.backing = loop,
	};
	struct request_pause pause;

	format_to(config.name, sizeof(config.name), "loop%u", loop->number);
	loop->generation++;
	request_pause(&pause);
	int error = loop_driver_start(pause.task, &config, &loop->driver);

	request_resume(&pause);
	if (error != 0) {
		return error == -ERR_NO_MEMORY ? -LINUX_ENOMEM : -LINUX_EIO;
	}
	int64_t result = await_volume(loop);

	if (result < 0) {
		stop_driver(loop);
	}
	return result;
}

static void set_state(struct loopdev *loop, enum loopdev_state state)
{
	loop->state = state;
	wait_queue_wake(&loop->changed);
}

static void let_go(struct loopdev *loop)
{
	struct file *file = loop->backing;

	loop->backing = NULL;
	loop->info = (struct linux_loop_info){ 0 };
	set_state(loop, LOOP_FREE);
	file_unref(file);
}

/* ---- binding --------------------------------------------------------------------------------- */

static int64_t settle(struct loopdev *loop)
{
	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	while (loop->state == LOOP_CHANGING) {
		task_wait_on(&loop->changed);
	}
	return 0;
}

static int64_t check_info(const struct linux_loop_info *info, uint32_t block_bytes)
{
	bool is_sound = info->encrypt_type == 0 && is_power_of_two(block_bytes) &&
		block_bytes >= BLOCK_SECTOR && block_bytes <= HEL_PAGE_SIZE &&
		info->offset <= INT64_MAX && info->size_limit <= INT64_MAX;

	return is_sound ? 0 : -LINUX_EINVAL;
}

static int64_t check_file(const struct file *file)
{
	bool is_data = inode_is_type(file->inode, LINUX_S_IFREG) ||
		inode_is_type(file->inode, LINUX_S_IFBLK);

	return is_data && file_is_readable(file) ? 0 : -LINUX_EINVAL;
}

/* No device may lie upon itself, whatever loop devices are in between: reads would never end. */
static int64_t check_below(const struct loopdev *loop, const struct file *file)
{
	const struct loopdev *below;

	for (; (below = loopdev_of_file(file)) != NULL; file = below->backing) {
		if (below == loop) {
			return -LINUX_EBADF;
		}
		if (below->state != LOOP_BOUND) {
			return -LINUX_EINVAL;
		}
	}
	return 0;
}

static void name_backing(struct loopdev *loop, struct process *process)
{
	if (path_print(process, &loop->backing->path, loop->backing_name,
		    sizeof(loop->backing_name)) < 0) {
		loop->backing_name[0] = '\0';
	}
}

int64_t loopdev_bind(struct loopdev *loop, struct process *process, struct file *file,
	const struct linux_loop_config *config)
{
	uint32_t block_bytes = config->block_size != 0 ? config->block_size : BLOCK_SECTOR;
	int64_t error = check_info(&config->info, block_bytes);

	if (error == 0) {
		error = check_file(file);
	}
	if (error == 0) {
		error = settle(loop);
	}
	if (error < 0) {
		return error;
	}
	if (loop->state != LOOP_FREE) {
		return -LINUX_EBUSY;
	}
	error = check_below(loop, file);
	if (error < 0) {
		return error;
	}
	file_ref(file);
	loop->state = LOOP_CHANGING;
	loop->backing = file;
	loop->info = config->info;
	loop->info.flags &= FLAGS_KEPT;
	if (!file_is_writable(file)) {
		loop->info.flags |= LINUX_LO_READ_ONLY;
	}
	loop->block_bytes = block_bytes;
	name_backing(loop, process);
	error = start_driver(loop);
	if (error < 0) {
		let_go(loop);
		return error;
	}
	show_facts(loop);
	set_state(loop, LOOP_BOUND);
	return 0;
}

int64_t loopdev_rebind(
	struct loopdev *loop, const struct linux_loop_info *info, uint32_t block_bytes)
{
	int64_t error = check_info(info, block_bytes);

	if (error == 0) {
		error = settle(loop);
	}
	if (error < 0) {
		return error;
	}
	if (loop->state != LOOP_BOUND) {
		return -LINUX_ENXIO;
	}
	const struct volume *volume = loopdev_volume(loop);

	if (loop->n_files > 1 ||
		(volume != NULL && (volume->super != NULL || volume_is_claimed(volume)))) {
		return -LINUX_EBUSY;
	}
	loop->state = LOOP_CHANGING;
	stop_driver(loop);
	loop->info.offset = info->offset;
	loop->info.size_limit = info->size_limit;
	loop->block_bytes = block_bytes;
	error = start_driver(loop);
	if (error < 0) {
		let_go(loop);
		return error;
	}
	show_facts(loop);
	set_state(loop, LOOP_BOUND);
	return 0;
}

/* ---- letting go ------------------------------------------------------------------------------ */

static bool is_used(const struct loopdev *loop, uint32_t n_own_files)
{
	const struct volume *volume = loopdev_volume(loop);

	return loop->n_files > n_own_files ||
		(volume != NULL && (volume->super != NULL || volume_is_claimed(volume)));
}

static void unbind(struct loopdev *loop)
{
	loop->state = LOOP_CHANGING;
	stop_driver(loop);
	let_go(loop);
}

int64_t loopdev_unbind(struct loopdev *loop)
{
	int64_t error = settle(loop);

	if (error < 0) {
		return error;
	}
	if (loop->state != LOOP_BOUND) {
		return -LINUX_ENXIO;
	}
	if (is_used(loop, 1)) {
		loop->info.flags |= LINUX_LO_AUTOCLEAR;
		show_facts(loop);
		return 0;
	}
	unbind(loop);
	return 0;
}

struct clearing {
	struct job job;
	struct loopdev *loop;
};

static int64_t clear_unused(void *context)
{
	struct loopdev *loop = context;

	if (loop->state == LOOP_BOUND && !is_used(loop, 0)) {
		unbind(loop);
	}
	return 0;
}

static int clear_run(struct task *task, void *argument)
{
	struct clearing *clearing = argument;
	struct loopdev *loop = clearing->loop;

	task->job = NULL; /* the job goes before its task ends */
	helix_free(clearing);
	(void)task_run_own(task, clear_unused, loop);
	loop->is_clearing = false;
	return 0;
}

void loopdev_check_unused(struct loopdev *loop)
{
	bool is_to_be = loop->state == LOOP_BOUND && (loop->info.flags & LINUX_LO_AUTOCLEAR) &&
		!loop->is_clearing && !is_used(loop, 0);
	struct clearing *clearing = is_to_be ? helix_malloc(sizeof(*clearing)) : NULL;

	if (clearing == NULL) {
		return; /* without memory it stays until somebody closes it again */
	}
	clearing->loop = loop;
	loop->is_clearing = true;
	job_init(&clearing->job, "loop device is cleared", clear_run, clearing);
	job_submit(posix_loop(), &clearing->job);
}
