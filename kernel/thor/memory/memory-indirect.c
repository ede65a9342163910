/* SPDX-License-Identifier: MIT */
/* Indirect memory: see memory-indirect.h. */
#include <thor/memory/memory-indirect.h>

#include <thor/memory/space.h>
#include <thor/object/account.h>
#include <thor/object/grant.h>

constexpr uint32_t INDIRECT_DESTROY_WINDOWS = 128; /* in one slice */
constexpr uint64_t INDIRECT_SLOTS_END = MEMORY_SIZE_MAX / FRAME_SIZE;
constexpr uint64_t INDIRECT_NO_ROUND = 1; /* a position: the slot is not changed yet */

/* ---- creating ---------------------------------------------------------------------- */

static bool indirect_is_shape(uint64_t n_slots, uint64_t slot_bytes)
{
	return slot_bytes >= FRAME_SIZE && slot_bytes <= MEMORY_SIZE_MAX &&
		(slot_bytes & (slot_bytes - 1)) == 0 && n_slots != 0 &&
		n_slots <= MEMORY_SIZE_MAX / slot_bytes;
}

/**
 * memory_create_indirect() - memory made of slots that show other memory; all are empty at first
 * @slot_bytes: of one slot: a power of two, at least a page
 * @access: of HEL_MAP_READ, WRITE, EXECUTE: what its descriptors can allow
 * @level: 1 to HEL_INDIRECT_LEVELS; it can show memory of lower ones
 *
 * Return: 0, -ERR_ILLEGAL_ARGS, -ERR_NO_MEMORY.
 */
int memory_create_indirect(uint64_t n_slots, uint64_t slot_bytes, uint64_t access, uint64_t level,
	struct memory **out_memory)
{
	constexpr uint64_t access_all = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_EXECUTE;

	if (!indirect_is_shape(n_slots, slot_bytes) || (access & ~access_all) != 0 || access == 0 ||
		level == 0 || level > INDIRECT_LEVELS) {
		return -ERR_ILLEGAL_ARGS;
	}
	struct memory *memory = memory__create(HEL_MEMORY_INDIRECT, n_slots * slot_bytes);

	if (memory == NULL) {
		return -ERR_NO_MEMORY;
	}
	struct account *account = memory->object.account;
	struct indirect *indirect = account_allocate(account, sizeof(*indirect));

	if (indirect == NULL) {
		object_unref(&memory->object);
		return -ERR_NO_MEMORY;
	}
	spinlock_init(&memory->lock, (enum lock_rank)(LOCK_RANK_MEMORY_INDIRECT + level - 1));
	indirect->level = (uint32_t)level;
	indirect->access = (uint32_t)access;
	indirect->slot_pages = slot_bytes / FRAME_SIZE;
	indirect->round = INDIRECT_NO_ROUND;
	page_tree_init(&indirect->windows, account);
	memory->indirect = indirect;
	*out_memory = memory;
	return 0;
}

/** memory_indirect_access() - what memory must allow to be set there; 0: not indirect memory */
uint32_t memory_indirect_access(const struct memory *memory)
{
	return memory->indirect != NULL ? memory->indirect->access : 0;
}

/* ---- finding a page ---------------------------------------------------------------- */

/* The window through which page @index of indirect memory, which is locked, is seen; or NULL. */
static struct indirect_window *indirect_window_at(const struct memory *memory, uint64_t index)
{
	const struct indirect *indirect = memory->indirect;
	struct indirect_window *window = (struct indirect_window *)page_tree_get(
		&indirect->windows, index / indirect->slot_pages);

	return window != NULL && index - window->index < window->n_pages ? window : NULL;
}

int indirect__find(struct memory *memory, uint64_t index, struct indirect_path *out_path)
{
	struct indirect_path path = { .memory = memory, .index = index };

	object_ref(&memory->object);
	while (path.memory->kind == HEL_MEMORY_INDIRECT) {
		struct memory *indirect = path.memory;

		path.steps[path.n_steps].indirect = indirect;
		path.steps[path.n_steps++].index = path.index;
		spinlock_acquire(&indirect->lock);
		const struct indirect_window *window = indirect_window_at(indirect, path.index);

		path.memory = window != NULL ? window->shown : NULL;
		if (window != NULL) {
			path.index = window->shown_index + (path.index - window->index);
			object_ref(&window->shown->object);
		}
		spinlock_release(&indirect->lock);
		if (window == NULL) {
			indirect__end(&path);
			return -ERR_OUT_OF_BOUNDS;
		}
	}
	*out_path = path;
	return 0;
}

