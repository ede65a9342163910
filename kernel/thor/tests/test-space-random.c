/* SPDX-License-Identifier: MIT */
/*
 * Random programs over spaces, compared with a model that is too simple to be wrong.
 *
 * The model has one record for each page of a small window of each space, and one for each page
 * of each memory object; each page is represented by one byte of it. Allocations fail now and
 * then; an operation that says -ERR_NO_MEMORY must not have changed anything.
 */
#include "support.h"

#include <base/random.h>
#include <thor/memory/mapping.h>

constexpr uint64_t PAGE = 4096;
constexpr uint64_t BASE = 0x200000 - 20 * PAGE; /* the window lies across a page-table border */
constexpr unsigned WINDOW = 64;
constexpr unsigned SPACES = 4;
constexpr unsigned OBJECTS = 256;
constexpr unsigned OBJECT_PAGES = 16;
constexpr unsigned CPUS = 2;

enum kind { HOLE, GUARD, ANONYMOUS, OBJECT };

struct model_page {
	enum kind kind;
	uint32_t flags;
	uint8_t value; /* ANONYMOUS */
	unsigned object, index; /* OBJECT */
};

struct model_object {
	bool is_used, is_view;
	struct memory *memory; /* with a handle; NULL: made by the kernel, known to mappings only */
	unsigned n_pages;
	uint8_t values[OBJECT_PAGES * 2];
	bool is_present[OBJECT_PAGES * 2]; /* view: its own page */
	int source; /* view: object or -1 */
	unsigned source_first, source_pages;
};

struct model_space {
	struct space *space; /* NULL: none */
	struct model_page pages[WINDOW];
};

static struct model_space spaces[SPACES];
static struct model_object objects[OBJECTS];
static struct random random_state;

static uint64_t pick(uint64_t limit)
{
	return random_u64(&random_state) % limit;
}

static uint64_t address_of(unsigned page)
{
	return BASE + page * PAGE + 1234;
}

static uint64_t page_address(unsigned page)
{
	return BASE + page * PAGE;
}

/* ---- the model --------------------------------------------------------------------- */

/* The value of a page of an object, or -1 if it is out of bounds. */
static int object_value(const struct model_object *object, unsigned index)
{
	if (index >= object->n_pages) {
		return -1;
	}
	if (!object->is_view || object->is_present[index]) {
		return object->values[index];
	}
	if (object->source < 0 || index >= object->source_pages) {
		return 0;
	}
	return object_value(&objects[object->source], index + object->source_first);
}

static unsigned object_new(unsigned n_pages)
{
	for (unsigned i = 0; i < OBJECTS; i++) {
		if (!objects[i].is_used) {
			objects[i] = (struct model_object){
				.is_used = true, .n_pages = n_pages, .source = -1
			};
			return i;
		}
	}
	test_fail(__FILE__, __LINE__, "too few model objects");
}

/* Forget objects that nothing shows any more. */
static void objects_collect(void)
{
	bool is_needed[OBJECTS] = { false };

	for (unsigned s = 0; s < SPACES; s++) {
		for (unsigned page = 0; page < WINDOW; page++) {
			const struct model_page *at = &spaces[s].pages[page];

			if (spaces[s].space != NULL && at->kind == OBJECT) {
				is_needed[at->object] = true;
			}
		}
	}
	for (unsigned i = 0; i < OBJECTS; i++) {
		if (objects[i].is_used && (is_needed[i] || objects[i].memory != NULL) &&
			objects[i].source >= 0) {
			is_needed[objects[i].source] = true;
		}
	}
	for (unsigned i = 0; i < OBJECTS; i++) {
		objects[i].is_used =
			objects[i].is_used && (is_needed[i] || objects[i].memory != NULL);
	}
}

static int model_check(const struct model_page *page, uint32_t access)
{
	uint32_t allowed = page->flags & MAPPING_ACCESS;

	if (page->kind == HOLE) {
		return -ERR_FAULT;
	}
	if (page->kind == GUARD || allowed == 0 || (access & ~(allowed | HEL_MAP_READ)) != 0) {
		return -ERR_NO_RIGHTS;
	}
	if (page->kind == OBJECT && object_value(&objects[page->object], page->index) < 0) {
		return -ERR_OUT_OF_BOUNDS;
	}
	return 0;
}

