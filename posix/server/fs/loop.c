/* SPDX-License-Identifier: MIT */
/* Loop devices: /dev/loop-control, and open files of /dev/loopN. See loop.h. */
#include <abi/linux/capability.h>
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/block.h>
#include <posix/server/fs/device.h>
#include <posix/server/fs/loop.h>
#include <posix/server/process/process.h>

constexpr uint32_t LOOPS_MAX = 256;
constexpr uint32_t MISC_MAJOR = 10, CONTROL_MINOR = 237;

static struct list loops = LIST_INIT(loops);

/* ---- devices that there are ------------------------------------------------------------------ */

struct loopdev *loopdev_find(uint64_t rdev)
{
	LIST_FOR_EACH(loop, &loops, struct loopdev, node) {
		if (rdev == linux_makedev(LOOP_MAJOR, loop->number)) {
			return loop;
		}
	}
	return NULL;
}

static int64_t loopdev_create(uint32_t number)
{
	struct loopdev *loop = helix_calloc(1, sizeof(*loop));
	char name[16];

	if (loop == NULL) {
		return -LINUX_ENOMEM;
	}
	loop->number = number;
	wait_queue_init(&loop->changed);
	format_to(name, sizeof(name), "loop%u", number);
	int64_t error =
		devtmpfs_make_node(name, LINUX_S_IFBLK | 0600, linux_makedev(LOOP_MAJOR, number));

	if (error < 0 && error != -LINUX_EEXIST) {
		helix_free(loop);
		return error;
	}
	list_push_back(&loops, &loop->node);
	return number;
}

static int64_t loopdev_remove(struct loopdev *loop)
{
	char name[16];

	if (loop->state != LOOP_FREE || loop->n_files > 0 || loop->is_clearing) {
		return -LINUX_EBUSY;
	}
	format_to(name, sizeof(name), "loop%u", loop->number);
	devtmpfs_remove(name, linux_makedev(LOOP_MAJOR, loop->number));
	list_remove(&loop->node);
	helix_free(loop);
	return 0;
}

/* The lowest number that no device has, or whose device is FREE. */
static int64_t loopdev_get_free(void)
{
	for (uint32_t number = 0; number < LOOPS_MAX; number++) {
		const struct loopdev *loop = loopdev_find(linux_makedev(LOOP_MAJOR, number));

		if (loop == NULL) {
			return loopdev_create(number);
		}
		if (loop->state == LOOP_FREE) {
			return number;
		}
	}
	return -LINUX_ENOSPC;
}

/* ---- the control device ---------------------------------------------------------------------- */

static int64_t control_ioctl(UNUSED struct file *file, UNUSED struct request *request,
	uint32_t command, uint64_t value, UNUSED void *buffer, UNUSED size_t size)
{
	int32_t number = (int32_t)value;
	struct loopdev *loop = number < 0 || (uint32_t)number >= LOOPS_MAX
		? NULL
		: loopdev_find(linux_makedev(LOOP_MAJOR, (uint32_t)number));

	switch (command) {
	case LINUX_LOOP_CTL_ADD:
		if (number < 0) {
			return loopdev_get_free();
		}
		return (uint32_t)number >= LOOPS_MAX ? -LINUX_EINVAL
			: loop != NULL               ? -LINUX_EEXIST
						     : loopdev_create((uint32_t)number);
	case LINUX_LOOP_CTL_REMOVE:
		return number < 0      ? -LINUX_EINVAL
			: loop == NULL ? -LINUX_ENODEV
				       : loopdev_remove(loop);
	case LINUX_LOOP_CTL_GET_FREE: return loopdev_get_free();
	default: return -LINUX_ENOTTY;
	}
}

static const struct file_ops control_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "loop control",
	.ioctl = control_ioctl,
};

static int64_t control_open(
	UNUSED struct device *device, struct file *file, UNUSED struct request *request)
{
	file->ops = &control_file_ops;
	return 0;
}

int64_t loops_init(void)
{
	static struct device control = {
		.name = "loop-control", .mode = 0600, .open = control_open
	};

	control.rdev = linux_makedev(MISC_MAJOR, CONTROL_MINOR);
	return device_register(&control);
}

/* ---- open files ------------------------------------------------------------------------------ */

struct loopdev_file {
	struct loopdev *loop;
	struct file *inner; /* of the block device, NULL: none yet */
	uint64_t generation; /* of the loop device when that was opened */
};

static struct loopdev_file *loopdev_file_of(const struct file *file)
{
	return file->data;
}

static void drop_inner(struct loopdev_file *own)
{
	struct file *inner = own->inner;

	own->inner = NULL;
	file_unref(inner);
}

static int64_t open_inner(struct file *file, struct volume *volume)
{
	struct loopdev_file *own = loopdev_file_of(file);
	uint64_t generation = own->loop->generation;
	struct file *inner;
	int64_t error = file_create(NULL, &file_ops_default, file->inode, file->flags, &inner);

	if (error == 0) {
		error = block_open_volume(volume, inner);
		if (error < 0 || own->inner != NULL) { /* another thread was faster */
			file_unref(inner);
		} else {
			own->inner = inner;
			own->generation = generation;
		}
	}
	return error;
}

