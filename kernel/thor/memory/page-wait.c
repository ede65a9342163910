/* SPDX-License-Identifier: MIT */
/* Waiting for pages: see page-wait.h. */
#include <thor/memory/page-wait.h>

#include <thor/cpu.h>
#include <thor/memory/managed.h>

void page_wait_init(struct page_wait *wait, void (*done)(struct page_wait *wait, int error))
{
	*wait = (struct page_wait){ .done = done };
	list_node_init(&wait->node);
	list_node_init(&wait->wanted_node);
}

bool page_wait_end(struct page_wait *wait)
{
	struct memory *backing = wait->backing;

	if (backing == NULL) {
		return false;
	}
	spinlock_acquire(&backing->lock);
	bool was_armed = list_node_is_linked(&wait->node);

	list_remove(&wait->node);
	list_remove(&wait->wanted_node);
	wait->backing = NULL;
	spinlock_release(&backing->lock);
	object_unref(&backing->object);
	return was_armed;
}

bool page_wait_takes_error(
	struct page_wait *wait, const struct memory *backing, uint64_t index, int *out_error)
{
	int error = wait->error;

	wait->error = 0;
	if (error == 0 || wait->identity != backing->object.identity || wait->index != index) {
		return false;
	}
	*out_error = error;
	return true;
}

/* ---- notes ------------------------------------------------------------------------- */

void page_note_set(struct memory *memory, uint64_t index, bool is_write)
{
	page_note_drop();
	object_ref(&memory->object);
	arch_this_cpu()->page_note = (struct page_note){
		.memory = memory,
		.index = index,
		.is_write = is_write,
	};
}

bool page_note_is_set(void)
{
	return arch_this_cpu()->page_note.memory != NULL;
}

bool page_note_is_write(void)
{
	return arch_this_cpu()->page_note.is_write;
}

void page_note_drop(void)
{
	struct page_note *note = &arch_this_cpu()->page_note;

	if (note->memory != NULL) {
		object_unref(&note->memory->object);
		note->memory = NULL;
	}
}

int page_note_refuse(int error)
{
	if (error == -ERR_FAULT && page_note_is_set()) {
		page_note_drop();
		return -ERR_AGAIN;
	}
	return error;
}

int page_note_wait(struct page_wait *wait)
{
	const struct page_note note = arch_this_cpu()->page_note;

	memory__lock(note.memory);
	int error = memory__await_page(note.memory, note.index, note.is_write, wait);

	memory__unlock(note.memory);
	page_note_drop();
	return error;
}

bool page_note_has_failed(struct page_wait *wait)
{
	const struct page_note note = arch_this_cpu()->page_note;
	struct memory *backing;
	uint64_t index = note.index;
	int error;

	if (wait->error == 0) {
		return false;
	}
	memory__lock(note.memory);
	bool has_failed = memory__find_backing(note.memory, &index, &backing) &&
		page_wait_takes_error(wait, backing, index, &error);

	memory__unlock(note.memory);
	if (has_failed) {
		page_note_drop();
	}
	return has_failed;
}