static uint8_t model_read(const struct model_page *page)
{
	return page->kind == ANONYMOUS ? page->value
				       : (uint8_t)object_value(&objects[page->object], page->index);
}

static void model_write(struct model_page *page, uint8_t value)
{
	if (page->kind == ANONYMOUS) {
		page->value = value;
	} else {
		objects[page->object].values[page->index] = value;
		objects[page->object].is_present[page->index] = true;
	}
}

static int model_holes(const struct model_space *space, unsigned first, unsigned end)
{
	for (unsigned page = first; page < end; page++) {
		if (page >= WINDOW || space->pages[page].kind == HOLE) {
			return -ERR_NOT_FOUND;
		}
	}
	return 0;
}

static void model_clear(struct model_space *space, unsigned first, unsigned n_pages)
{
	memset(&space->pages[first], 0, n_pages * sizeof(space->pages[0]));
}

/* ---- operations: each does it for real, then compares the result and follows in the model  */

static struct model_space *pick_space(void)
{
	unsigned at = (unsigned)pick(SPACES);

	while (spaces[at].space == NULL) {
		at = (at + 1) % SPACES;
	}
	return &spaces[at];
}

static void pick_range(unsigned *out_first, unsigned *out_n_pages)
{
	*out_first = (unsigned)pick(WINDOW);
	*out_n_pages = 1 + (unsigned)pick(pick(2) == 0 ? 4 : WINDOW - *out_first);
	if (*out_first + *out_n_pages > WINDOW) {
		*out_n_pages = WINDOW - *out_first;
	}
}

static uint32_t pick_flags(void)
{
	const uint32_t forks[] = { 0, HEL_MAP_FORK_COPY, HEL_MAP_FORK_COPY, HEL_MAP_FORK_DROP };
	const uint32_t access[] = { 0, HEL_MAP_READ, HEL_MAP_READ | HEL_MAP_WRITE,
		HEL_MAP_READ | HEL_MAP_WRITE, HEL_MAP_READ | HEL_MAP_EXECUTE };

	return forks[pick(ARRAY_SIZE(forks))] | access[pick(ARRAY_SIZE(access))];
}

/* An object with a handle, or -1. */
static int pick_object(void)
{
	unsigned at = (unsigned)pick(OBJECTS);

	for (unsigned i = 0; i < OBJECTS; i++) {
		unsigned index = (at + i) % OBJECTS;

		if (objects[index].is_used && objects[index].memory != NULL) {
			return (int)index;
		}
	}
	return -1;
}

/* The highest free range below a limit. */
static int model_search(const struct model_space *space, unsigned n_pages, unsigned high)
{
	for (int first = (int)high - (int)n_pages; first >= 0; first--) {
		unsigned n_free = 0;

		while (n_free < n_pages && space->pages[first + n_free].kind == HOLE) {
			n_free++;
		}
		if (n_free == n_pages) {
			return first;
		}
	}
	return -1;
}

static int model_place(
	const struct model_space *space, const struct hel_map_args *args, int *out_error)
{
	unsigned n_pages = (unsigned)(args->size_bytes / PAGE);
	int first = -1;

	*out_error = 0;
	if ((args->flags & HEL_MAP_FIXED) != 0) {
		return (int)((args->address - BASE) / PAGE);
	}
	if ((args->flags & HEL_MAP_FIXED_NOREPLACE) != 0) {
		first = (int)((args->address - BASE) / PAGE);
		for (unsigned i = 0; i < n_pages; i++) {
			*out_error = space->pages[first + (int)i].kind != HOLE ? -ERR_EXISTS
									       : *out_error;
		}
		return first;
	}
	if (args->address != 0) {
		uint64_t high = (args->address + args->size_bytes - BASE) / PAGE;

		first = model_search(space, n_pages, (unsigned)min_u64(high, WINDOW));
	}
	first = first >= 0 ? first : model_search(space, n_pages, WINDOW);
	*out_error = first < 0 ? -ERR_NO_SPACE : 0;
	return first;
}

static void model_map(
	struct model_space *space, unsigned first, const struct hel_map_args *args, int object)
{
	unsigned n_pages = (unsigned)(args->size_bytes / PAGE);
	uint32_t flags = args->flags & (MAPPING_ACCESS | MAPPING_FORK | HEL_MAP_GUARD);
	bool is_shared = (flags & (MAPPING_FORK | HEL_MAP_GUARD)) == 0;

