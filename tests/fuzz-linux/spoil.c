/* SPDX-License-Identifier: MIT */
/*
 * A child that scribbles over what a Linux process shares with Hati, between calls: its thread page
 * with the mailbox and the words that posix and the kernel write, its queue, its process page, its
 * shim's stack. It may end, or stand still until it is killed; nobody else may notice. Only on Hati
 * (--hel): Linux has none of this.
 *
 * The offsets are those of docs/internals/shim.md; what is not there ends the child.
 */
#include "fuzz.h"

#include <signal.h>
#include <string.h>

#define TURNS        64
#define SLOT_BYTES   65536ul
#define STACK_OFFSET 0x1000ul
#define PAGE_OFFSET  0x9000ul /* the process page */
#define QUEUE_OFFSET 0xa000ul
#define WORDS_OFFSET 0xa400ul /* the thread page */

static const struct {
	uint16_t offset, size;
} places[] = {
	{ WORDS_OFFSET, 0xc00 },
	{ WORDS_OFFSET, 0xc00 },
	{ WORDS_OFFSET, 0x200 },
	{ QUEUE_OFFSET, 0x400 },
	{ QUEUE_OFFSET, 0x400 },
	{ PAGE_OFFSET, 0x1000 },
	{ STACK_OFFSET + 0x7000, 0x1000 },
};

/* The slot of this thread: its page is where gs points to, and begins with its own address. */
static uint64_t own_slot(void)
{
	uint64_t page;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(page));
	return page & ~(SLOT_BYTES - 1);
}

static void scribble(struct worker *worker, uint64_t slot)
{
	uint64_t which = draw_below(&worker->draw, N_ELEMENTS(places));
	uint64_t at = slot + places[which].offset + draw_below(&worker->draw, places[which].size);
	uint64_t value = draw_once_in(&worker->draw, 3)
		? draw_below(&worker->draw, 16)
		: draw_next(&worker->draw) >> draw_below(&worker->draw, 64);

	switch (draw_below(&worker->draw, 4)) {
	case 0: *(volatile uint8_t *)at = (uint8_t)value; break;
	case 1: *(volatile uint8_t *)at ^= (uint8_t)(1 << draw_below(&worker->draw, 8)); break;
	case 2: *(volatile uint32_t *)(at & ~3ul) = (uint32_t)value; break;
	default: *(volatile uint64_t *)(at & ~7ul) = value;
	}
}

static void run_spoiler(struct worker *worker)
{
	uint64_t slot = own_slot();

	worker_hide(worker);
	for (uint32_t i = 0; i < TURNS; i++) {
		if (draw_once_in(&worker->draw, 2)) {
			scribble(worker, slot);
		}
		perform(worker);
	}
}

void spoil_perform(struct worker *worker)
{
	child_make(worker, SIGCHLD, 0, 0, run_spoiler);
}
