/* SPDX-License-Identifier: MIT */
/*
 * A screen of text on a framebuffer: what the log is shown on where there is no serial line.
 *
 * Output only, in one colour, with the font of font.txt. Lines that are too long go on in the next
 * row; a full screen moves up by a quarter, so that it is seldom drawn anew. Nothing is read from
 * the framebuffer, which is slow.
 */
#ifndef THOR_SCREEN_SCREEN_H
#define THOR_SCREEN_SCREEN_H

#include <base/types.h>

struct boot_framebuffer;

/* Pixels of 32 bits; a lit one has three equal colours, whose order does not matter. */
#define SCREEN_LIT 0x00c0c0c0u

struct screen {
	uint32_t *pixels;
	uint32_t pixels_per_line;
	uint32_t scale; /* pixels are squares of so many */
	uint32_t columns, rows;
	uint32_t column, row; /* where the next character comes; column: also behind the last */
	uint8_t *cells; /* what is shown, row by row */
};

/** screen_cell_count() - bytes of cells that a screen on such a framebuffer needs; 0: too small */
size_t screen_cell_count(const struct boot_framebuffer *framebuffer);

/**
 * screen_init() - an empty screen
 * @pixels: where the framebuffer is mapped; its address in @framebuffer is not used
 * @cells: screen_cell_count() bytes
 */
void screen_init(struct screen *screen, const struct boot_framebuffer *framebuffer,
	uint32_t *pixels, uint8_t *cells);

/** screen_write() - show text; what is not ASCII is shown as a box */
void screen_write(struct screen *screen, const char *text, size_t size);

#endif
