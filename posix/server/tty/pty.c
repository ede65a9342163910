/* SPDX-License-Identifier: MIT */
/* Pseudo-terminals; see pty.h. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <abi/linux/poll.h>
#include <base/bitmap.h>
#include <base/format.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/device.h>
#include <posix/server/fs/tmpfs.h>
#include <posix/server/process/process.h>
#include <posix/server/tty/pty.h>
#include <posix/server/tty/tty.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>
#include <posix/server/vfs/open.h>

constexpr uint32_t PTY_MAX = 1024;
constexpr uint32_t PTY_MAJOR = 136;
constexpr uint32_t TTY_GROUP = 5; /* "tty", as Debian mounts devpts */

struct pty {
	struct tty tty; /* the slave */
	uint32_t number;
	bool is_locked;     /* TIOCSPTLCK */
	bool is_packet;     /* TIOCPKT */
	uint8_t announced;  /* packet flags that the master has not read */
	bool was_open;      /* the slave, ever */
	struct wait_queue room; /* the slave's program has read: the master may write on */
};

static struct pty *ptys[PTY_MAX];
static struct super *devpts;
static const struct file_ops pty_master_ops;

static struct pty *pty_of(struct tty *tty)
{
	return container_of(tty, struct pty, tty);
}

/* ---- the slave's driver -------------------------------------------------------------------- */

static void pty_output_ready(struct tty *tty)
{
	wait_queue_wake(&tty->changed);
}

static void pty_input_wanted(struct tty *tty)
{
	wait_queue_wake(&pty_of(tty)->room);
}

static void pty_announce(struct tty *tty, uint8_t flags)
{
	struct pty *pty = pty_of(tty);

	if (pty->is_packet) {
		pty->announced |= flags;
		wait_queue_wake(&tty->changed);
	}
}

static void pty_slave_closed(struct tty *tty)
{
	wait_queue_wake(&tty->changed);
}

static void pty_release(struct tty *tty)
{
	helix_free(pty_of(tty));
}

static const struct tty_driver pty_driver = {
	.is_pty = true,
	.output_ready = pty_output_ready,
	.input_wanted = pty_input_wanted,
	.announce = pty_announce,
	.closed = pty_slave_closed,
	.release = pty_release,
};

/* ---- the slave ----------------------------------------------------------------------------- */

static uint32_t pty_number_of(uint64_t rdev)
{
	return linux_minor(rdev) + (linux_major(rdev) - PTY_MAJOR) * 256;
}

static uint64_t pty_rdev_of(uint32_t number)
{
	return linux_makedev(PTY_MAJOR + number / 256, number % 256);
}

bool pty_is_slave_number(uint64_t rdev)
{
	uint32_t major = linux_major(rdev);

	return major >= PTY_MAJOR && major < PTY_MAJOR + 8;
}

int64_t pty_open_slave(uint64_t rdev, struct file *file, struct request *request)
{
	uint32_t number = pty_number_of(rdev);
	struct pty *pty = number < PTY_MAX ? ptys[number] : NULL;

	if (pty == NULL || pty->is_locked) {
		return -LINUX_EIO;
	}
	int64_t error = tty_open(&pty->tty, file, request);

	if (error == 0) {
		pty->was_open = true;
	}
	return error;
}

static void pty_slave_name(const struct pty *pty, char *name, size_t size)
{
	format_to(name, size, "%u", pty->number);
}

static int64_t pty_make_node(const struct pty *pty, const struct process *process)
{
	struct node_spec spec = {
		.mode = LINUX_S_IFCHR | 0620,
		.uid = process->credentials.fsuid,
		.gid = TTY_GROUP,
		.rdev = pty_rdev_of(pty->number),
	};
	char name[16];

	pty_slave_name(pty, name, sizeof(name));
	return tmpfs_make(devpts->root, name, &spec, NULL, NULL);
}

/* ---- the master ---------------------------------------------------------------------------- */

/* Nothing will come any more: the slave was open and nobody has it now. */
static bool pty_is_abandoned(const struct pty *pty)
{
	return pty->was_open && pty->tty.n_open == 0;
}

static bool pty_has_output(const struct pty *pty)
{
	return pty->announced != 0 ||
		(ring_used(&pty->tty.output) > 0 && !pty->tty.line.is_stopped);
}

