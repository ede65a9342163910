/* SPDX-License-Identifier: MIT */
/* Input of the line discipline: from the device into the buffer, and from there to the program. */
#include <base/assert.h>
#include <base/string.h>
#include <drivers/lib/tty/line-internal.h>

struct linux_termios line_default_termios(void)
{
	return (struct linux_termios){
		.iflag = LINUX_ICRNL | LINUX_IXON,
		.oflag = LINUX_OPOST | LINUX_ONLCR,
		.cflag = LINUX_B38400 | LINUX_CS8 | LINUX_CREAD | LINUX_HUPCL,
		.lflag = LINUX_ISIG | LINUX_ICANON | LINUX_ECHO | LINUX_ECHOE | LINUX_ECHOK |
			LINUX_ECHOCTL | LINUX_ECHOKE | LINUX_IEXTEN,
		.cc = {
			[LINUX_VINTR] = 003,
			[LINUX_VQUIT] = 034,
			[LINUX_VERASE] = 0177,
			[LINUX_VKILL] = 025,
			[LINUX_VEOF] = 004,
			[LINUX_VTIME] = 0,
			[LINUX_VMIN] = 1,
			[LINUX_VSTART] = 021,
			[LINUX_VSTOP] = 023,
			[LINUX_VSUSP] = 032,
			[LINUX_VREPRINT] = 022,
			[LINUX_VDISCARD] = 017,
			[LINUX_VWERASE] = 027,
			[LINUX_VLNEXT] = 026,
		},
	};
}

void line_init(struct line *line, const struct line_ops *ops)
{
	*line = (struct line){ .ops = ops, .termios = line_default_termios() };
}

void line_flush_input(struct line *line)
{
	line->tail = line->head;
	line->canonical_end = line->head;
	line->is_next_literal = false;
	line->is_erasing = false;
	memset(line->marks, 0, sizeof(line->marks));
}

void line_set_stopped(struct line *line, bool is_stopped)
{
	if (line->is_stopped != is_stopped) {
		line->is_stopped = is_stopped;
		line->ops->set_stopped(line, is_stopped);
	}
}

void line_set_termios(struct line *line, const struct linux_termios *termios)
{
	bool was_canonical = line_is_canonical(line);

	line->termios = *termios;
	if (line_is_canonical(line) != was_canonical) {
		memset(line->marks, 0, sizeof(line->marks));
		line->canonical_end = line->tail;
		if (!was_canonical && line->head != line->tail) {
			line->canonical_end = line->head;
			bitmap_set(line->marks, (line->head - 1) % LINE_BUFFER_SIZE);
		}
		line->is_next_literal = false;
		line->is_erasing = false;
	}
	if (!line__has_input_flag(line, LINUX_IXON)) {
		line_set_stopped(line, false);
	}
	if (line_can_read(line)) {
		line->ops->readable(line);
	}
}

/* ---- from the device into the buffer ------------------------------------------------------- */

static size_t line_buffer_room(const struct line *line)
{
	return LINE_BUFFER_SIZE - (line->head - line->tail);
}

/*
 * Stores a byte. In a full buffer the line being edited loses it, with a bell if IMAXBEL asks for
 * it.
 */
static void line_store(struct line *line, uint8_t byte)
{
	/* the last place is for what ends the line */
	if (line_buffer_room(line) <= (line_is_canonical(line) ? 1u : 0u)) {
		if (line__has_input_flag(line, LINUX_IMAXBEL)) {
			line__echo_raw(line, '\a');
		}
		return;
	}
	bitmap_clear(line->marks, line->head % LINE_BUFFER_SIZE);
	*line__at(line, line->head++) = byte;
}

/* Ends the line being edited with @byte, zero for the end-of-file character. */
static void line_complete(struct line *line, uint8_t byte)
{
	if (line_buffer_room(line) == 0) {
		return;
	}
	*line__at(line, line->head) = byte;
	bitmap_set(line->marks, line->head % LINE_BUFFER_SIZE);
	line->canonical_end = ++line->head;
	line->ops->readable(line);
}

