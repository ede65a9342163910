/* SPDX-License-Identifier: MIT */
/* Terminals: opened, fed, emptied, hung up. */
#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <abi/linux/signal.h>
#include <base/assert.h>
#include <posix/server/process/process.h>
#include <posix/server/tty/tty-file.h>
#include <posix/server/tty/tty.h>
#include <posix/server/vfs/inode.h>

static struct tty *tty_of_line(struct line *line)
{
	return container_of(line, struct tty, line);
}

/* ---- what the line discipline calls -------------------------------------------------------- */

static void tty_line_write(struct line *line, const uint8_t *bytes, size_t size)
{
	ring_write(&tty_of_line(line)->output, bytes, size);
}

static size_t tty_line_room(struct line *line)
{
	return ring_free(&tty_of_line(line)->output);
}

static void tty_line_signal(struct line *line, enum line_signal signal)
{
	static const int numbers[] = {
		[LINE_SIGNAL_INTERRUPT] = LINUX_SIGINT,
		[LINE_SIGNAL_QUIT] = LINUX_SIGQUIT,
		[LINE_SIGNAL_SUSPEND] = LINUX_SIGTSTP,
	};

	tty_signal_foreground(tty_of_line(line), numbers[signal]);
}

static void tty_line_readable(struct line *line)
{
	wait_queue_wake(&tty_of_line(line)->changed);
}

static void tty_line_set_stopped(struct line *line, bool is_stopped)
{
	struct tty *tty = tty_of_line(line);

	tty->driver->announce(tty, is_stopped ? LINUX_TIOCPKT_STOP : LINUX_TIOCPKT_START);
	if (!is_stopped) {
		tty->driver->output_ready(tty);
	}
}

static void tty_line_flush_output(struct line *line)
{
	tty_flush_output(tty_of_line(line));
}

static const struct line_ops tty_line_ops = {
	.write = tty_line_write,
	.room = tty_line_room,
	.signal = tty_line_signal,
	.readable = tty_line_readable,
	.set_stopped = tty_line_set_stopped,
	.flush_output = tty_line_flush_output,
};

/* ---- life ---------------------------------------------------------------------------------- */

void tty_init(struct tty *tty, const struct tty_driver *driver, uint64_t rdev)
{
	*tty = (struct tty){ .driver = driver, .references = 1, .rdev = rdev };
	line_init(&tty->line, &tty_line_ops);
	ring_init(&tty->output, tty->output_storage, sizeof(tty->output_storage));
	wait_queue_init(&tty->changed);
}

void tty_ref(struct tty *tty)
{
	ASSERT(tty->references > 0);
	tty->references++;
}

void tty_unref(struct tty *tty)
{
	ASSERT(tty->references > 0);
	if (--tty->references == 0) {
		tty->driver->release(tty);
	}
}

int64_t tty_open(struct tty *tty, struct file *file, struct request *request)
{
	if (tty->is_closed) {
		return -LINUX_EIO;
	}
	if (tty->is_exclusive && request != NULL &&
		!credentials_has(&request->process->credentials, LINUX_CAP_SYS_ADMIN)) {
		return -LINUX_EBUSY;
	}
	tty_file_init(file, tty);
	if (request != NULL && !(file->flags & LINUX_O_NOCTTY)) {
		struct process *process = request->process;
		struct session *session = process->group->session;

		if (session->sid == process->pid && session->tty == NULL && tty->session == NULL) {
			tty_acquire(tty, request);
		}
	}
	return 0;
}

/* ---- bytes --------------------------------------------------------------------------------- */

size_t tty_receive(struct tty *tty, const uint8_t *bytes, size_t size)
{
	size_t n_bytes = line_receive(&tty->line, bytes, size);

	if (ring_used(&tty->output) > 0) {
		tty->driver->output_ready(tty); /* echoes */
	}
	return n_bytes;
}

size_t tty_take_output(struct tty *tty, void *buffer, size_t size)
{
	if (tty->line.is_stopped) {
		return 0;
	}
	size_t n_bytes = ring_read(&tty->output, buffer, size);

	if (n_bytes > 0) {
		wait_queue_wake(&tty->changed);
	}
	return n_bytes;
}

void tty_flush_output(struct tty *tty)
{
	if (!tty->driver->is_pty) {
		ring_skip(&tty->output, ring_used(&tty->output));
	}
	tty->driver->announce(tty, LINUX_TIOCPKT_FLUSHWRITE);
	wait_queue_wake(&tty->changed);
}

/* ---- signals ------------------------------------------------------------------------------- */

void tty_signal_foreground(struct tty *tty, int signal)
{
	struct process_group *group =
		tty->foreground == 0 ? NULL : process_group_find(tty->foreground);

	if (group != NULL) {
		signal_send_group(
			group, &(struct signal_info){ .signal = signal, .code = LINUX_SI_KERNEL });
	}
}

void tty_set_size(struct tty *tty, const struct linux_winsize *size)
{
	struct linux_winsize old = tty->size;

	tty->size = *size;
	if (old.rows != size->rows || old.columns != size->columns || old.width != size->width ||
		old.height != size->height) {
		tty_signal_foreground(tty, LINUX_SIGWINCH);
	}
}

/* Takes the terminal from its session. */
static void tty_leave_session(struct tty *tty)
{
	if (tty->session != NULL) {
		session_set_tty(tty->session, NULL);
	}
	tty->session = NULL;
	tty->foreground = 0;
}

static void tty_hang_up_session(struct tty *tty)
{
	tty_signal_foreground(tty, LINUX_SIGHUP);
	tty_signal_foreground(tty, LINUX_SIGCONT);
	if (tty->session != NULL && tty->session->sid != tty->foreground) {
		struct process *leader = process_find(tty->session->sid);

		if (leader != NULL) {
			signal_send_process(leader,
				&(struct signal_info){
					.signal = LINUX_SIGHUP, .code = LINUX_SI_KERNEL });
			signal_send_process(leader,
				&(struct signal_info){
					.signal = LINUX_SIGCONT, .code = LINUX_SI_KERNEL });
		}
	}
	tty_leave_session(tty);
}

void tty_hang_up(struct tty *tty)
{
	tty->n_hangups++;
	tty_hang_up_session(tty);
	line_init(&tty->line, &tty_line_ops);
	ring_skip(&tty->output, ring_used(&tty->output));
	wait_queue_wake(&tty->changed);
}

void tty_session_leader_exited(struct tty *tty, struct session *session)
{
	if (tty->session != session) {
		session_set_tty(session, NULL);
	} else if (tty->driver->is_pty) {
		tty_signal_foreground(tty, LINUX_SIGHUP);
		tty_leave_session(tty);
	} else {
		tty_hang_up(tty);
	}
}