	if (object < 0 && is_shared) {
		object = (int)object_new(n_pages);
		/* Larger than OBJECT_PAGES is never needed elsewhere. */
	}
	for (unsigned i = 0; i < n_pages; i++) {
		space->pages[first + i] = (struct model_page){
			.kind = (flags & HEL_MAP_GUARD) != 0 ? GUARD
				: object >= 0                ? OBJECT
							     : ANONYMOUS,
			.flags = flags,
			.object = (unsigned)object,
			.index = (unsigned)(args->offset / PAGE) + i,
		};
	}
}

static void do_map(void)
{
	struct model_space *space = pick_space();
	int object = pick(3) == 0 ? pick_object() : -1;
	unsigned first, n_pages;
	struct hel_map_args args = { .flags = pick_flags(), .tag = 1, .limit_low = BASE };
	uint64_t address = 0;
	int expected;

	pick_range(&first, &n_pages);
	if (object >= 0 || (args.flags & MAPPING_FORK) == 0) {
		n_pages = (unsigned)min_u64(n_pages, OBJECT_PAGES);
	}
	args.limit_high = BASE + WINDOW * PAGE;
	args.size_bytes = n_pages * PAGE;
	switch (pick(4)) {
	case 0: args.flags |= HEL_MAP_FIXED_NOREPLACE; break;
	case 1:
	case 2: args.flags |= HEL_MAP_FIXED; break;
	}
	args.address = (args.flags & (HEL_MAP_FIXED | HEL_MAP_FIXED_NOREPLACE)) != 0 || pick(2) == 0
		? page_address(first)
		: 0;
	if (object >= 0) {
		args.offset = pick(OBJECT_PAGES) * PAGE;
	} else if (pick(10) == 0) {
		args.flags = (args.flags & ~MAPPING_ACCESS) | HEL_MAP_GUARD;
	}
	int at = model_place(space, &args, &expected);

	if (object >= 0 && args.offset / PAGE + n_pages > objects[object].n_pages) {
		expected = -ERR_OUT_OF_BOUNDS;
	}
	int error = space_map(
		space->space, object >= 0 ? objects[object].memory : NULL, &args, &address);

	if (error == -ERR_NO_MEMORY && fixture_has_failed()) {
		return;
	}
	CHECK_EQ(error, expected);
	if (error == 0) {
		CHECK_EQ(address, page_address((unsigned)at));
		model_map(space, (unsigned)at, &args, object);
	}
}

static void do_unmap(void)
{
	struct model_space *space = pick_space();
	unsigned first, n_pages;

	pick_range(&first, &n_pages);
	int error = space_unmap(space->space, page_address(first), n_pages * PAGE);

	if (error == -ERR_NO_MEMORY && fixture_has_failed()) {
		return;
	}
	CHECK_EQ(error, 0);
	model_clear(space, first, n_pages);
}

static void do_protect(void)
{
	struct model_space *space = pick_space();
	uint32_t access = pick_flags() & MAPPING_ACCESS;
	unsigned first, n_pages;
	int expected = 0;

	pick_range(&first, &n_pages);
	for (unsigned page = first; page < first + n_pages && expected == 0; page++) {
		expected = space->pages[page].kind == HOLE ? -ERR_NOT_FOUND
			: space->pages[page].kind == GUARD ? -ERR_NO_RIGHTS
							   : 0;
	}
	int error = space_protect(space->space, page_address(first), n_pages * PAGE, access);

	if (error == -ERR_NO_MEMORY && fixture_has_failed()) {
		return;
	}
	CHECK_EQ(error, expected);
	for (unsigned page = first; page < first + n_pages && error == 0; page++) {
		space->pages[page].flags = (space->pages[page].flags & ~MAPPING_ACCESS) | access;
	}
}