/* The open block device behind the file, referenced; NULL while it is not bound. */
static int64_t take_inner(struct file *file, struct file **out_inner)
{
	struct loopdev_file *own = loopdev_file_of(file);
	int64_t error = 0;

	if (own->inner != NULL && own->generation != own->loop->generation) {
		drop_inner(own);
	}
	if (own->inner == NULL && own->loop->state == LOOP_BOUND) {
		struct volume *volume = loopdev_volume(own->loop);

		error = volume == NULL ? -LINUX_EIO : open_inner(file, volume);
	}
	if (error == 0) {
		*out_inner = own->inner;
		if (own->inner != NULL) {
			own->inner->flags = file->flags;
			file_ref(own->inner); /* another thread may drop it while it is used */
		}
	}
	return error;
}

static int64_t loopdev_read(
	struct file *file, struct request *request, void *buffer, size_t size, uint64_t *offset)
{
	struct file *inner;
	int64_t result = take_inner(file, &inner);

	if (result == 0 && inner != NULL) {
		result = inner->ops->read(inner, request, buffer, size, offset);
		file_unref(inner);
	}
	return result;
}

static int64_t loopdev_write(struct file *file, struct request *request, const void *buffer,
	size_t size, uint64_t *offset)
{
	struct file *inner;
	int64_t result = take_inner(file, &inner);

	if (result == 0 && inner != NULL) {
		result = inner->ops->write(inner, request, buffer, size, offset);
		file_unref(inner);
	} else if (result == 0 && size > 0) {
		result = -LINUX_ENOSPC;
	}
	return result;
}

static int64_t loopdev_seek(struct file *file, int64_t offset, int whence)
{
	struct file *inner;
	int64_t result = take_inner(file, &inner);

	if (result < 0 || inner == NULL) {
		return result < 0 ? result : file_seek_to(file, offset, whence, 0);
	}
	inner->offset = file->offset;
	result = inner->ops->seek(inner, offset, whence);
	file->offset = inner->offset;
	file_unref(inner);
	return result;
}

static int64_t loopdev_fallocate(struct file *file, int mode, uint64_t offset, uint64_t size)
{
	struct file *inner;
	int64_t result = take_inner(file, &inner);

	if (result < 0 || inner == NULL) {
		return result < 0 ? result : -LINUX_EINVAL;
	}
	result = inner->ops->fallocate(inner, mode, offset, size);
	file_unref(inner);
	return result;
}

static int64_t loopdev_sync(struct file *file, struct request *request)
{
	struct file *inner;
	int64_t result = take_inner(file, &inner);

	if (result == 0 && inner != NULL) {
		result = inner->ops->sync(inner, request);
		file_unref(inner);
	}
	return result;
}

static int64_t loopdev_map(struct file *file, hel_handle *out_memory)
{
	struct file *inner;
	int64_t result = take_inner(file, &inner);

	if (result < 0 || inner == NULL) {
		return result < 0 ? result : -LINUX_ENODEV;
	}
	result = inner->ops->map(inner, out_memory);
	file_unref(inner);
	return result;
}

static void loopdev_release(struct file *file)
{
	struct loopdev_file *own = loopdev_file_of(file);
	struct loopdev *loop = own->loop;

	drop_inner(own);
	helix_free(own);
	loop->n_files--;
	loopdev_check_unused(loop);
}

/* ---- ioctls ---------------------------------------------------------------------------------- */

static int64_t bind_file(
	struct file *file, struct request *request, const struct linux_loop_config *config)
{
	struct loopdev *loop = loopdev_file_of(file)->loop;
	struct file *backing = fd_table_get(request->process->files, (int)config->fd);

	if (backing == NULL) {
		return -LINUX_EBADF;
	}
	file_ref(backing);
	int64_t error = loopdev_bind(loop, request->process, backing, config);

	file_unref(backing);
	return error;
}

static int64_t configure(
	struct file *file, struct request *request, const void *buffer, size_t size)
{
	struct linux_loop_config config;

	if (size < sizeof(config)) {
		return -LINUX_EFAULT;
	}
	memcpy(&config, buffer, sizeof(config));
	for (size_t i = 0; i < ARRAY_SIZE(config.reserved); i++) {
		if (config.reserved[i] != 0) {
			return -LINUX_EINVAL;
		}
	}
	return bind_file(file, request, &config);
}

static int64_t get_status(const struct loopdev *loop, void *buffer, size_t size)
{
	if (loop->state != LOOP_BOUND) {
		return -LINUX_ENXIO;
	}
	if (size < sizeof(loop->info)) {
		return -LINUX_EFAULT;
	}
	struct linux_loop_info info = loop->info;
	const struct inode *inode = loop->backing->inode;

	info.device = inode->super->dev;
	info.inode = inode->ino;
	info.rdevice = inode->rdev;
	info.number = loop->number;
	memcpy(buffer, &info, sizeof(info));
	return 0;
}