void indirect__end(const struct indirect_path *path)
{
	object_unref(path->memory != NULL ? &path->memory->object : NULL);
	for (uint32_t i = 0; i < path->n_steps; i++) {
		object_unref(&path->steps[i].indirect->object);
	}
}

/* Whether a step of a path, the indirect memory of which is locked, leads where it did. */
static bool indirect_leads_on(const struct indirect_path *path, uint32_t step)
{
	uint64_t index = path->steps[step].index;
	bool is_last = step + 1 == path->n_steps;
	const struct memory *next = is_last ? path->memory : path->steps[step + 1].indirect;
	uint64_t next_index = is_last ? path->index : path->steps[step + 1].index;
	const struct indirect_window *window =
		indirect_window_at(path->steps[step].indirect, index);

	return window != NULL && window->shown == next &&
		window->shown_index + (index - window->index) == next_index;
}

bool indirect__lock(const struct indirect_path *path)
{
	bool leads_on = true;

	for (uint32_t i = path->n_steps; i-- > 0;) {
		spinlock_acquire(&path->steps[i].indirect->lock);
		leads_on = leads_on && indirect_leads_on(path, i);
	}
	if (!leads_on) {
		indirect__unlock(path);
	}
	return leads_on;
}

void indirect__unlock(const struct indirect_path *path)
{
	for (uint32_t i = 0; i < path->n_steps; i++) {
		spinlock_release(&path->steps[i].indirect->lock);
	}
}

void indirect__visit_windows(const struct memory *memory, uint64_t index, uint64_t end,
	uint64_t shift, const struct memory_visitor *visitor)
{
	LIST_FOR_EACH(window, &memory->windows, struct indirect_window, node) {
		uint64_t first = max_u64(index, window->shown_index);
		uint64_t last = min_u64(end, window->shown_index + window->n_pages);

		if (first >= last) {
			continue;
		}
		uint64_t outwards = window->index - window->shown_index;

		spinlock_acquire(&window->indirect->lock);
		memory__visit_as(window->indirect, first + outwards, last + outwards,
			shift - outwards, visitor);
		spinlock_release(&window->indirect->lock);
	}
}

/* ---- windows ----------------------------------------------------------------------- */

/* It is a use no more. Its memory is locked, or nobody else has that. */
static void indirect_end_use(struct indirect_window *window)
{
	grant_use_end(window->use);
	window->use = NULL;
}

static void indirect_free_window(struct indirect_window *window)
{
	struct memory *shown = window->shown;

	spinlock_acquire(&shown->lock);
	list_remove(&window->node);
	spinlock_release(&shown->lock);
	object_handle_unref(&shown->object);
	account_free(window->indirect->object.account, window, sizeof(*window));
}

static uint32_t indirect_count_windows(UNUSED void *context, const struct page_tree_run *run)
{
	uint32_t n_windows = 0;

	PAGE_TREE_FOR_EACH(window, n_windows, run)
	{
		(void)window;
	}
	return n_windows;
}

static void indirect_clear_slot(struct indirect *indirect, uint64_t slot)
{
	page_tree_remove(&indirect->windows, slot, slot + 1, indirect_count_windows, NULL);
}

bool indirect__destroy_slice(struct memory *memory)
{
	struct indirect *indirect = memory->indirect;
	uint64_t slot, window;

	if (indirect->retired != NULL) {
		indirect_end_use(indirect->retired);
		indirect_free_window(indirect->retired);
		indirect->retired = NULL;
	}
	for (uint32_t i = 0; i < INDIRECT_DESTROY_WINDOWS; i++) {
		if (!page_tree_next(&indirect->windows, 0, INDIRECT_SLOTS_END, &slot, &window)) {
			account_free(memory->object.account, indirect, sizeof(*indirect));
			memory->indirect = NULL;
			return true;
		}
		indirect_clear_slot(indirect, slot);
		indirect_end_use((struct indirect_window *)window);
		indirect_free_window((struct indirect_window *)window);
	}
	return false;
}

/* ---- retiring ---------------------------------------------------------------------- */

