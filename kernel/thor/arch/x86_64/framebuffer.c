/* SPDX-License-Identifier: MIT */
/* The log on the screen, where the firmware has left a framebuffer. */
#include <base/string.h>
#include <thor/init/init.h>
#include <thor/log.h>
#include <thor/memory/memory.h>
#include <thor/panic.h>
#include <thor/screen/screen.h>

#include "machine.h"

static struct screen framebuffer_screen;

/* eir has checked that the framebuffer can be, and has kept it apart from other memory. */
static void framebuffer_start(const struct boot_info *boot)
{
	const struct boot_framebuffer *framebuffer = &boot->framebuffer;
	uint64_t size = (uint64_t)framebuffer->pitch * framebuffer->height;
	size_t n_cells = screen_cell_count(framebuffer);

	if (n_cells == 0) {
		return;
	}
	uint8_t *cells = heap_allocate(n_cells);
	uint32_t *pixels = kernel_map_framebuffer(framebuffer->address_phys, size);

	if (cells == NULL || pixels == NULL) {
		klog("thor: no memory for the screen");
		return;
	}
	screen_init(&framebuffer_screen, framebuffer, pixels, cells);
	log_set_screen(&framebuffer_screen);
	klog("thor: screen of %u by %u pixels, %u columns, %u rows", framebuffer->width,
		framebuffer->height, framebuffer_screen.columns, framebuffer_screen.rows);
}
INIT_TASK(screen, "screen", .run = framebuffer_start, .needs = { "kernel-map" });
