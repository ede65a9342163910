/* SPDX-License-Identifier: MIT */
/* Tests of the screen: what its pixels say is what was written, and nothing else is touched. */
#include <thor/screen/screen.h>

#include <abi/boot/boot-info.h>
#include <base/random.h>
#include <base/testing.h>

#include <stdlib.h>
#include <string.h>

/* A framebuffer with exactly its pixels, and the screen on it. */
struct display {
	struct boot_framebuffer framebuffer;
	struct screen screen;
	uint32_t *pixels;
	uint8_t *cells;
};

static void display_init(struct display *display, uint32_t width, uint32_t height, uint32_t pitch)
{
	size_t size = (size_t)pitch * (height - 1) + width * sizeof(uint32_t);

	display->framebuffer = (struct boot_framebuffer){
		.width = width,
		.height = height,
		.pitch = pitch,
		.bits_per_pixel = 32,
	};
	display->pixels = malloc(size);
	memset(display->pixels, 0x55, size);
	display->cells = malloc(screen_cell_count(&display->framebuffer));
	screen_init(&display->screen, &display->framebuffer, display->pixels, display->cells);
}

static void display_deinit(struct display *display)
{
	free(display->pixels);
	free(display->cells);
}

static uint32_t pixel_at(const struct display *display, uint32_t x, uint32_t y)
{
	return display->pixels[y * (display->framebuffer.pitch / 4) + x];
}

static void write_text(struct display *display, const char *text)
{
	screen_write(&display->screen, text, strlen(text));
}

/* What is shown in a row, without spaces at the end. */
static const char *row_of(const struct display *display, uint32_t row)
{
	static char text[512];
	uint32_t n = display->screen.columns;

	memcpy(text, &display->cells[row * n], n);
	while (n > 0 && text[n - 1] == ' ') {
		n--;
	}
	text[n] = '\0';
	return text;
}

/* The pixels are those of a new screen on which only this cell's character was written. */
static bool is_drawn(const struct display *display, uint32_t column, uint32_t row)
{
	static struct display fresh;
	uint32_t scale = display->screen.scale, width = 6 * scale, height = 10 * scale;
	const char *cell = (const char *)&display->cells[row * display->screen.columns + column];
	bool is_equal = true;

	display_init(&fresh, display->framebuffer.width, display->framebuffer.height,
		display->framebuffer.pitch);
	screen_write(&fresh.screen, cell, 1);
	for (uint32_t y = 0; y < height; y++) {
		for (uint32_t x = 0; x < width; x++) {
			is_equal = is_equal &&
				pixel_at(&fresh, x, y) ==
					pixel_at(display, column * width + x, row * height + y);
		}
	}
	display_deinit(&fresh);
	return is_equal;
}

TEST(characters_are_drawn)
{
	static const char *const letter[9] = { "..###.", "...#..", "...#..", "...#..", "...#..",
		"#..#..", ".##...", "......", "......" };
	struct display display;

	display_init(&display, 64, 40, 256);
	CHECK_EQ(display.screen.columns, 10u);
	CHECK_EQ(display.screen.rows, 4u);
	write_text(&display, " J");
	for (uint32_t y = 0; y < 9; y++) {
		for (uint32_t x = 0; x < 6; x++) {
			CHECK_EQ(pixel_at(&display, 6 + x, y) == SCREEN_LIT, letter[y][x] == '#');
		}
	}
	for (uint32_t x = 0; x < 64; x++) {
		CHECK_EQ(pixel_at(&display, x, 9), 0u);
		CHECK_EQ(pixel_at(&display, x, 39), 0u);
	}
	display_deinit(&display);
}

TEST(lines_wrap_and_move_up)
{
	struct display display;

	display_init(&display, 60, 40, 240);
	write_text(&display, "0123456789\nabcdefghijkl\n\tz\rT");
	CHECK(strcmp(row_of(&display, 0), "0123456789") == 0);
	CHECK(strcmp(row_of(&display, 1), "abcdefghij") == 0);
	CHECK(strcmp(row_of(&display, 2), "kl") == 0);
	CHECK(strcmp(row_of(&display, 3), "T       z") == 0);
	write_text(&display, "\nx");
	CHECK(strcmp(row_of(&display, 0), "abcdefghij") == 0);
	CHECK(strcmp(row_of(&display, 3), "x") == 0);
	write_text(&display, "\ny\nz");
	CHECK(strcmp(row_of(&display, 1), "x") == 0);
	CHECK(strcmp(row_of(&display, 2), "y") == 0);
	CHECK(strcmp(row_of(&display, 3), "z") == 0);
	display_deinit(&display);
}

TEST(what_was_lost_is_drawn_with_the_end_of_the_line)
{
	struct display display;

	display_init(&display, 60, 40, 240);
	write_text(&display, "text\t");
	memset(display.pixels, 0, 240 * 40);
	CHECK(!is_drawn(&display, 0, 0));
	write_text(&display, "\n");
	for (uint32_t column = 0; column < display.screen.columns; column++) {
		CHECK(is_drawn(&display, column, 0));
	}
	display_deinit(&display);
}

TEST(large_screens_have_large_pixels)
{
	struct display display;

	display_init(&display, 1920, 1080, 8192);
	CHECK_EQ(display.screen.scale, 2u);
	CHECK_EQ(display.screen.columns, 160u);
	CHECK_EQ(display.screen.rows, 54u);
	write_text(&display, "!");
	CHECK_EQ(pixel_at(&display, 4, 0), SCREEN_LIT);
	CHECK_EQ(pixel_at(&display, 5, 1), SCREEN_LIT);
	CHECK_EQ(pixel_at(&display, 6, 0), 0u);
	display_deinit(&display);
}

TEST(screens_too_small_for_a_character_have_no_cells)
{
	struct boot_framebuffer small = { .width = 5, .height = 100, .pitch = 20 };

	CHECK_EQ(screen_cell_count(&small), 0u);
	small = (struct boot_framebuffer){ .width = 100, .height = 9, .pitch = 400 };
	CHECK_EQ(screen_cell_count(&small), 0u);
}

TEST(any_bytes_can_be_written)
{
	struct random random;

	for (uint64_t seed = 0; seed < 40; seed++) {
		struct display display;
		uint32_t width;

		random_init(&random, seed);
		width = 6 + (uint32_t)random_below(&random, 120);
		display_init(&display, width, 10 + (uint32_t)random_below(&random, 70),
			4 * (width + (uint32_t)random_below(&random, 9)));
		for (uint64_t n = random_below(&random, 3000); n > 0; n--) {
			static const char usual[] = "\n\r\t ab#";
			char byte = random_below(&random, 4) == 0
				? (char)random_below(&random, 256)
				: usual[random_below(&random, sizeof(usual))];

			screen_write(&display.screen, &byte, 1);
		}
		for (uint32_t row = 0; row < display.screen.rows; row++) {
			for (uint32_t column = 0; column < display.screen.columns; column++) {
				CHECK(is_drawn(&display, column, row));
			}
		}
		display_deinit(&display);
	}
}

TEST_MAIN()