/* The first page that a page table has, of those visited. */
static void indirect_find_present(void *context, const struct memory_part *part)
{
	uint64_t *first = context;
	struct space *space = part->mapping->space;
	uint64_t address;

	spinlock_acquire(&space->table_lock);
	bool is_found = arch_page_next(&space->page_table, part->address, part->end, &address);

	spinlock_release(&space->table_lock);
	if (is_found) {
		*first = min_u64(*first, part->index + (address - part->address) / FRAME_SIZE);
	}
}

/* Hide some of a window that retires; false: none does. */
static bool indirect_retire_slice(struct memory *memory)
{
	struct indirect *indirect = memory->indirect;
	struct indirect_window *window;

	spinlock_acquire(&memory->lock);
	window = indirect->retired;
	if (window == NULL) {
		spinlock_release(&memory->lock);
		return false;
	}
	uint64_t end = window->index + window->n_pages;
	uint64_t first = end;

	memory__visit(memory, indirect->cursor, end, indirect_find_present, &first);
	if (first < end) {
		indirect->cursor = min_u64(end, first + memory__slice_pages);
		memory__hide(memory, first, indirect->cursor, NULL);
	} else {
		indirect->retired = NULL;
		indirect_end_use(window);
	}
	spinlock_release(&memory->lock);
	if (first >= end) {
		indirect_free_window(window);
	}
	return true;
}

/* A window that has left its slot is to be hidden. None retires. */
static void indirect_retire(struct indirect *indirect, struct indirect_window *window)
{
	indirect->retired = window;
	indirect->cursor = window->index;
	indirect->round++;
}

static bool indirect_has_retired(struct memory *memory, uint64_t round)
{
	spinlock_acquire(&memory->lock);
	bool has_retired = memory->indirect->round != round || memory->indirect->retired == NULL;

	spinlock_release(&memory->lock);
	return has_retired;
}

/* ---- granted memory ---------------------------------------------------------------- */

static bool indirect_cut(void *holder, struct grant *grant);

static const struct grant_use_class indirect_use_class = {
	.hold = grant_hold_object,
	.cut = indirect_cut,
};

/* A slice of emptying the slot that shows what was revoked, or of what has to be done before. */
static bool indirect_cut(void *holder, struct grant *grant)
{
	struct memory *memory = holder;
	struct indirect *indirect = memory->indirect;

	spinlock_acquire(&memory->lock);
	const struct grant_use *use = grant_first_use(grant, &indirect_use_class, memory);

	if (use != NULL && indirect->retired == NULL) {
		struct indirect_window *window = use->user;

		indirect_clear_slot(indirect, window->index / indirect->slot_pages);
		indirect_retire(indirect, window);
	}
	spinlock_release(&memory->lock);
	if (use != NULL) {
		(void)indirect_retire_slice(memory);
	}
	object_unref(&memory->object);
	return true;
}

/* ---- changing a slot --------------------------------------------------------------- */

/* What a slot is to show; @shown: resolved, NULL: nothing. */
static int indirect_check(const struct memory *memory, const struct indirect_setting *setting,
	const struct memory *shown)
{
	uint64_t slot_bytes = memory->indirect->slot_pages * FRAME_SIZE;

	if (!is_aligned(setting->offset | setting->size_bytes, FRAME_SIZE) ||
		setting->size_bytes > slot_bytes || (setting->size_bytes == 0) != (shown == NULL) ||
		(shown == NULL && setting->offset != 0)) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (shown != NULL &&
		(shown->kind == HEL_MEMORY_BACKING ||
			(shown->kind == HEL_MEMORY_INDIRECT &&
				shown->indirect->level >= memory->indirect->level))) {
		return -ERR_ILLEGAL_ARGS;
	}
	return setting->slot < memory->size_bytes / slot_bytes ? 0 : -ERR_OUT_OF_BOUNDS;
}

static int indirect_create_window(struct memory *memory, const struct indirect_setting *setting,
	struct memory *shown, uint64_t offset, struct indirect_window **out_window)
{
	if (shown == NULL) {
		*out_window = NULL;
		return 0;
	}
	struct indirect_window *window = account_allocate(memory->object.account, sizeof(*window));

	if (window == NULL) {
		return -ERR_NO_MEMORY;
	}
	object_handle_ref(&shown->object);
	*window = (struct indirect_window){
		.indirect = memory,
		.shown = shown,
		.shown_index = offset / FRAME_SIZE,
		.index = setting->slot * memory->indirect->slot_pages,
		.n_pages = setting->size_bytes / FRAME_SIZE,
	};
	list_node_init(&window->node);
	int error = grant_use_create(
		&(struct grant_use_options){
			.account = memory->object.account,
			.grant = setting->grant,
			.class = &indirect_use_class,
			.holder = memory,
			.user = window,
		},
		&window->use);

