/* SPDX-License-Identifier: MIT */
/*
 * Random programs of calls on memory objects, compared with a model after each call.
 *
 * A page of an object is a word here, which is in all of the page. An allocated object has its
 * pages; a copy-on-write view has those that were written to it, and for the others looks into its
 * source: an allocated one as it is now, a copy-on-write one as it was when the view was made.
 */
#include "machine.h"

constexpr uint32_t MEMORIES_MAX = 64;
constexpr uint32_t PAGES_MAX = 24;
constexpr uint32_t STEPS = 400;

struct model_memory {
	hel_handle handle;
	bool is_view;
	uint32_t source; /* of a view: the allocated object at its root; MEMORIES_MAX: zeros */
	uint64_t offset; /* there, in pages */
	uint64_t n_pages;
	bool is_own[PAGES_MAX]; /* of a view: written, or what its source had written */
	uint64_t words[PAGES_MAX];
};

static struct model_memory memories[MEMORIES_MAX];
static uint32_t n_memories;
static struct random random_state;

static uint32_t pick(uint32_t bound)
{
	return (uint32_t)random_below(&random_state, bound);
}

/* ---- the model ------------------------------------------------------------------------------- */

static uint64_t model_word(const struct model_memory *memory, uint64_t page)
{
	if (!memory->is_view || memory->is_own[page]) {
		return memory->words[page];
	}
	if (memory->source == MEMORIES_MAX) {
		return 0;
	}
	const struct model_memory *source = &memories[memory->source];

	return memory->offset + page < source->n_pages ? source->words[memory->offset + page] : 0;
}

static void model_view(struct model_memory *view, const struct model_memory *source,
	uint64_t offset, uint64_t n_pages)
{
	*view = (struct model_memory){
		.handle = view->handle,
		.is_view = true,
		.source = MEMORIES_MAX,
		.n_pages = n_pages,
	};
	if (source == NULL) {
		return;
	}
	view->source = source->is_view ? source->source : (uint32_t)(source - memories);
	view->offset = source->is_view ? source->offset + offset : offset;
	for (uint64_t i = 0; source->is_view && i < n_pages; i++) {
		view->is_own[i] = source->is_own[offset + i];
		view->words[i] = source->words[offset + i];
	}
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void allocate(void)
{
	struct model_memory *memory = &memories[n_memories];
	uint64_t n_pages = pick(PAGES_MAX + 1);
	uint64_t flags = pick(4) == 0 && n_pages > 0 ? HEL_ALLOCATE_CONTIGUOUS : 0;

	*memory = (struct model_memory){ .n_pages = n_pages };
	CHECK_OK(hel_memory_allocate(n_pages * HEL_PAGE_SIZE, flags, &memory->handle));
	n_memories++;
}

static void make_view(void)
{
	struct model_memory *view = &memories[n_memories];
	const struct model_memory *source =
		pick(6) == 0 || n_memories == 0 ? NULL : &memories[pick(n_memories)];
	uint64_t offset = source != NULL ? pick(PAGES_MAX) : 0;
	uint64_t n_pages = pick(PAGES_MAX) + 1;
	int error = hel_memory_copy_on_write(source != NULL ? source->handle : HEL_NULL,
		offset * HEL_PAGE_SIZE, n_pages * HEL_PAGE_SIZE, &view->handle);

	if (source != NULL && offset + n_pages > source->n_pages) {
		CHECK_EQ(error, -ERR_OUT_OF_BOUNDS);
		return;
	}
	CHECK_OK(error);
	model_view(view, source, offset, n_pages);
	n_memories++;
}

/* Words at the start and at the end of some pages. */
static void write(struct model_memory *memory)
{
	uint64_t page = pick(PAGES_MAX);
	uint64_t word = random_u64(&random_state);
	uint64_t words[HEL_PAGE_SIZE / sizeof(word)];

	for (uint32_t i = 0; i < ARRAY_SIZE(words); i++) {
		words[i] = word;
	}
	int error = hel_memory_write(memory->handle, page * HEL_PAGE_SIZE, words, sizeof(words));

	if (page >= memory->n_pages) {
		CHECK_EQ(error, -ERR_OUT_OF_BOUNDS);
		return;
	}
	CHECK_OK(error);
	memory->words[page] = word;
	memory->is_own[page] = true;
}

static void read(const struct model_memory *memory)
{
	uint64_t page = pick(PAGES_MAX);
	uint64_t offset = page * HEL_PAGE_SIZE + pick(512) * sizeof(uint64_t);
	uint64_t word;
	int error = hel_memory_read(memory->handle, offset, &word, sizeof(word));

	if (page >= memory->n_pages) {
		CHECK_EQ(error, -ERR_OUT_OF_BOUNDS);
		return;
	}
	CHECK_OK(error);
	CHECK_EQ(word, model_word(memory, page));
}

/* By a mapping, which is one more way to the pages. */
static void touch(struct model_memory *memory)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.memory = memory->handle,
		.size_bytes = memory->n_pages * HEL_PAGE_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address, word;

	if (memory->n_pages == 0) {
		return;
	}
	CHECK_OK(hel_space_map(&args, &address));
	for (uint64_t page = 0; page < memory->n_pages; page++) {
		sim_load(&word, address + page * HEL_PAGE_SIZE + 8, sizeof(word));
		CHECK_EQ(word, model_word(memory, page));
	}
	CHECK_OK(hel_space_unmap(HEL_THIS, address, args.size_bytes));
}

static bool is_a_source(const struct model_memory *memory)
{
	for (uint32_t i = 0; i < n_memories; i++) {
		if (memories[i].is_view && memories[i].source == (uint32_t)(memory - memories)) {
			return true;
		}
	}
	return false;
}

static void check_info(const struct model_memory *memory)
{
	struct hel_memory_info info;

	CHECK_OK(hel_memory_info(memory->handle, &info));
	CHECK_EQ(info.size_bytes, memory->n_pages * HEL_PAGE_SIZE);
	CHECK_EQ(info.kind, memory->is_view ? HEL_MEMORY_COPY_ON_WRITE : HEL_MEMORY_ALLOCATED);
}

/* What is cut off is gone, what is added reads zero. */
static void resize(struct model_memory *memory)
{
	uint64_t n_pages = pick(PAGES_MAX + 1);

	if (memory->is_view || is_a_source(memory) ||
		hel_memory_resize(memory->handle, n_pages * HEL_PAGE_SIZE) != 0) {
		return;
	}
	for (uint64_t page = n_pages; page < memory->n_pages; page++) {
		memory->words[page] = 0;
	}
	memory->n_pages = n_pages;
}

static void play(UNUSED void *context)
{
	for (uint32_t i = 0; i < STEPS; i++) {
		uint32_t step = n_memories == 0 ? 0 : pick(16);
		struct model_memory *memory = &memories[n_memories == 0 ? 0 : pick(n_memories)];

		if (step < 2 && n_memories < MEMORIES_MAX) {
			allocate();
		} else if (step < 4 && n_memories < MEMORIES_MAX) {
			make_view();
		} else if (step < 9) {
			write(memory);
		} else if (step < 13) {
			read(memory);
		} else if (step == 13) {
			resize(memory);
		} else if (step == 14) {
			touch(memory);
		} else {
			check_info(memory);
		}
	}
}

TEST(random_memory_follows_the_model)
{
	uint64_t seed = test_seed(1);

	for (uint64_t round = 0; round < 60; round++) {
		random_init(&random_state, seed + round);
		n_memories = 0;
		machine_begin(1, seed + round);
		CHECK(machine_run(play, NULL));
		CHECK(machine_end());
	}
}

TEST_MAIN()
