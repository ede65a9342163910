/* SPDX-License-Identifier: MIT */
/* Shared by the files of the line discipline. */
#ifndef DRIVERS_LIB_TTY_LINE_INTERNAL_H
#define DRIVERS_LIB_TTY_LINE_INTERNAL_H

#include <drivers/lib/tty/line.h>

static inline bool line__has_input_flag(const struct line *line, uint32_t flag)
{
	return (line->termios.iflag & flag) != 0;
}

static inline bool line__has_output_flag(const struct line *line, uint32_t flag)
{
	return (line->termios.oflag & flag) != 0;
}

static inline bool line__has_local_flag(const struct line *line, uint32_t flag)
{
	return (line->termios.lflag & flag) != 0;
}

/** line__is_character() - whether @byte is the control character at @index; zero disables one */
static inline bool line__is_character(const struct line *line, unsigned index, uint8_t byte)
{
	return byte != 0 && line->termios.cc[index] == byte;
}

static inline bool line__is_control(uint8_t byte)
{
	return byte < 0x20 || byte == 0x7f;
}

/** line__is_continuation() - whether @byte is inside a UTF-8 sequence and takes no column */
static inline bool line__is_continuation(const struct line *line, uint8_t byte)
{
	return line__has_input_flag(line, LINUX_IUTF8) && (byte & 0xc0) == 0x80;
}

static inline uint8_t *line__at(struct line *line, uint32_t position)
{
	return &line->data[position % LINE_BUFFER_SIZE];
}

/** line__put_output() - one byte to the device with post-processing; false: there is no room */
bool line__put_output(struct line *line, uint8_t byte);

/** line__echo() - echo a typed byte, control characters as ^X if ECHOCTL says so */
void line__echo(struct line *line, uint8_t byte);

/** line__echo_raw() - echo a byte as it is, post-processed */
void line__echo_raw(struct line *line, uint8_t byte);

/** line__erase() - the editing character @byte was typed: VERASE, VWERASE or VKILL */
void line__erase(struct line *line, uint8_t byte);

/** line__finish_erasing() - ECHOPRT: close the list of erased bytes */
void line__finish_erasing(struct line *line);

/** line__reprint() - VREPRINT: echo the line that is being edited anew */
void line__reprint(struct line *line, uint8_t byte);

#endif