	if (error != 0) {
		indirect_free_window(window);
		return error;
	}
	*out_window = window;
	return 0;
}

/* Put a window in its slot, or none. All is locked, and nothing retires. */
static int indirect_replace(struct memory *memory, uint64_t slot, struct indirect_window *window)
{
	struct indirect *indirect = memory->indirect;
	uint64_t old = page_tree_get(&indirect->windows, slot);

	if (window == NULL) {
		indirect_clear_slot(indirect, slot);
	} else {
		int error = grant_use_link(window->use);

		if (error != 0) {
			return error;
		}
		if (page_tree_set(&indirect->windows, slot, (uint64_t)window) != 0) {
			return -ERR_NO_MEMORY;
		}
		list_push_back(&window->shown->windows, &window->node);
	}
	if (old == 0) {
		return 0;
	}
	indirect_retire(indirect, (struct indirect_window *)old);
	return MEMORY_MORE;
}

static bool indirect_is_inside(const struct indirect_window *window)
{
	uint64_t n_pages = window->shown->size_bytes / FRAME_SIZE;

	return window->shown_index <= n_pages && window->n_pages <= n_pages - window->shown_index;
}

/* Return: as memory_set_indirect_slice(); @position is changed if a window retires. */
static int indirect_change(
	struct memory *memory, uint64_t slot, struct indirect_window *window, uint64_t *position)
{
	struct memory *shown = window != NULL ? window->shown : NULL;
	int error;

	if (shown != NULL) {
		spinlock_acquire(&shown->lock);
	}
	spinlock_acquire(&memory->lock);
	if (shown != NULL && !indirect_is_inside(window)) {
		error = -ERR_OUT_OF_BOUNDS;
	} else if (memory->indirect->retired != NULL) {
		error = MEMORY_MORE;
	} else {
		error = indirect_replace(memory, slot, window);
		*position = memory->indirect->round;
	}
	bool is_used = window != NULL && list_node_is_linked(&window->node);

	if (window != NULL && !is_used) {
		indirect_end_use(window);
	}
	spinlock_release(&memory->lock);
	if (shown != NULL) {
		spinlock_release(&shown->lock);
	}
	if (window != NULL && !is_used) {
		indirect_free_window(window);
	}
	return error;
}

/**
 * memory_set_indirect_slice() - let a slot of indirect memory show a range of other memory, or
 * nothing
 * @position: 0 at first, then as the last slice left it
 *
 * The slot changes with the first slice that finds nothing left to do for others; then what it
 * showed before is hidden. When 0 is returned nobody can reach that through the slot any more.
 * Return: 0, MEMORY_MORE, -ERR_ILLEGAL_ARGS (no indirect memory, or something else is wrong),
 * -ERR_OUT_OF_BOUNDS, -ERR_REVOKED, -ERR_NO_MEMORY.
 */
int memory_set_indirect_slice(
	struct memory *memory, const struct indirect_setting *setting, uint64_t *position)
{
	struct memory *shown = setting->memory;
	uint64_t offset = setting->offset;
	struct indirect_window *window;

	if (memory->kind != HEL_MEMORY_INDIRECT) {
		return -ERR_ILLEGAL_ARGS;
	}
	bool is_changed = *position > INDIRECT_NO_ROUND;

	if (is_changed && indirect_has_retired(memory, *position)) {
		return 0;
	}
	if (indirect_retire_slice(memory)) {
		*position = max_u64(*position, INDIRECT_NO_ROUND);
		return MEMORY_MORE;
	}
	if (is_changed) {
		return 0;
	}
	int error = shown != NULL ? memory__resolve(&shown, &offset, setting->size_bytes) : 0;

	if (error == 0) {
		error = indirect_check(memory, setting, shown);
	}
	if (error == 0) {
		error = indirect_create_window(memory, setting, shown, offset, &window);
	}
	return error != 0 ? error : indirect_change(memory, setting->slot, window, position);
}

/** memory_set_indirect() - memory_set_indirect_slice() to its end */
int memory_set_indirect(struct memory *memory, const struct indirect_setting *setting)
{
	uint64_t position = 0;
	int error;

	do {
		error = memory_set_indirect_slice(memory, setting, &position);
	} while (error == MEMORY_MORE);
	return error;
}