static void do_discard(void)
{
	struct model_space *space = pick_space();
	unsigned first, n_pages;

	pick_range(&first, &n_pages);
	CHECK_EQ(space_discard(space->space, page_address(first), n_pages * PAGE),
		model_holes(space, first, first + n_pages));
	for (unsigned page = first; page < first + n_pages; page++) {
		struct model_page *at = &space->pages[page];

		if (at->kind == ANONYMOUS) {
			at->value = 0;
		} else if (at->kind == OBJECT && objects[at->object].is_view) {
			objects[at->object].is_present[at->index] = false;
		}
	}
}

static int model_growth(const struct model_space *space, unsigned last, unsigned extra)
{
	const struct model_page *page = &space->pages[last];

	return extra != 0 && page->kind == OBJECT &&
			page->index + 1 + extra > objects[page->object].n_pages
		? -ERR_OUT_OF_BOUNDS
		: 0;
}

static int model_move_error(
	const struct model_space *space, unsigned from, unsigned n_old, unsigned to, unsigned n_new)
{
	unsigned n_kept = n_old < n_new ? n_old : n_new;

	if (from != to && from < to + n_new && to < from + n_old) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (model_holes(space, from, from != to ? from + n_kept : from + n_old) != 0) {
		return -ERR_NOT_FOUND;
	}
	for (unsigned page = from + n_old; from == to && page < from + n_new; page++) {
		if (space->pages[page].kind != HOLE) {
			return -ERR_EXISTS;
		}
	}
	return model_growth(space, from + n_kept - 1, n_new - n_kept);
}

static void model_move(
	struct model_space *space, unsigned from, unsigned n_old, unsigned to, unsigned n_new)
{
	unsigned n_kept = n_old < n_new ? n_old : n_new;
	struct model_page moved[WINDOW];

	memcpy(moved, &space->pages[from], n_kept * sizeof(moved[0]));
	for (unsigned i = n_kept; i < n_new; i++) {
		moved[i] = moved[i - 1];
		moved[i].value = 0;
		moved[i].index++;
	}
	model_clear(space, from, n_old);
	memcpy(&space->pages[to], moved, n_new * sizeof(moved[0]));
}

static void do_move(void)
{
	struct model_space *space = pick_space();
	unsigned from, n_old, to, n_new;

	pick_range(&from, &n_old);
	pick_range(&to, &n_new);
	n_old = (unsigned)min_u64(n_old, 1 + pick(8));
	if (pick(4) == 0) {
		to = from;
	} else if (pick(2) == 0) {
		n_new = (unsigned)min_u64(n_old, WINDOW - to);
	}
	n_new = (unsigned)min_u64(n_new, WINDOW - to);
	/* What a view without a handle kept of pages that were unmapped is left open. */
	const struct model_page *last = &space->pages[from + n_old - 1];

	if (last->kind == OBJECT && objects[last->object].is_view &&
		objects[last->object].memory == NULL) {
		n_new = (unsigned)min_u64(n_new, n_old);
	}
	int expected = model_move_error(space, from, n_old, to, n_new);
	int error = space_move(
		space->space, page_address(from), n_old * PAGE, page_address(to), n_new * PAGE);

	if (error == -ERR_NO_MEMORY && fixture_has_failed()) {
		return;
	}
	CHECK_EQ(error, expected);
	if (error == 0) {
		model_move(space, from, n_old, to, n_new);
	}
}

/* What a child has for an object that it gets a copy of. */
static unsigned model_fork_object(unsigned index, int copies[OBJECTS])
{
	if (copies[index] >= 0) {
		return (unsigned)copies[index];
	}
	unsigned copy = object_new(objects[index].n_pages);

	copies[index] = (int)copy;
	if (objects[index].is_view) {
		objects[copy] = objects[index];
		objects[copy].memory = NULL;
	} else {
		objects[copy].is_view = true;
		objects[copy].source = (int)index;
		objects[copy].source_pages = objects[index].n_pages;
	}
	return copy;
}

static void do_fork(void)
{
	struct model_space *parent = pick_space();
	struct model_space *child = &spaces[pick(SPACES)];
	int copies[OBJECTS];

	if (child->space != NULL) {
		return;
	}
	int error = space_fork(parent->space, &child->space);

	if (error == -ERR_NO_MEMORY && fixture_has_failed()) {
		child->space = NULL;
		return;
	}
	CHECK_EQ(error, 0);
	memset(copies, 0xff, sizeof(copies));
	for (unsigned page = 0; page < WINDOW; page++) {
		struct model_page *at = &child->pages[page];

		*at = parent->pages[page];
		if ((at->flags & HEL_MAP_FORK_DROP) != 0) {
			*at = (struct model_page){ 0 };
		} else if (at->kind == OBJECT && (at->flags & HEL_MAP_FORK_COPY) != 0) {
			at->object = model_fork_object(at->object, copies);
		}
	}
}

