/* SPDX-License-Identifier: MIT */
/* Output of the line discipline: post-processing of what programs write, and echoes. */
#include <drivers/lib/tty/line-internal.h>

static bool line_put(struct line *line, const char *bytes, size_t size)
{
	if (line->ops->room(line) < size) {
		return false;
	}
	line->ops->write(line, (const uint8_t *)bytes, size);
	return true;
}

static bool line_put_newline(struct line *line)
{
	if (line__has_output_flag(line, LINUX_ONLCR)) {
		if (!line_put(line, "\r\n", 2)) {
			return false;
		}
		line->column = 0;
		line->first_column = 0;
		return true;
	}
	if (!line_put(line, "\n", 1)) {
		return false;
	}
	if (line__has_output_flag(line, LINUX_ONLRET)) {
		line->column = 0;
	}
	line->first_column = line->column;
	return true;
}

static bool line_put_return(struct line *line)
{
	bool is_newline = line__has_output_flag(line, LINUX_OCRNL);

	if (line__has_output_flag(line, LINUX_ONOCR) && line->column == 0) {
		return true;
	}
	if (!line_put(line, is_newline ? "\n" : "\r", 1)) {
		return false;
	}
	if (!is_newline || line__has_output_flag(line, LINUX_ONLRET)) {
		line->column = 0;
		line->first_column = 0;
	}
	return true;
}

static bool line_put_tab(struct line *line)
{
	uint32_t n_columns = 8 - (line->column & 7);
	bool is_expanded = (line->termios.oflag & LINUX_TABDLY) == LINUX_XTABS;

	if (!line_put(line, is_expanded ? "        " : "\t", is_expanded ? n_columns : 1)) {
		return false;
	}
	line->column += n_columns;
	return true;
}

static bool line_put_plain(struct line *line, uint8_t byte)
{
	char out = (char)byte;

	if (line__has_output_flag(line, LINUX_OLCUC) && byte >= 'a' && byte <= 'z') {
		out = (char)(byte - 'a' + 'A');
	}
	if (!line_put(line, &out, 1)) {
		return false;
	}
	if (byte == '\b') {
		line->column -= line->column > 0;
	} else if (!line__is_control(byte) && !line__is_continuation(line, byte)) {
		line->column++;
	}
	return true;
}

bool line__put_output(struct line *line, uint8_t byte)
{
	if (!line__has_output_flag(line, LINUX_OPOST)) {
		return line_put(line, (const char *)&byte, 1);
	}
	switch (byte) {
	case '\n': return line_put_newline(line);
	case '\r': return line_put_return(line);
	case '\t': return line_put_tab(line);
	default: return line_put_plain(line, byte);
	}
}

/* The number of leading bytes that post-processing passes on as they are, one column each. */
static size_t line_plain_prefix(const struct line *line, const uint8_t *bytes, size_t size)
{
	size_t n_bytes = 0;

	if (line__has_output_flag(line, LINUX_OLCUC)) {
		return 0;
	}
	while (n_bytes < size && bytes[n_bytes] >= 0x20 && bytes[n_bytes] < 0x7f) {
		n_bytes++;
	}
	return n_bytes;
}

size_t line_write(struct line *line, const uint8_t *bytes, size_t size)
{
	size_t done = 0;

	if (!line__has_output_flag(line, LINUX_OPOST)) {
		done = min_size(size, line->ops->room(line));
		line->ops->write(line, bytes, done);
		return done;
	}
	while (done < size) {
		size_t n_bytes = line_plain_prefix(line, bytes + done, size - done);

		n_bytes = min_size(n_bytes, line->ops->room(line));
		if (n_bytes > 0) {
			line->ops->write(line, bytes + done, n_bytes);
			line->column += (uint32_t)n_bytes;
			done += n_bytes;
		} else if (line__put_output(line, bytes[done])) {
			done++;
		} else {
			break;
		}
	}
	return done;
}

void line__echo_raw(struct line *line, uint8_t byte)
{
	(void)line__put_output(line, byte); /* an echo that finds no room is lost, as on Linux */
}

void line__echo(struct line *line, uint8_t byte)
{
	char pair[2] = { '^', (char)(byte ^ 0x40) };

	if (!line__has_local_flag(line, LINUX_ECHOCTL) || !line__is_control(byte) || byte == '\t') {
		line__echo_raw(line, byte);
	} else if (line_put(line, pair, 2)) {
		line->column += 2;
	}
}
