/* SPDX-License-Identifier: MIT */
/*
 * Editing in canonical mode: erasing a character, a word or the line, and reprinting it.
 *
 * What is erased from the buffer is erased on the screen, too, as far as the flags ask for it. Tabs
 * are as wide as they were: their width follows from what stands before them on the line.
 */
#include <drivers/lib/tty/line-internal.h>

enum erase_kind { ERASE_CHARACTER, ERASE_WORD, ERASE_LINE };

static bool line_is_word_byte(uint8_t byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
		(byte >= 'a' && byte <= 'z') || byte == '_' || byte >= 0x80;
}

static void line_erase_column(struct line *line)
{
	line__echo_raw(line, '\b');
	line__echo_raw(line, ' ');
	line__echo_raw(line, '\b');
}

/* Moves the cursor back over a tab that has been taken off the buffer. */
static void line_erase_tab(struct line *line)
{
	uint32_t n_columns = 0;
	bool is_after_tab = false;

	for (uint32_t at = line->head; at != line->canonical_end && !is_after_tab;) {
		uint8_t byte = *line__at(line, --at);

		if (byte == '\t') {
			is_after_tab = true;
		} else if (line__is_control(byte)) {
			n_columns += line__has_local_flag(line, LINUX_ECHOCTL) ? 2 : 0;
		} else if (!line__is_continuation(line, byte)) {
			n_columns++;
		}
	}
	if (!is_after_tab) {
		n_columns += line->first_column;
	}
	for (uint32_t i = 8 - (n_columns & 7); i > 0; i--) {
		line__echo_raw(line, '\b');
	}
}

/* Makes the screen follow the erasure of the character that began with @byte. */
static void line_echo_erasure(struct line *line, uint8_t byte, uint32_t size, enum erase_kind kind)
{
	if (line__has_local_flag(line, LINUX_ECHOPRT)) {
		if (!line->is_erasing) {
			line__echo_raw(line, '\\');
			line->is_erasing = true;
		}
		line__echo(line, byte);
		for (uint32_t i = 1; i < size; i++) {
			line__echo_raw(line, *line__at(line, line->head + i));
		}
	} else if (kind == ERASE_CHARACTER && !line__has_local_flag(line, LINUX_ECHOE)) {
		line__echo(line, line->termios.cc[LINUX_VERASE]);
	} else if (byte == '\t') {
		line_erase_tab(line);
	} else if (!line__is_control(byte)) {
		line_erase_column(line);
	} else if (line__has_local_flag(line, LINUX_ECHOCTL)) {
		line_erase_column(line);
		line_erase_column(line);
	}
}

/*
 * Takes the last character off the buffer; false if that would cut a UTF-8 sequence or leave the
 * word.
 */
static bool line_erase_last(struct line *line, enum erase_kind kind, bool *in_out_is_in_word)
{
	uint32_t start = line->head;
	uint8_t byte;

	do {
		byte = *line__at(line, --start);
	} while (line__is_continuation(line, byte) && start != line->canonical_end);
	if (line__is_continuation(line, byte)) {
		return false;
	}
	if (kind == ERASE_WORD) {
		if (line_is_word_byte(byte)) {
			*in_out_is_in_word = true;
		} else if (*in_out_is_in_word) {
			return false;
		}
	}
	uint32_t size = line->head - start;

	line->head = start;
	if (line__has_local_flag(line, LINUX_ECHO)) {
		line_echo_erasure(line, byte, size, kind);
	}
	return true;
}

/* VKILL where the flags do not ask for a visible erasure of each character. */
static bool line_kill_at_once(struct line *line, uint8_t byte)
{
	uint32_t visible = LINUX_ECHOK | LINUX_ECHOKE | LINUX_ECHOE;

	if (!line__has_local_flag(line, LINUX_ECHO)) {
		line->head = line->canonical_end;
		return true;
	}
	if ((line->termios.lflag & visible) == visible) {
		return false;
	}
	line->head = line->canonical_end;
	line__finish_erasing(line);
	line__echo(line, byte);
	if (line__has_local_flag(line, LINUX_ECHOK)) {
		line__echo_raw(line, '\n');
	}
	return true;
}

void line__erase(struct line *line, uint8_t byte)
{
	enum erase_kind kind = ERASE_WORD;
	bool is_in_word = false;

	if (line->head == line->canonical_end) {
		return;
	}
	if (line__is_character(line, LINUX_VERASE, byte)) {
		kind = ERASE_CHARACTER;
	} else if (line__is_character(line, LINUX_VKILL, byte)) {
		kind = ERASE_LINE;
		if (line_kill_at_once(line, byte)) {
			return;
		}
	}
	while (line->head != line->canonical_end) {
		if (!line_erase_last(line, kind, &is_in_word) || kind == ERASE_CHARACTER) {
			break;
		}
	}
	if (line->head == line->canonical_end && line__has_local_flag(line, LINUX_ECHO)) {
		line__finish_erasing(line);
	}
}

void line__finish_erasing(struct line *line)
{
	if (line->is_erasing) {
		line__echo_raw(line, '/');
		line->is_erasing = false;
	}
}

void line__reprint(struct line *line, uint8_t byte)
{
	line__finish_erasing(line);
	line__echo(line, byte);
	line__echo_raw(line, '\n');
	for (uint32_t at = line->canonical_end; at != line->head; at++) {
		line__echo(line, *line__at(line, at));
	}
}
