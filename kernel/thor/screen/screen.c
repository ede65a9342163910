/* SPDX-License-Identifier: MIT */
/*
 * Drawing text.
 *
 * The font is the file font.txt itself: sheets of 16 characters from the space on, each of 5 by 9
 * pixels, which are '#' or '.'; a column of spaces and a line of dashes separate them. The last
 * character, 127, is the box for what there is no character for.
 */
#include <thor/screen/screen.h>

#include <abi/boot/boot-info.h>
#include <base/string.h>

#define FONT_WIDTH      5
#define FONT_HEIGHT     9
#define FONT_PER_SHEET  16
#define FONT_FIRST      0x20
#define FONT_BOX        0x7f
#define FONT_N_SHEETS   ((FONT_BOX + 1 - FONT_FIRST) / FONT_PER_SHEET)
#define CELL_WIDTH      (FONT_WIDTH + 1)
#define CELL_HEIGHT     (FONT_HEIGHT + 1)
#define FONT_LINE       (FONT_PER_SHEET * CELL_WIDTH) /* with its end */
#define WIDTH_PER_SCALE 960 /* pixels of a screen for which they are shown as they are */
#define TAB_COLUMNS     8

static const char font[] = {
#embed "font.txt"
};
static_assert(sizeof(font) == FONT_N_SHEETS * CELL_HEIGHT * FONT_LINE);

/* A line of a character's pixels. */
static const char *font_line(uint32_t character, uint32_t y)
{
	uint32_t index = character - FONT_FIRST;
	uint32_t line = index / FONT_PER_SHEET * CELL_HEIGHT + y;

	return &font[line * FONT_LINE + index % FONT_PER_SHEET * CELL_WIDTH];
}

static uint32_t screen_scale(const struct boot_framebuffer *framebuffer)
{
	return framebuffer->width < WIDTH_PER_SCALE ? 1 : framebuffer->width / WIDTH_PER_SCALE;
}

size_t screen_cell_count(const struct boot_framebuffer *framebuffer)
{
	uint32_t scale = screen_scale(framebuffer);

	return (size_t)(framebuffer->width / (CELL_WIDTH * scale)) *
		(framebuffer->height / (CELL_HEIGHT * scale));
}

static void screen_draw_line(const struct screen *screen, uint32_t *line, const char *dots)
{
	for (uint32_t x = 0; x < CELL_WIDTH; x++) {
		uint32_t colour = x < FONT_WIDTH && dots[x] == '#' ? SCREEN_LIT : 0;

		for (uint32_t i = 0; i < screen->scale; i++) {
			line[x * screen->scale + i] = colour;
		}
	}
}

static void screen_draw(const struct screen *screen, uint32_t column, uint32_t row)
{
	uint32_t character = screen->cells[row * screen->columns + column];
	uint32_t *line = screen->pixels +
		(size_t)row * CELL_HEIGHT * screen->scale * screen->pixels_per_line +
		(size_t)column * CELL_WIDTH * screen->scale;

	for (uint32_t y = 0; y < FONT_HEIGHT; y++) {
		for (uint32_t i = 0; i < screen->scale; i++) {
			screen_draw_line(screen, line, font_line(character, y));
			line += screen->pixels_per_line;
		}
	}
}

static void screen_put(struct screen *screen, uint32_t column, uint32_t row, uint8_t character)
{
	uint8_t *cell = &screen->cells[row * screen->columns + column];

	if (*cell != character) {
		*cell = character;
		screen_draw(screen, column, row);
	}
}

static void screen_move_up(struct screen *screen)
{
	uint32_t by = screen->rows < 4 ? 1 : screen->rows / 4;

	for (uint32_t row = 0; row < screen->rows; row++) {
		for (uint32_t column = 0; column < screen->columns; column++) {
			screen_put(screen, column, row,
				row + by < screen->rows
					? screen->cells[(row + by) * screen->columns + column]
					: ' ');
		}
	}
	screen->row -= by;
}

/*
 * What was drawn while hw looked for the size of the framebuffer's BAR went nowhere, so a row is
 * drawn once more when it is complete.
 */
static void screen_begin_row(struct screen *screen)
{
	for (uint32_t column = 0; column < screen->column && column < screen->columns; column++) {
		screen_draw(screen, column, screen->row);
	}
	screen->column = 0;
	screen->row++;
	if (screen->row == screen->rows) {
		screen_move_up(screen);
	}
}

static void screen_write_one(struct screen *screen, uint8_t character)
{
	if (character == '\n') {
		screen_begin_row(screen);
		return;
	}
	if (character == '\r') {
		screen->column = 0;
		return;
	}
	if (screen->column >= screen->columns) {
		screen_begin_row(screen);
	}
	if (character == '\t') {
		screen->column = (screen->column / TAB_COLUMNS + 1) * TAB_COLUMNS;
		return;
	}
	if (character < FONT_FIRST || character > FONT_BOX) {
		character = FONT_BOX;
	}
	screen_put(screen, screen->column, screen->row, character);
	screen->column++;
}

void screen_init(struct screen *screen, const struct boot_framebuffer *framebuffer,
	uint32_t *pixels, uint8_t *cells)
{
	uint32_t scale = screen_scale(framebuffer);

	*screen = (struct screen){
		.pixels = pixels,
		.pixels_per_line = framebuffer->pitch / sizeof(uint32_t),
		.scale = scale,
		.columns = framebuffer->width / (CELL_WIDTH * scale),
		.rows = framebuffer->height / (CELL_HEIGHT * scale),
		.cells = cells,
	};
	memset(cells, ' ', screen_cell_count(framebuffer));
	for (uint32_t y = 0; y < framebuffer->height; y++) {
		memset(&pixels[(size_t)y * screen->pixels_per_line], 0,
			framebuffer->width * sizeof(uint32_t));
	}
}

void screen_write(struct screen *screen, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		screen_write_one(screen, (uint8_t)text[i]);
	}
}
