/* SPDX-License-Identifier: MIT */
/* The console: a terminal on a channel. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/fs/device.h>
#include <posix/server/process/process.h>
#include <posix/server/tty/channel-owners.h>
#include <posix/server/tty/channel.h>
#include <posix/server/tty/console.h>
#include <posix/server/tty/pty.h>
#include <posix/server/tty/tty.h>

static struct tty console;
static struct channel channel;

/* Input that the line discipline has not taken yet. */
static struct {
	uint8_t bytes[CHANNEL_PIECE / 16];
	size_t begin, end;
} backlog;

/* ---- the channel's owner ------------------------------------------------------------------- */

static size_t console_room(UNUSED struct channel *self)
{
	return backlog.begin == backlog.end ? sizeof(backlog.bytes) : 0;
}

static void console_feed(void)
{
	backlog.begin +=
		tty_receive(&console, backlog.bytes + backlog.begin, backlog.end - backlog.begin);
}

static void console_input(UNUSED struct channel *self, const uint8_t *bytes, size_t size)
{
	memcpy(backlog.bytes, bytes, size);
	backlog.begin = 0;
	backlog.end = size;
	console_feed();
}

static size_t console_take(UNUSED struct channel *self, uint8_t *buffer, size_t size)
{
	return tty_take_output(&console, buffer, size);
}

static void console_changed(UNUSED struct channel *self)
{
	wait_queue_wake(&console.changed);
}

static const struct channel_ops console_channel_ops = {
	.room = console_room,
	.input = console_input,
	.take = console_take,
	.changed = console_changed,
};

/* ---- the terminal's driver ----------------------------------------------------------------- */

static void console_output_ready(UNUSED struct tty *tty)
{
	channel_output_ready(&channel);
}

static void console_input_wanted(UNUSED struct tty *tty)
{
	if (backlog.begin != backlog.end) {
		console_feed();
	}
	if (backlog.begin == backlog.end) {
		channel_input_wanted(&channel);
	}
}

static void console_announce(UNUSED struct tty *tty, UNUSED uint8_t packet_flags)
{
}

static void console_nothing(UNUSED struct tty *tty)
{
}

static const struct tty_driver console_driver = {
	.output_ready = console_output_ready,
	.input_wanted = console_input_wanted,
	.announce = console_announce,
	.closed = console_nothing,
	.release = console_nothing, /* it always has a reference */
};

struct channel *channel_of_console(void)
{
	return &channel;
}

/* ---- the nodes ----------------------------------------------------------------------------- */

static int64_t hvc_open(UNUSED struct device *device, struct file *file, struct request *request)
{
	return tty_open(&console, file, request);
}

/* /dev/console is the same terminal, but never becomes a controlling one by being opened. */
static int64_t console_open(
	UNUSED struct device *device, struct file *file, struct request *request)
{
	file->flags |= LINUX_O_NOCTTY;
	return tty_open(&console, file, request);
}

/* /dev/tty: the caller's controlling terminal, whichever that is. */
static int64_t own_tty_open(
	UNUSED struct device *device, struct file *file, struct request *request)
{
	struct tty *tty = request == NULL ? NULL : request->process->group->session->tty;

	return tty == NULL ? -LINUX_ENXIO : tty_open(tty, file, request);
}

int64_t console_init(void)
{
	static struct device hvc = { .name = "hvc0", .mode = 0600, .open = hvc_open };
	static struct device alias = { .name = "console", .mode = 0600, .open = console_open };

	hvc.rdev = linux_makedev(229, 0);
	alias.rdev = linux_makedev(5, 1);
	tty_init(&console, &console_driver, hvc.rdev);
	console.line.termios.iflag |= LINUX_IUTF8;
	channel_init(&channel, &console_channel_ops);
	channel_want(&channel);
	int64_t error = device_register(&hvc);

	return error < 0 ? error : device_register(&alias);
}

int64_t terminals_init(void)
{
	static struct device own = { .name = "tty", .mode = 0666, .open = own_tty_open };

	own.rdev = linux_makedev(5, 0);
	int64_t error = device_register(&own);

	if (error == 0) {
		error = console_init();
	}
	return error < 0 ? error : pty_init();
}