static void do_destroy(void)
{
	struct model_space *space = pick_space();
	unsigned n_spaces = 0;

	for (unsigned i = 0; i < SPACES; i++) {
		n_spaces += spaces[i].space != NULL;
	}
	if (n_spaces > 1) {
		object_unref(&space->space->object);
		space->space = NULL;
		model_clear(space, 0, WINDOW);
	}
}

static void do_object(void)
{
	int source = pick(2) == 0 ? pick_object() : -1;
	struct memory *memory = NULL;
	unsigned first = (unsigned)pick(OBJECT_PAGES);
	unsigned n_pages = 1 + (unsigned)pick(OBJECT_PAGES);
	bool is_view = pick(2) == 0;
	int expected = is_view && source >= 0 && first + n_pages > objects[source].n_pages
		? -ERR_OUT_OF_BOUNDS
		: 0;
	int error = is_view
		? memory_create_copy_on_write(source >= 0 ? objects[source].memory : NULL,
			  first * PAGE, n_pages * PAGE, &memory)
		: memory_create_allocated(n_pages * PAGE, 0, &memory);

	if (error == -ERR_NO_MEMORY && fixture_has_failed()) {
		return;
	}
	CHECK_EQ(error, expected);
	if (error != 0) {
		return;
	}
	object_handle_ref(&memory->object);
	object_unref(&memory->object);
	struct model_object *object = &objects[object_new(n_pages)];

	object->memory = memory;
	object->is_view = is_view;
	if (is_view && source >= 0 && !objects[source].is_view) {
		object->source = source;
		object->source_first = first;
		object->source_pages = n_pages;
	} else if (is_view && source >= 0) {
		const struct model_object *from = &objects[source];
		unsigned n_shown = first < from->source_pages ? from->source_pages - first : 0;

		object->source = from->source;
		object->source_first = from->source_first + first;
		object->source_pages = n_shown < n_pages ? n_shown : n_pages;
		memcpy(object->values, from->values + first, n_pages);
		memcpy(object->is_present, from->is_present + first, n_pages);
	}
}

static void do_close_or_resize(void)
{
	int index = pick_object();

	if (index < 0) {
		return;
	}
	struct model_object *object = &objects[index];

	if (pick(3) == 0) {
		object_handle_unref(&object->memory->object);
		object->memory = NULL;
		return;
	}
	unsigned n_pages = (unsigned)pick(OBJECT_PAGES + 1);

	CHECK_OK(memory_resize(object->memory, n_pages * PAGE));
	for (unsigned i = n_pages; i < object->n_pages; i++) {
		object->values[i] = 0;
		object->is_present[i] = false;
	}
	object->source_pages = (unsigned)min_u64(object->source_pages, n_pages);
	object->n_pages = n_pages;
}

/* ---- user mode and copies ---------------------------------------------------------- */

static void do_access(void)
{
	struct model_space *space = pick_space();
	const uint32_t kinds[] = { SPACE_ACCESS_READ, SPACE_ACCESS_WRITE, SPACE_ACCESS_WRITE,
		SPACE_ACCESS_EXECUTE };

	space_activate(space->space);
	for (unsigned i = 0; i < 12; i++) {
		unsigned page = (unsigned)pick(WINDOW);
		struct model_page *at = &space->pages[page];
		uint32_t access = kinds[pick(ARRAY_SIZE(kinds))];
		uint8_t value = (uint8_t)pick(256);
		uint8_t byte = value;
		int expected = model_check(at, access);
		int error = sim_user_access(address_of(page), access, &byte);

		/* The page may be private already: try again, so that the model need not know. */
		if (error == -ERR_NO_MEMORY && fixture_has_failed()) {
			fixture_fail_after(~0ull);
			error = sim_user_access(address_of(page), access, &byte);
		}
		CHECK_EQ(error, expected);
		if (error == 0 && access == SPACE_ACCESS_WRITE) {
			model_write(at, value);
		} else if (error == 0) {
			CHECK_EQ(byte, model_read(at));
		}
	}
}

