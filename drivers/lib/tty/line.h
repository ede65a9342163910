/* SPDX-License-Identifier: MIT */
/*
 * The line discipline of terminals: what lies between a device that carries bytes and a program
 * that reads lines.
 *
 * Bytes from the device go through line_receive(): signal and flow control characters act at once,
 * editing characters change the line that is being typed, everything else is stored and echoed.
 * Programs take bytes out with line_read() and put bytes in with line_write(), which post-processes
 * them.
 *
 *	device ---> line_receive() ---> buffer ---> line_read() ---> program
 *	                  | echo
 *	device <--- ops->write <------------------- line_write() <-- program
 *
 * The buffer is a ring with free-running positions, tail <= canonical_end <= head:
 *
 *	tail           canonical_end        head
 *	| complete lines | line being edited |         (canonical mode; else all of it can be read)
 *
 * In canonical mode the last byte of each complete line has its bit in `marks`; a marked zero byte
 * stands for the end-of-file character, which ends a line without being part of it.
 *
 * The library keeps no time and wakes nobody: VTIME, blocking and job control are its owner's
 * business. One loop owns a line; no locks.
 */
#ifndef DRIVERS_LIB_TTY_LINE_H
#define DRIVERS_LIB_TTY_LINE_H

#include <abi/linux/termios.h>
#include <base/bitmap.h>
#include <base/types.h>

/** LINE_BUFFER_SIZE - bytes of input that wait to be read at most; a power of two */
#define LINE_BUFFER_SIZE 4096

enum line_signal {
	LINE_SIGNAL_INTERRUPT,
	LINE_SIGNAL_QUIT,
	LINE_SIGNAL_SUSPEND,
};

struct line;

/*
 * What a line needs from its owner. All are set. None may call back into the line, but for `room`.
 */
struct line_ops {
	/* Append to the device's output; takes all of it (the line asks for room before). */
	void (*write)(struct line *line, const uint8_t *bytes, size_t size);
	/* How many bytes `write` would take now. */
	size_t (*room)(struct line *line);
	/* A signal character was typed. */
	void (*signal)(struct line *line, enum line_signal signal);
	/* There is something new to read. */
	void (*readable)(struct line *line);
	/* Hold back output to the device, or let it go on (IXON). */
	void (*set_stopped)(struct line *line, bool is_stopped);
	/* Throw away output that the device has not got yet. */
	void (*flush_output)(struct line *line);
};

struct line {
	const struct line_ops *ops;
	struct linux_termios termios;
	uint8_t data[LINE_BUFFER_SIZE];
	uint64_t marks[BITMAP_WORDS(LINE_BUFFER_SIZE)];
	uint32_t tail, canonical_end, head;
	uint32_t column;       /* of the cursor, as far as we know */
	uint32_t first_column; /* where the line being edited began */
	bool is_next_literal;  /* VLNEXT was typed */
	bool is_erasing;       /* ECHOPRT: between \ and / */
	bool is_stopped;       /* VSTOP was typed */
};

/** line_init() - a line with the flags that Linux gives a new terminal */
void line_init(struct line *line, const struct line_ops *ops);

/** line_default_termios() - the flags of a new terminal */
struct linux_termios line_default_termios(void);

/**
 * line_set_termios() - change flags and characters
 *
 * When canonical mode is switched on what is in the buffer becomes a line; when it is switched off
 * the unfinished line can be read.
 */
void line_set_termios(struct line *line, const struct linux_termios *termios);

/**
 * line_receive() - process bytes from the device
 *
 * Return: how many were taken. Less than @size when the buffer is full and somebody has to read
 * first; an over-long line being edited is cut instead.
 */
size_t line_receive(struct line *line, const uint8_t *bytes, size_t size);

/** line_can_read() - whether line_read() would give anything (also an end of file) */
bool line_can_read(const struct line *line);

/** line_readable_bytes() - what FIONREAD says */
size_t line_readable_bytes(const struct line *line);

/**
 * line_read() - take bytes out: at most one line in canonical mode, else what is there
 *
 * Return: bytes; 0 in canonical mode after an end-of-file character, or if there is nothing.
 */
size_t line_read(struct line *line, uint8_t *out_bytes, size_t size);

/** line_write() - post-process program output; returns how many of @bytes there was room for */
size_t line_write(struct line *line, const uint8_t *bytes, size_t size);

/** line_flush_input() - forget what was not read */
void line_flush_input(struct line *line);

/** line_set_stopped() - stop or start output as VSTOP and VSTART do */
void line_set_stopped(struct line *line, bool is_stopped);

/** line_is_canonical() - whether input is read line by line */
static inline bool line_is_canonical(const struct line *line)
{
	return (line->termios.lflag & LINUX_ICANON) != 0;
}

#endif