static int64_t pty_master_read(struct file *file, struct request *request, void *buffer,
	size_t size, UNUSED uint64_t *offset)
{
	struct pty *pty = file->data;
	uint8_t *bytes = buffer;

	if (size == 0) {
		return 0;
	}
	if (!pty_has_output(pty)) {
		return pty_is_abandoned(pty) ? -LINUX_EIO
					     : file_wait(file, request, &pty->tty.changed);
	}
	if (!pty->is_packet) {
		return (int64_t)tty_take_output(&pty->tty, buffer, size);
	}
	bytes[0] = pty->announced;
	if (pty->announced != 0) {
		pty->announced = 0;
		return 1;
	}
	return 1 + (int64_t)tty_take_output(&pty->tty, bytes + 1, size - 1);
}

static int64_t pty_master_read_bulk(
	struct file *file, struct request *request, size_t size, uint64_t *offset)
{
	struct pty *pty = file->data;

	if (size == 0 || !pty_has_output(pty)) {
		return pty_master_read(file, request, NULL, size, offset);
	}
	size = min_size(size, ring_used(&pty->tty.output) + 1);
	void *buffer = request_bulk_buffer(request, size);

	return buffer == NULL ? -LINUX_ENOMEM
			      : pty_master_read(file, request, buffer, size, offset);
}

/* state[1]: bytes that earlier attempts have written. */
static int64_t pty_master_write(struct file *file, struct request *request, const void *buffer,
	size_t size, UNUSED uint64_t *offset)
{
	struct pty *pty = file->data;
	size_t done = (size_t)request->state[1];

	done += tty_receive(&pty->tty, (const uint8_t *)buffer + done, size - done);
	if (done == size || (done > 0 && file_must_not_wait(file, request))) {
		return (int64_t)done;
	}
	request->state[1] = done;
	if (done > 0) {
		request->interrupted_result = (int64_t)done;
	}
	return file_wait(file, request, &pty->room);
}

static uint32_t pty_master_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct pty *pty = file->data;
	uint32_t events = LINUX_POLLOUT | LINUX_POLLWRNORM;

	if (queue_of != NULL) {
		queue_of(context, &pty->tty.changed);
		queue_of(context, &pty->room);
	}
	if (pty_has_output(pty)) {
		events |= LINUX_POLLIN | LINUX_POLLRDNORM;
	}
	if (pty->announced != 0) {
		events |= LINUX_POLLPRI;
	}
	return pty_is_abandoned(pty) ? events | LINUX_POLLHUP : events;
}

static int64_t pty_open_peer(struct request *request, struct pty *pty, uint32_t flags)
{
	struct path path = { 0 };
	struct file *file;
	char name[16];
	uint32_t known = LINUX_O_RDWR | LINUX_O_NOCTTY | LINUX_O_CLOEXEC | LINUX_O_NONBLOCK;

	if (flags & ~known) {
		return -LINUX_EINVAL;
	}
	pty_slave_name(pty, name, sizeof(name));
	int64_t error = devpts_path(name, &path);

	if (error == 0) {
		error = open_path(request->process, &path, flags, &file);
		path_unref(&path);
	}
	if (error == 0 && !(flags & LINUX_O_NOCTTY)) {
		/* as open(2) does for a session leader without a terminal */
		struct session *session = request->process->group->session;

		if (session->sid == request->process->pid && session->tty == NULL &&
			pty->tty.session == NULL) {
			tty_acquire(&pty->tty, request);
		}
	}
	return error < 0 ? error : file_install(request, file, (flags & LINUX_O_CLOEXEC) != 0);
}

static int64_t pty_put_int(void *buffer, size_t size, int32_t value)
{
	if (size < sizeof(value)) {
		return -LINUX_EFAULT;
	}
	memcpy(buffer, &value, sizeof(value));
	return 0;
}