static void do_copy(void)
{
	struct model_space *from = pick_space();
	struct model_space *to = pick_space();
	unsigned from_page = (unsigned)pick(WINDOW);
	unsigned to_page = (unsigned)pick(WINDOW);
	int from_error = model_check(&from->pages[from_page], SPACE_ACCESS_READ);
	int to_error = model_check(&to->pages[to_page], SPACE_ACCESS_WRITE);
	int error = space_copy_between(
		to->space, address_of(to_page), from->space, address_of(from_page), 1);

	if (error == -ERR_NO_MEMORY && fixture_has_failed()) {
		fixture_fail_after(~0ull);
		error = space_copy_between(
			to->space, address_of(to_page), from->space, address_of(from_page), 1);
	}
	CHECK_EQ(error, from_error != 0 || to_error != 0 ? -ERR_FAULT : 0);
	if (error == 0) {
		model_write(&to->pages[to_page], model_read(&from->pages[from_page]));
	}
}

/* ---- comparing --------------------------------------------------------------------- */

static void compare_page(const struct model_space *space, unsigned page)
{
	const struct model_page *at = &space->pages[page];
	struct hel_mapping_info info;
	uint8_t byte = 0;
	int error = space_query(space->space, page_address(page), &info);
	bool is_mapped = error == 0 && info.address <= page_address(page);

	CHECK_EQ(is_mapped, at->kind != HOLE);
	if (is_mapped) {
		CHECK_EQ(info.flags, at->flags);
	}
	error = space_copy_in(space->space, &byte, address_of(page), 1);
	CHECK_EQ(error, model_check(at, SPACE_ACCESS_READ) != 0 ? -ERR_FAULT : 0);
	if (error == 0) {
		CHECK_EQ(byte, model_read(at));
	}
}

static void compare_all(void)
{
	for (unsigned i = 0; i < SPACES; i++) {
		for (unsigned page = 0; spaces[i].space != NULL && page < WINDOW; page++) {
			compare_page(&spaces[i], page);
		}
	}
}

static void (*const operations[])(void) = {
	do_map,
	do_map,
	do_map,
	do_unmap,
	do_protect,
	do_protect,
	do_discard,
	do_move,
	do_fork,
	do_fork,
	do_destroy,
	do_object,
	do_close_or_resize,
	do_access,
	do_access,
	do_access,
	do_access,
	do_copy,
};

static void run_program(uint64_t seed, unsigned n_steps)
{
	random_init(&random_state, seed);
	memory__slice_pages = (uint32_t)(seed % 4 == 0 ? 160 : 1 + pick(20));
	fixture_begin(CPUS, 32, seed);
	memset(spaces, 0, sizeof(spaces));
	memset(objects, 0, sizeof(objects));
	CHECK_OK(space_create(&spaces[0].space));
	for (unsigned step = 0; step < n_steps; step++) {
		sim_switch_cpu((uint32_t)pick(CPUS));
		if (pick(4) == 0) {
			fixture_fail_after(pick(8));
		}
		operations[pick(ARRAY_SIZE(operations))]();
		fixture_fail_after(~0ull);
		fixture_reap();
		objects_collect();
		CHECK_EQ(sim_check_tlbs(), 0);
		if (step % 16 == 0) {
			compare_all();
		}
	}
	compare_all();
	for (unsigned i = 0; i < SPACES; i++) {
		object_unref(spaces[i].space != NULL ? &spaces[i].space->object : NULL);
	}
	for (unsigned i = 0; i < OBJECTS; i++) {
		if (objects[i].is_used && objects[i].memory != NULL) {
			object_handle_unref(&objects[i].memory->object);
		}
	}
	if (!fixture_end()) {
		test_fail(__FILE__, __LINE__, "seed %llu leaks", (unsigned long long)seed);
	}
}

TEST(space_random_programs)
{
	uint64_t seed = test_seed(1);
	const char *n_programs = getenv("TEST_PROGRAMS");

	for (unsigned i = 0; i < (n_programs != NULL ? (unsigned)atoi(n_programs) : 60); i++) {
		run_program(seed + i, 600);
	}
}

TEST_MAIN()
