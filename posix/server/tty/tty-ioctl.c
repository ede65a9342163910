/* SPDX-License-Identifier: MIT */
/* The ioctls of terminals: settings, sizes, queues, flow. */
#include <abi/linux/errno.h>
#include <abi/linux/signal.h>
#include <base/string.h>
#include <posix/server/file/access.h>
#include <posix/server/process/process.h>
#include <posix/server/tty/tty.h>
#include <posix/server/vfs/inode.h>

/* ---- settings ------------------------------------------------------------------------------ */

static int64_t tty_put(void *buffer, size_t size, const void *value, size_t value_size)
{
	if (size < value_size) {
		return -LINUX_EFAULT;
	}
	memcpy(buffer, value, value_size);
	return 0;
}

static int64_t tty_put_int(void *buffer, size_t size, int32_t value)
{
	return tty_put(buffer, size, &value, sizeof(value));
}

static int64_t tty_get_settings(const struct tty *tty, bool is_long, void *buffer, size_t size)
{
	struct linux_termios2 settings = {
		.termios = tty->line.termios, .input_speed = 38400, .output_speed = 38400
	};

	return is_long ? tty_put(buffer, size, &settings, sizeof(settings))
		       : tty_put(buffer, size, &settings.termios, sizeof(settings.termios));
}

/* The half of each flag word that System V knew, and its characters. */
static int64_t tty_get_old_settings(const struct tty *tty, void *buffer, size_t size)
{
	const struct linux_termios *termios = &tty->line.termios;
	struct linux_termio settings = {
		.iflag = (uint16_t)termios->iflag,
		.oflag = (uint16_t)termios->oflag,
		.cflag = (uint16_t)termios->cflag,
		.lflag = (uint16_t)termios->lflag,
		.line = termios->line,
	};

	memcpy(settings.cc, termios->cc, sizeof(settings.cc));
	return tty_put(buffer, size, &settings, sizeof(settings));
}

/* Those with the rest as it is. */
static void tty_merge_old_settings(
	const struct tty *tty, const void *buffer, struct linux_termios *out_termios)
{
	constexpr uint32_t OTHER_HALF = 0xffff0000;
	struct linux_termios termios = tty->line.termios;
	struct linux_termio settings;

	memcpy(&settings, buffer, sizeof(settings));
	termios.iflag = (termios.iflag & OTHER_HALF) | settings.iflag;
	termios.oflag = (termios.oflag & OTHER_HALF) | settings.oflag;
	termios.cflag = (termios.cflag & OTHER_HALF) | settings.cflag;
	termios.lflag = (termios.lflag & OTHER_HALF) | settings.lflag;
	termios.line = settings.line;
	memcpy(termios.cc, settings.cc, sizeof(settings.cc));
	*out_termios = termios;
}

/* What is locked stays. */
static void tty_keep_locked(const struct tty *tty, struct linux_termios *termios)
{
	const struct linux_termios *now = &tty->line.termios, *locked = &tty->locked;

	termios->iflag = (now->iflag & locked->iflag) | (termios->iflag & ~locked->iflag);
	termios->oflag = (now->oflag & locked->oflag) | (termios->oflag & ~locked->oflag);
	termios->cflag = (now->cflag & locked->cflag) | (termios->cflag & ~locked->cflag);
	termios->lflag = (now->lflag & locked->lflag) | (termios->lflag & ~locked->lflag);
	termios->line = locked->line != 0 ? now->line : termios->line;
	for (uint32_t i = 0; i < LINUX_NCCS; i++) {
		termios->cc[i] = locked->cc[i] != 0 ? now->cc[i] : termios->cc[i];
	}
}

enum settings_when { SETTINGS_NOW, SETTINGS_DRAINED, SETTINGS_FLUSHED };

/* Bytes that were written and have not left. */
static size_t tty_unsent(const struct tty *tty)
{
	return tty->driver->is_pty ? 0 : ring_used(&tty->output);
}

/* 0 when everything written has left; else PARK or what waiting says. */
static int64_t tty_drain(struct tty *tty, struct file *file, struct request *request)
{
	if (tty_unsent(tty) == 0) {
		return 0;
	}
	if (request->flags & POSIX_REQUEST_NOWAIT) {
		return -LINUX_EAGAIN;
	}
	int64_t error = request_wait_on(request, &tty->changed);

	return file_end_call(request, file, error < 0 ? error : REQUEST_PARK);
}

static int64_t tty_set_settings(struct tty *tty, struct file *file, struct request *request,
	enum settings_when when, bool is_old, const void *buffer, size_t size)
{
	struct linux_termios termios;

	if (size < (is_old ? sizeof(struct linux_termio) : sizeof(termios))) {
		return -LINUX_EFAULT;
	}
	int64_t error = tty_check_background(tty, request, LINUX_SIGTTOU);

	if (error == 0 && when != SETTINGS_NOW) {
		error = tty_drain(tty, file, request);
	}
	if (error != 0) {
		return error;
	}
	if (when == SETTINGS_FLUSHED) {
		line_flush_input(&tty->line);
		tty->driver->announce(tty, LINUX_TIOCPKT_FLUSHREAD);
		tty->driver->input_wanted(tty);
	}
	if (is_old) {
		tty_merge_old_settings(tty, buffer, &termios);
	} else {
		memcpy(&termios, buffer, sizeof(termios));
	}
	tty_keep_locked(tty, &termios);
	line_set_termios(&tty->line, &termios);
	wait_queue_wake(&tty->changed);
	return 0;
}

/* ---- queues and flow ----------------------------------------------------------------------- */