static int64_t pty_master_ioctl(struct file *file, struct request *request, uint32_t command,
	uint64_t value, void *buffer, size_t size)
{
	struct pty *pty = file->data;
	int32_t number = 0;

	memcpy(&number, buffer, min_size(size, sizeof(number)));
	switch (command) {
	case LINUX_TIOCGPTN: return pty_put_int(buffer, size, (int32_t)pty->number);
	case LINUX_TIOCSPTLCK: pty->is_locked = number != 0; return 0;
	case LINUX_TIOCGPTLCK: return pty_put_int(buffer, size, pty->is_locked);
	case LINUX_TIOCPKT:
		pty->is_packet = number != 0;
		pty->announced = 0;
		return 0;
	case LINUX_TIOCGPKT: return pty_put_int(buffer, size, pty->is_packet);
	case LINUX_TIOCGPTPEER: return pty_open_peer(request, pty, (uint32_t)value);
	default: return tty_ioctl(&pty->tty, file, request, command, value, buffer, size, true);
	}
}

static void pty_master_release(struct file *file)
{
	struct pty *pty = file->data;
	char name[16];

	pty_slave_name(pty, name, sizeof(name));
	tmpfs_remove(devpts->root, name);
	ptys[pty->number] = NULL;
	pty->tty.is_closed = true;
	tty_hang_up(&pty->tty);
	tty_unref(&pty->tty);
}

static const struct file_ops pty_master_ops = {
	FILE_OPS_DEFAULT,
	.name = "ptmx",
	.read = pty_master_read,
	.read_bulk = pty_master_read_bulk,
	.write = pty_master_write,
	.poll = pty_master_poll,
	.ioctl = pty_master_ioctl,
	.release = pty_master_release,
};

static int64_t pty_create(struct request *request, struct pty **out_pty)
{
	uint32_t number = 0;

	while (number < PTY_MAX && ptys[number] != NULL) {
		number++;
	}
	if (number == PTY_MAX) {
		return -LINUX_ENOSPC;
	}
	struct pty *pty = helix_malloc(sizeof(*pty));

	if (pty == NULL) {
		return -LINUX_ENOMEM;
	}
	tty_init(&pty->tty, &pty_driver, pty_rdev_of(number));
	pty->number = number;
	pty->is_locked = true;
	pty->is_packet = false;
	pty->announced = 0;
	pty->was_open = false;
	wait_queue_init(&pty->room);
	int64_t error = pty_make_node(pty, request->process);

	if (error < 0) {
		helix_free(pty);
		return error;
	}
	ptys[number] = pty;
	*out_pty = pty;
	return 0;
}

static int64_t ptmx_open(UNUSED struct device *device, struct file *file, struct request *request)
{
	struct pty *pty;

	if (request == NULL) {
		return -LINUX_EIO;
	}
	int64_t error = pty_create(request, &pty);

	if (error == 0) {
		file->ops = &pty_master_ops;
		file->data = pty;
	}
	return error;
}

/* ---- the file system ----------------------------------------------------------------------- */

struct super *devpts_super(void)
{
	return devpts;
}

int64_t devpts_mount_create(
	UNUSED const char *source, UNUSED const char *options, struct super **out_super)
{
	super_ref(devpts);
	*out_super = devpts;
	return 0;
}

int64_t devpts_path(const char *name, struct path *out_path)
{
	LIST_FOR_EACH(mount, &devpts->mounts, struct mount, super_node) {
		struct dentry *dentry;

		if (mount->tree == NULL) {
			continue;
		}
		int64_t error = dentry_find(devpts->root, name, strlen(name), false, &dentry);

		if (error == 0) {
			*out_path = (struct path){ .mount = mount, .dentry = dentry };
			mount_ref(mount);
		}
		return error;
	}
	return -LINUX_ENOENT;
}

int64_t pty_init(void)
{
	static struct device ptmx = { .name = "ptmx", .mode = 0666, .open = ptmx_open };
	struct tmpfs_options options = tmpfs_default_options();
	struct node_spec node = { .mode = LINUX_S_IFCHR | 0666, .rdev = linux_makedev(5, 2) };

	ptmx.rdev = node.rdev;
	options.type = "devpts";
	options.mode = 0755;
	int64_t error = tmpfs_create(&options, &devpts);

	if (error == 0) {
		devpts->n_mounts++; /* it stays when nobody mounts it */
		error = tmpfs_make(devpts->root, "ptmx", &node, NULL, NULL);
	}
	return error < 0 ? error : device_register(&ptmx);
}