static void line_echo_input(struct line *line, uint8_t byte)
{
	if (!line__has_local_flag(line, LINUX_ECHO)) {
		return;
	}
	line__finish_erasing(line);
	if (byte == '\n') {
		line__echo_raw(line, byte);
		return;
	}
	if (line->head == line->canonical_end) {
		line->first_column = line->column;
	}
	line__echo(line, byte);
}

static void line_receive_ordinary(struct line *line, uint8_t byte)
{
	line_echo_input(line, byte);
	if (byte == 0xff && line__has_input_flag(line, LINUX_PARMRK) &&
		!line__has_input_flag(line, LINUX_ISTRIP)) {
		line_store(line, byte);
	}
	line_store(line, byte);
	if (!line_is_canonical(line)) {
		line->ops->readable(line);
	}
}

static void line_receive_signal(struct line *line, uint8_t byte, enum line_signal signal)
{
	if (!line__has_local_flag(line, LINUX_NOFLSH)) {
		line_flush_input(line);
		line->ops->flush_output(line);
	}
	if (line__has_input_flag(line, LINUX_IXON)) {
		line_set_stopped(line, false);
	}
	if (line__has_local_flag(line, LINUX_ECHO)) {
		line__echo(line, byte);
	}
	line->ops->signal(line, signal);
}

/* Flow control and signals; true if @byte was such a character. */
static bool line_receive_special(struct line *line, uint8_t byte)
{
	if (line__has_input_flag(line, LINUX_IXON)) {
		if (line__is_character(line, LINUX_VSTART, byte)) {
			line_set_stopped(line, false);
			return true;
		}
		if (line__is_character(line, LINUX_VSTOP, byte)) {
			line_set_stopped(line, true);
			return true;
		}
	}
	if (line__has_local_flag(line, LINUX_ISIG)) {
		if (line__is_character(line, LINUX_VINTR, byte)) {
			line_receive_signal(line, byte, LINE_SIGNAL_INTERRUPT);
			return true;
		}
		if (line__is_character(line, LINUX_VQUIT, byte)) {
			line_receive_signal(line, byte, LINE_SIGNAL_QUIT);
			return true;
		}
		if (line__is_character(line, LINUX_VSUSP, byte)) {
			line_receive_signal(line, byte, LINE_SIGNAL_SUSPEND);
			return true;
		}
	}
	if (line->is_stopped && line__has_input_flag(line, LINUX_IXANY)) {
		line_set_stopped(line, false);
	}
	return false;
}

static void line_receive_literal_prefix(struct line *line)
{
	line->is_next_literal = true;
	if (line__has_local_flag(line, LINUX_ECHO)) {
		line__finish_erasing(line);
		if (line__has_local_flag(line, LINUX_ECHOCTL)) {
			line__echo_raw(line, '^');
			line__echo_raw(line, '\b');
		}
	}
}

/* What edits and ends lines; true if @byte was such a character. */
static bool line_receive_canonical(struct line *line, uint8_t byte)
{
	bool is_extended = line__has_local_flag(line, LINUX_IEXTEN);

	if (line__is_character(line, LINUX_VERASE, byte) ||
		line__is_character(line, LINUX_VKILL, byte) ||
		(is_extended && line__is_character(line, LINUX_VWERASE, byte))) {
		line__erase(line, byte);
	} else if (is_extended && line__is_character(line, LINUX_VLNEXT, byte)) {
		line_receive_literal_prefix(line);
	} else if (is_extended && line__has_local_flag(line, LINUX_ECHO) &&
		line__is_character(line, LINUX_VREPRINT, byte)) {
		line__reprint(line, byte);
	} else if (byte == '\n') {
		if (line->termios.lflag & (LINUX_ECHO | LINUX_ECHONL)) {
			line__echo_raw(line, byte);
		}
		line_complete(line, byte);
	} else if (line__is_character(line, LINUX_VEOF, byte)) {
		line_complete(line, 0);
	} else if (line__is_character(line, LINUX_VEOL, byte) ||
		(is_extended && line__is_character(line, LINUX_VEOL2, byte))) {
		line_echo_input(line, byte);
		line_complete(line, byte);
	} else {
		return false;
	}
	return true;
}

