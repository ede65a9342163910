/* SPDX-License-Identifier: MIT */
/*
 * Open terminals: read with canonical lines or VMIN and VTIME, write, poll.
 *
 * file->data is the terminal, file->owner_pid is not touched, file->offset is the number of
 * hang-ups when it was opened.
 */
#include <abi/linux/errno.h>
#include <abi/linux/poll.h>
#include <abi/linux/signal.h>
#include <posix/server/file/access.h>
#include <posix/server/process/process.h>
#include <posix/server/tty/tty-file.h>
#include <posix/server/vfs/inode.h>

constexpr uint64_t TENTH_OF_A_SECOND_NS = 100000000;

static const struct file_ops tty_file_ops;

static bool tty_file_is_hung_up(const struct file *file)
{
	const struct tty *tty = file->data;

	return file->offset != tty->n_hangups || tty->is_closed;
}

struct tty *tty_of_file(const struct file *file)
{
	return file->ops == &tty_file_ops && !tty_file_is_hung_up(file) ? file->data : NULL;
}

/* ---- reading ------------------------------------------------------------------------------- */

/*
 * Whether a read with VMIN and VTIME has enough: 1; 0 it ends with what there is; else it waits.
 * With both set the clock runs from byte to byte: state[1] is what had come at the last attempt.
 */
static bool tty_read_is_complete(struct tty *tty, struct request *request, size_t size)
{
	uint8_t least = tty->line.termios.cc[LINUX_VMIN];
	uint8_t tenths = tty->line.termios.cc[LINUX_VTIME];
	size_t n_bytes = line_readable_bytes(&tty->line);

	if (n_bytes >= min_size(size, least > 0 ? least : 1)) {
		return true;
	}
	if (request->is_timed_out || (least == 0 && tenths == 0)) {
		return true;
	}
	if (tenths > 0) {
		bool is_between_bytes = least > 0;
		bool is_clock_due = is_between_bytes ? n_bytes > 0 && n_bytes != request->state[1]
						     : request->is_first_attempt;

		if (is_clock_due) {
			request->deadline_ns = clock_monotonic_ns() + tenths * TENTH_OF_A_SECOND_NS;
		}
		request->state[1] = n_bytes;
	}
	return false;
}

/* 1: something can be given to the program now; otherwise the answer, or PARK. */
static int64_t tty_check_read(struct file *file, struct request *request, size_t size)
{
	struct tty *tty = file->data;

	if (tty_file_is_hung_up(file)) {
		return 0;
	}
	int64_t error = tty_check_background(tty, request, LINUX_SIGTTIN);

	if (error < 0) {
		return error;
	}
	if (line_is_canonical(&tty->line)) {
		return line_can_read(&tty->line) ? 1 : file_wait(file, request, &tty->changed);
	}
	if (tty_read_is_complete(tty, request, size) ||
		(file_must_not_wait(file, request) && line_can_read(&tty->line))) {
		return 1;
	}
	return file_wait(file, request, &tty->changed);
}

static int64_t tty_take_input(struct file *file, void *buffer, size_t size)
{
	struct tty *tty = file->data;
	size_t n_bytes = line_read(&tty->line, buffer, size);

	tty->driver->input_wanted(tty);
	inode_touch_accessed(file->inode);
	return (int64_t)n_bytes;
}

static int64_t tty_read(struct file *file, struct request *request, void *buffer, size_t size,
	UNUSED uint64_t *offset)
{
	if (size == 0) {
		return 0;
	}
	int64_t result = tty_check_read(file, request, size);

	return result == 1 ? tty_take_input(file, buffer, size) : result;
}

static int64_t tty_read_bulk(
	struct file *file, struct request *request, size_t size, UNUSED uint64_t *offset)
{
	if (size == 0) {
		return 0;
	}
	int64_t result = tty_check_read(file, request, size);

	if (result != 1) {
		return result;
	}
	size = min_size(size, LINE_BUFFER_SIZE);
	void *buffer = request_bulk_buffer(request, size);

	return buffer == NULL ? -LINUX_ENOMEM : tty_take_input(file, buffer, size);
}

/* ---- writing ------------------------------------------------------------------------------- */

/* state[1]: bytes that earlier attempts have written. */
static int64_t tty_write(struct file *file, struct request *request, const void *buffer,
	size_t size, UNUSED uint64_t *offset)
{
	struct tty *tty = file->data;
	size_t done = (size_t)request->state[1];

	if (tty_file_is_hung_up(file)) {
		return done > 0 ? (int64_t)done : -LINUX_EIO;
	}
	if (tty->line.termios.lflag & LINUX_TOSTOP) {
		int64_t error = tty_check_background(tty, request, LINUX_SIGTTOU);

		if (error < 0) {
			return done > 0 ? (int64_t)done : error;
		}
	}
	done += line_write(&tty->line, (const uint8_t *)buffer + done, size - done);
	if (ring_used(&tty->output) > 0) {
		tty->driver->output_ready(tty);
	}
	if (done == size || (done > 0 && file_must_not_wait(file, request))) {
		inode_touch_modified(file->inode);
		return (int64_t)done;
	}
	request->state[1] = done;
	if (done > 0) {
		request->interrupted_result = (int64_t)done;
	}
	return file_wait(file, request, &tty->changed);
}

/* ---- the rest ------------------------------------------------------------------------------ */

static uint32_t tty_poll(
	struct file *file, void (*queue_of)(void *context, struct wait_queue *queue), void *context)
{
	struct tty *tty = file->data;
	uint32_t events = 0;

	if (queue_of != NULL) {
		queue_of(context, &tty->changed);
	}
	if (tty_file_is_hung_up(file)) {
		return LINUX_POLLIN | LINUX_POLLRDNORM | LINUX_POLLOUT | LINUX_POLLWRNORM |
			LINUX_POLLERR | LINUX_POLLHUP;
	}
	size_t least =
		tty->line.termios.cc[LINUX_VTIME] == 0 ? tty->line.termios.cc[LINUX_VMIN] : 1;

	if (line_can_read(&tty->line) &&
		(line_is_canonical(&tty->line) || line_readable_bytes(&tty->line) >= least)) {
		events |= LINUX_POLLIN | LINUX_POLLRDNORM;
	}
	if (ring_free(&tty->output) > TTY_OUTPUT_SIZE / 4 && !tty->line.is_stopped) {
		events |= LINUX_POLLOUT | LINUX_POLLWRNORM;
	}
	return events;
}

static int64_t tty_file_ioctl(struct file *file, struct request *request, uint32_t command,
	uint64_t value, void *buffer, size_t size)
{
	if (tty_file_is_hung_up(file)) {
		return command == LINUX_TIOCSPGRP ? -LINUX_ENOTTY : -LINUX_EIO;
	}
	return tty_ioctl(file->data, file, request, command, value, buffer, size, false);
}

static void tty_release(struct file *file)
{
	struct tty *tty = file->data;

	if (--tty->n_open == 0) {
		tty->is_exclusive = false;
		tty->driver->closed(tty);
	}
	tty_unref(tty);
}

static const struct file_ops tty_file_ops = {
	FILE_OPS_DEFAULT,
	.name = "tty",
	.read = tty_read,
	.read_bulk = tty_read_bulk,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_file_ioctl,
	.release = tty_release,
};

void tty_file_init(struct file *file, struct tty *tty)
{
	tty_ref(tty);
	tty->n_open++;
	file->ops = &tty_file_ops;
	file->data = tty;
	file->offset = tty->n_hangups;
}