static int64_t tty_flush(struct tty *tty, uint64_t which)
{
	if (which > LINUX_TCIOFLUSH) {
		return -LINUX_EINVAL;
	}
	if (which != LINUX_TCOFLUSH) {
		line_flush_input(&tty->line);
		tty->driver->announce(tty, LINUX_TIOCPKT_FLUSHREAD);
		tty->driver->input_wanted(tty);
	}
	if (which != LINUX_TCIFLUSH) {
		tty_flush_output(tty);
	}
	return 0;
}

static int64_t tty_flow(struct tty *tty, uint64_t action)
{
	uint8_t byte;

	switch (action) {
	case LINUX_TCOOFF: line_set_stopped(&tty->line, true); return 0;
	case LINUX_TCOON: line_set_stopped(&tty->line, false); return 0;
	case LINUX_TCIOFF:
	case LINUX_TCION:
		byte = tty->line.termios.cc[action == LINUX_TCIOFF ? LINUX_VSTOP : LINUX_VSTART];
		if (byte != 0 && ring_write(&tty->output, &byte, 1) == 1) {
			tty->driver->output_ready(tty);
		}
		return 0;
	default: return -LINUX_EINVAL;
	}
}

/* What the caller may do only in the foreground. */
static int64_t tty_ioctl_foreground(struct tty *tty, struct file *file, struct request *request,
	uint32_t command, uint64_t value)
{
	int64_t error = tty_check_background(tty, request, LINUX_SIGTTOU);

	if (error < 0) {
		return error;
	}
	switch (command) {
	case LINUX_TCFLSH: return tty_flush(tty, value);
	case LINUX_TCXONC: return tty_flow(tty, value);
	default: return tty_drain(tty, file, request); /* TCSBRK, TCSBRKP: no line to break */
	}
}

static int64_t tty_set_size_from(struct tty *tty, const void *buffer, size_t size)
{
	struct linux_winsize window;

	if (size < sizeof(window)) {
		return -LINUX_EFAULT;
	}
	memcpy(&window, buffer, sizeof(window));
	tty_set_size(tty, &window);
	return 0;
}

static int64_t tty_ioctl_rare(
	struct tty *tty, struct request *request, uint32_t command, void *buffer, size_t size)
{
	bool is_privileged = credentials_has(&request->process->credentials, LINUX_CAP_SYS_ADMIN);

	switch (command) {
	case LINUX_TIOCEXCL: tty->is_exclusive = true; return 0;
	case LINUX_TIOCNXCL: tty->is_exclusive = false; return 0;
	case LINUX_TIOCGEXCL: return tty_put_int(buffer, size, tty->is_exclusive);
	case LINUX_TIOCGETD: return tty_put_int(buffer, size, 0); /* N_TTY */
	case LINUX_TIOCGDEV: return tty_put_int(buffer, size, (int32_t)tty->rdev);
	case LINUX_TIOCGLCKTRMIOS: return tty_put(buffer, size, &tty->locked, sizeof(tty->locked));
	case LINUX_TIOCSLCKTRMIOS:
		if (!is_privileged || size < sizeof(tty->locked)) {
			return is_privileged ? -LINUX_EFAULT : -LINUX_EPERM;
		}
		memcpy(&tty->locked, buffer, sizeof(tty->locked));
		return 0;
	case LINUX_TIOCSTI: return -LINUX_EIO; /* as with dev.tty.legacy_tiocsti=0 */
	case LINUX_TIOCVHANGUP:
		if (!is_privileged) {
			return -LINUX_EPERM;
		}
		tty_hang_up(tty);
		return 0;
	default: return -LINUX_ENOTTY;
	}
}

int64_t tty_ioctl(struct tty *tty, struct file *file, struct request *request, uint32_t command,
	uint64_t value, void *buffer, size_t size, bool is_master)
{
	switch (command) {
	case LINUX_TCGETS: return tty_get_settings(tty, false, buffer, size);
	case LINUX_TCGETS2: return tty_get_settings(tty, true, buffer, size);
	case LINUX_TCGETA: return tty_get_old_settings(tty, buffer, size);
	case LINUX_TCSETS:
	case LINUX_TCSETS2:
	case LINUX_TCSETA:
		return tty_set_settings(
			tty, file, request, SETTINGS_NOW, command == LINUX_TCSETA, buffer, size);
	case LINUX_TCSETSW:
	case LINUX_TCSETSW2:
	case LINUX_TCSETAW:
		return tty_set_settings(tty, file, request, SETTINGS_DRAINED,
			command == LINUX_TCSETAW, buffer, size);
	case LINUX_TCSETSF:
	case LINUX_TCSETSF2:
	case LINUX_TCSETAF:
		return tty_set_settings(tty, file, request, SETTINGS_FLUSHED,
			command == LINUX_TCSETAF, buffer, size);
	case LINUX_TIOCGWINSZ: return tty_put(buffer, size, &tty->size, sizeof(tty->size));
	case LINUX_TIOCSWINSZ: return tty_set_size_from(tty, buffer, size);
	case LINUX_TIOCOUTQ:
		return tty_put_int(buffer, size, is_master ? 0 : (int32_t)tty_unsent(tty));
	case LINUX_FIONREAD:
		return tty_put_int(buffer, size,
			(int32_t)(is_master ? ring_used(&tty->output)
					    : line_readable_bytes(&tty->line)));
	case LINUX_TCFLSH:
	case LINUX_TCXONC:
	case LINUX_TCSBRK:
	case LINUX_TCSBRKP: return tty_ioctl_foreground(tty, file, request, command, value);
	case LINUX_TIOCSCTTY:
	case LINUX_TIOCNOTTY:
	case LINUX_TIOCGPGRP:
	case LINUX_TIOCSPGRP:
	case LINUX_TIOCGSID:
		return tty_job_control(tty, request, command, value, buffer, size, is_master);
	default: return tty_ioctl_rare(tty, request, command, buffer, size);
	}
}
