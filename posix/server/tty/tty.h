/* SPDX-License-Identifier: MIT */
/*
 * Terminals: a line discipline, an output ring, and who may use them.
 *
 *	program --write--> line ---> output ring ---> driver (the console's device, a pty's master)
 *	program <--read--- line <---------------- driver: tty_receive()
 *
 * Job control: a terminal belongs to at most one session, one of whose groups is in the foreground.
 * Processes of other groups that read (or write, with TOSTOP, or change settings) are sent SIGTTIN
 * or SIGTTOU and their call is restarted when they go on.
 *
 * Hang-up: `n_hangups` counts. A file that was opened before the last one sees an end of file for
 * ever; files opened later use the terminal as if nothing had happened, unless it is closed for
 * good (`is_closed`).
 */
#ifndef POSIX_TTY_TTY_H
#define POSIX_TTY_TTY_H

#include <base/ring.h>
#include <drivers/lib/tty/line.h>
#include <posix/server/file/file.h>

struct process_group;
struct session;
struct tty;

constexpr size_t TTY_OUTPUT_SIZE = 16384;

/* Who carries a terminal's bytes. None may call back into the terminal at once. */
struct tty_driver {
	/*
	 * What was written has left at once: the output ring stands for the buffer of the master.
	 * Nobody waits until it is empty, flushing leaves it alone, and the master still reads it
	 * when the session has lost the terminal with its leader.
	 */
	bool is_pty;
	/* There is output to take (tty_take_output()), or it may go on after a stop. */
	void (*output_ready)(struct tty *tty);
	/* Input has been read: tty_receive() takes more. */
	void (*input_wanted)(struct tty *tty);
	/* Input or output was thrown away, or flow control changed: for packet mode. */
	void (*announce)(struct tty *tty, uint8_t packet_flags);
	/* Nobody has it open any more; the driver's reference to it stays. */
	void (*closed)(struct tty *tty);
	/* The last reference is gone: free it. */
	void (*release)(struct tty *tty);
};

struct tty {
	const struct tty_driver *driver;
	uint32_t references;
	struct line line;
	struct ring output;
	struct wait_queue changed; /* input, output, or the state: look again */
	struct session *session;   /* whose controlling terminal it is, NULL: nobody's */
	uint32_t foreground;       /* number of a process group, 0: none */
	struct linux_winsize size;
	uint64_t rdev;
	uint32_t n_open;           /* files */
	uint32_t n_hangups;
	bool is_closed;     /* the device or the master is gone */
	bool is_exclusive;  /* TIOCEXCL */
	struct linux_termios locked; /* bits and characters that stay as they are */
	uint8_t output_storage[TTY_OUTPUT_SIZE];
};

/** tty_init() - the common part of a terminal, with one reference */
void tty_init(struct tty *tty, const struct tty_driver *driver, uint64_t rdev);
void tty_ref(struct tty *tty);
void tty_unref(struct tty *tty);

/**
 * tty_open() - make @file an open terminal; by its flags, @request's process may get it as
 * controlling terminal
 */
int64_t tty_open(struct tty *tty, struct file *file, struct request *request);

/** tty_of_file() - the terminal of an open terminal, NULL if it is none or hung up */
struct tty *tty_of_file(const struct file *file);

/* ---- for drivers --------------------------------------------------------------------------- */

/**
 * tty_receive() - bytes from the device; returns how many were taken, input_wanted() comes when
 * there is room
 */
size_t tty_receive(struct tty *tty, const uint8_t *bytes, size_t size);

/** tty_take_output() - bytes for the device; 0 if there are none or output is stopped */
size_t tty_take_output(struct tty *tty, void *buffer, size_t size);

/**
 * tty_hang_up() - the carrier is lost: SIGHUP to the session, an end of file to all who have it
 * open
 */
void tty_hang_up(struct tty *tty);

/** tty_set_size() - the window has changed: SIGWINCH to the foreground, if it is new */
void tty_set_size(struct tty *tty, const struct linux_winsize *size);

/** tty_signal_foreground() - send a signal to the foreground group */
void tty_signal_foreground(struct tty *tty, int signal);

/* ---- ioctls (tty-ioctl.c, job-control.c) --------------------------------------------------- */

/** tty_ioctl() - what both ends of a terminal know; @is_master: called for a pty's master */
int64_t tty_ioctl(struct tty *tty, struct file *file, struct request *request, uint32_t command,
	uint64_t value, void *buffer, size_t size, bool is_master);

/** tty_job_control() - the ioctls about sessions and groups; -LINUX_ENOTTY for others */
int64_t tty_job_control(struct tty *tty, struct request *request, uint32_t command, uint64_t value,
	void *buffer, size_t size, bool is_master);

/**
 * tty_check_background() - may the caller use the terminal?
 * @signal: LINUX_SIGTTIN for reading, LINUX_SIGTTOU for changing and (with TOSTOP) writing
 *
 * Return: 0; -LINUX_EIO; -LINUX_ERESTARTSYS after the signal was sent.
 */
int64_t tty_check_background(struct tty *tty, struct request *request, int signal);

/** tty_acquire() - make it the controlling terminal of the caller's session */
void tty_acquire(struct tty *tty, struct request *request);

/** tty_flush_output() - throw away what the device has not got */
void tty_flush_output(struct tty *tty);

/** terminals_init() - /dev/tty, /dev/console, ptys; 0 or -LINUX_ENOMEM */
int64_t terminals_init(void);

#endif