static void line_receive_byte(struct line *line, uint8_t byte)
{
	if (line__has_input_flag(line, LINUX_ISTRIP)) {
		byte &= 0x7f;
	}
	if (line__has_input_flag(line, LINUX_IUCLC) && line__has_local_flag(line, LINUX_IEXTEN) &&
		byte >= 'A' && byte <= 'Z') {
		byte = (uint8_t)(byte - 'A' + 'a');
	}
	if (line->is_next_literal) {
		line->is_next_literal = false;
		line_receive_ordinary(line, byte);
		return;
	}
	if (line_receive_special(line, byte)) {
		return;
	}
	if (byte == '\r') {
		if (line__has_input_flag(line, LINUX_IGNCR)) {
			return;
		}
		byte = line__has_input_flag(line, LINUX_ICRNL) ? '\n' : '\r';
	} else if (byte == '\n' && line__has_input_flag(line, LINUX_INLCR)) {
		byte = '\r';
	}
	if (!line_is_canonical(line) || !line_receive_canonical(line, byte)) {
		line_receive_ordinary(line, byte);
	}
}

/* A full buffer: nothing more can come before somebody reads. */
static bool line_must_wait(const struct line *line)
{
	if (line_is_canonical(line)) {
		return line_buffer_room(line) <= 1 && line->canonical_end != line->tail;
	}
	return line_buffer_room(line) <= 1; /* PARMRK doubles a byte */
}

size_t line_receive(struct line *line, const uint8_t *bytes, size_t size)
{
	size_t done = 0;

	while (done < size && !line_must_wait(line)) {
		line_receive_byte(line, bytes[done++]);
	}
	return done;
}

/* ---- from the buffer to the program -------------------------------------------------------- */

bool line_can_read(const struct line *line)
{
	return line_is_canonical(line) ? line->canonical_end != line->tail
				       : line->head != line->tail;
}

static size_t line_read_canonical(struct line *line, uint8_t *out_bytes, size_t size)
{
	size_t n_bytes = 0;

	while (line->tail != line->canonical_end) {
		uint32_t index = line->tail % LINE_BUFFER_SIZE;
		bool is_end = bitmap_test(line->marks, index);
		bool is_end_of_file = is_end && line->data[index] == 0;

		if (n_bytes == size && !is_end_of_file) {
			break;
		}
		line->tail++;
		if (!is_end_of_file) {
			out_bytes[n_bytes++] = line->data[index];
		}
		if (is_end) {
			bitmap_clear(line->marks, index);
			break;
		}
	}
	return n_bytes;
}

size_t line_read(struct line *line, uint8_t *out_bytes, size_t size)
{
	if (line_is_canonical(line)) {
		return line_read_canonical(line, out_bytes, size);
	}
	size_t n_bytes = min_size(size, line->head - line->tail);
	size_t first = min_size(n_bytes, LINE_BUFFER_SIZE - line->tail % LINE_BUFFER_SIZE);

	memcpy(out_bytes, line__at(line, line->tail), first);
	memcpy(out_bytes + first, line->data, n_bytes - first);
	line->tail += (uint32_t)n_bytes;
	line->canonical_end = line->tail;
	return n_bytes;
}

size_t line_readable_bytes(const struct line *line)
{
	if (!line_is_canonical(line)) {
		return line->head - line->tail;
	}
	size_t n_bytes = 0;

	for (uint32_t at = line->tail; at != line->canonical_end; at++) {
		uint32_t index = at % LINE_BUFFER_SIZE;

		n_bytes += !(bitmap_test(line->marks, index) && line->data[index] == 0);
	}
	return n_bytes;
}