/* What changes the disk makes it another one. */
static int64_t set_status(struct file *file, const void *buffer, size_t size)
{
	constexpr uint32_t SETTABLE = LINUX_LO_AUTOCLEAR | LINUX_LO_PARTSCAN;
	struct loopdev *loop = loopdev_file_of(file)->loop;
	struct linux_loop_info info;

	if (loop->state != LOOP_BOUND) {
		return -LINUX_ENXIO;
	}
	if (size < sizeof(info)) {
		return -LINUX_EFAULT;
	}
	memcpy(&info, buffer, sizeof(info));
	if (info.offset != loop->info.offset || info.size_limit != loop->info.size_limit) {
		drop_inner(loopdev_file_of(file));
		int64_t error = loopdev_rebind(loop, &info, loop->block_bytes);

		if (error < 0) {
			return error;
		}
	}
	memcpy(loop->info.file_name, info.file_name, sizeof(info.file_name));
	memcpy(loop->info.crypt_name, info.crypt_name, sizeof(info.crypt_name));
	loop->info.flags = (loop->info.flags & ~SETTABLE) | (info.flags & SETTABLE);
	return 0;
}

static int64_t set_limits(struct file *file, uint32_t block_bytes)
{
	struct loopdev *loop = loopdev_file_of(file)->loop;
	const struct linux_loop_info info = loop->info;

	if (loop->state != LOOP_BOUND) {
		return -LINUX_ENXIO;
	}
	drop_inner(loopdev_file_of(file));
	return loopdev_rebind(loop, &info, block_bytes != 0 ? block_bytes : loop->block_bytes);
}

static bool may_change(const struct file *file, const struct request *request)
{
	return file_is_writable(file) ||
		credentials_has(&request->process->credentials, LINUX_CAP_SYS_ADMIN);
}

static int64_t ioctl_of_block(struct file *file, struct request *request, uint32_t command,
	uint64_t value, void *buffer, size_t size)
{
	struct file *inner;
	int64_t result = take_inner(file, &inner);

	if (result < 0 || inner == NULL) {
		return result < 0 ? result : block_ioctl_unbound(command, buffer, size);
	}
	result = inner->ops->ioctl(inner, request, command, value, buffer, size);
	file_unref(inner);
	return result;
}

static int64_t loopdev_ioctl(struct file *file, struct request *request, uint32_t command,
	uint64_t value, void *buffer, size_t size)
{
	struct loopdev *loop = loopdev_file_of(file)->loop;
	const struct linux_loop_config plain = { .fd = (uint32_t)value };
	bool is_change = command == LINUX_LOOP_CLR_FD || command == LINUX_LOOP_SET_STATUS64 ||
		command == LINUX_LOOP_SET_CAPACITY || command == LINUX_LOOP_SET_BLOCK_SIZE;

	if (is_change && !may_change(file, request)) {
		return -LINUX_EPERM;
	}
	switch (command) {
	case LINUX_LOOP_SET_FD: return bind_file(file, request, &plain);
	case LINUX_LOOP_CONFIGURE: return configure(file, request, buffer, size);
	case LINUX_LOOP_CLR_FD: drop_inner(loopdev_file_of(file)); return loopdev_unbind(loop);
	case LINUX_LOOP_GET_STATUS64: return get_status(loop, buffer, size);
	case LINUX_LOOP_SET_STATUS64: return set_status(file, buffer, size);
	case LINUX_LOOP_SET_CAPACITY: return set_limits(file, 0);
	case LINUX_LOOP_SET_BLOCK_SIZE:
		return value == 0 || value > UINT32_MAX ? -LINUX_EINVAL
							: set_limits(file, (uint32_t)value);
	case LINUX_LOOP_SET_DIRECT_IO: return value == 0 ? 0 : -LINUX_EINVAL;
	default: return ioctl_of_block(file, request, command, value, buffer, size);
	}
}

static const struct file_ops loopdev_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "loop device",
	.read = loopdev_read,
	.write = loopdev_write,
	.seek = loopdev_seek,
	.ioctl = loopdev_ioctl,
	.fallocate = loopdev_fallocate,
	.sync = loopdev_sync,
	.map = loopdev_map,
	.release = loopdev_release,
};

int64_t loopdev_open(struct loopdev *loop, struct file *file)
{
	struct loopdev_file *own = helix_malloc(sizeof(*own));
	struct file *inner;

	if (own == NULL) {
		return -LINUX_ENOMEM;
	}
	*own = (struct loopdev_file){ .loop = loop };
	loop->n_files++;
	file->data = own;
	int64_t error = take_inner(file, &inner);

	if (error < 0) {
		file->data = NULL;
		loop->n_files--;
		helix_free(own);
		return error;
	}
	file->ops = &loopdev_file_ops;
	file_unref(inner);
	return 0;
}

struct loopdev *loopdev_of_file(const struct file *file)
{
	return file->ops == &loopdev_file_ops ? loopdev_file_of(file)->loop : NULL;
}

void loopdev_released(const struct volume *volume)
{
	const struct block *block = volume->block;

	if (block == NULL) {
		return;
	}
	const struct block *disk = block->disk != NULL ? block->disk : block;
	struct loopdev *loop = loopdev_find(disk->volume.rdev);

	if (loop != NULL) {
		loopdev_check_unused(loop);
	}
}
