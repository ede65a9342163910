/* SPDX-License-Identifier: MIT */
/* The contents of a file in memory; see contents.h. */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <base/string.h>
#include <hel/hel-calls.h>
#include <helix/memory.h>
#include <posix/server/fs/contents.h>

constexpr uint64_t CONTENTS_HEAP_MIN = 64;
constexpr uint64_t CONTENTS_HEAP_MAX = KIB(16);
constexpr uint64_t CONTENTS_MEMORY_MIN = KIB(64);

static const uint8_t zeros[KIB(64)];

/* ---- which pages hold data ----------------------------------------------------------------- */

struct contents_chunk {
	struct tree_node node;
	uint64_t index;
	uint64_t pages[BITMAP_WORDS(CONTENTS_CHUNK_PAGES)];
};

static int chunk_compare_key(const void *key, const struct tree_node *node)
{
	uint64_t index = *(const uint64_t *)key;
	uint64_t other = container_of(node, struct contents_chunk, node)->index;

	return index < other ? -1 : index > other;
}

static int chunk_compare(const struct tree_node *a, const struct tree_node *b)
{
	return chunk_compare_key(&container_of(a, struct contents_chunk, node)->index, b);
}

static struct contents_chunk *chunk_find(struct contents *contents, uint64_t index)
{
	return TREE_ENTRY(tree_find(&contents->chunks, &index, chunk_compare_key),
		struct contents_chunk, node);
}

static struct contents_chunk *chunk_get(struct contents *contents, uint64_t index)
{
	struct contents_chunk *chunk = chunk_find(contents, index);

	if (chunk == NULL) {
		chunk = helix_malloc(sizeof(*chunk));
		if (chunk != NULL) {
			*chunk = (struct contents_chunk){ .index = index };
			tree_insert(&contents->chunks, &chunk->node, chunk_compare);
		}
	}
	return chunk;
}

static void chunk_free(struct contents *contents, struct contents_chunk *chunk)
{
	tree_remove(&contents->chunks, &chunk->node);
	helix_free(chunk);
}

/* Counts a page; false if the account is full. */
static bool contents_charge(struct contents *contents, uint64_t page_index)
{
	struct contents_chunk *chunk = chunk_get(contents, page_index / CONTENTS_CHUNK_PAGES);
	size_t bit = page_index % CONTENTS_CHUNK_PAGES;

	if (chunk == NULL) {
		return false;
	}
	if (bitmap_test(chunk->pages, bit)) {
		return true;
	}
	if (contents->account->n_pages >= contents->account->n_pages_max) {
		return false;
	}
	bitmap_set(chunk->pages, bit);
	contents->n_pages++;
	contents->account->n_pages++;
	return true;
}

/* Counts the pages of a range; returns the end of what could be counted. */
static uint64_t contents_charge_range(struct contents *contents, uint64_t offset, uint64_t size)
{
	uint64_t end = offset + size;

	for (uint64_t at = align_down(offset, HEL_PAGE_SIZE); at < end; at += HEL_PAGE_SIZE) {
		if (!contents_charge(contents, at / HEL_PAGE_SIZE)) {
			return max_u64(at, offset);
		}
	}
	return end;
}

/* Pages [first, last) hold no data any more. */
static void contents_uncharge(struct contents *contents, uint64_t first, uint64_t last)
{
	uint64_t key = first / CONTENTS_CHUNK_PAGES;
	struct contents_chunk *chunk =
		TREE_ENTRY(tree_lower_bound(&contents->chunks, &key, chunk_compare_key),
			struct contents_chunk, node);

	while (chunk != NULL && chunk->index * CONTENTS_CHUNK_PAGES < last) {
		struct contents_chunk *next =
			TREE_ENTRY(tree_next(&chunk->node), struct contents_chunk, node);
		uint64_t base = chunk->index * CONTENTS_CHUNK_PAGES;
		size_t bit = first > base ? (size_t)(first - base) : 0;
		size_t end = (size_t)min_u64(last - base, CONTENTS_CHUNK_PAGES);

		for (bit = bitmap_find_set(chunk->pages, end, bit); bit != BITMAP_NONE;
			bit = bitmap_find_set(chunk->pages, end, bit + 1)) {
			bitmap_clear(chunk->pages, bit);
			contents->n_pages--;
			contents->account->n_pages--;
		}
		if (bitmap_find_set(chunk->pages, CONTENTS_CHUNK_PAGES, 0) == BITMAP_NONE) {
			chunk_free(contents, chunk);
		}
		chunk = next;
	}
}

uint64_t contents_next(struct contents *contents, uint64_t page_index, bool is_data)
{
	for (;;) {
		uint64_t key = page_index / CONTENTS_CHUNK_PAGES;
		struct contents_chunk *chunk =
			TREE_ENTRY(tree_lower_bound(&contents->chunks, &key, chunk_compare_key),
				struct contents_chunk, node);

		if (chunk == NULL) {
			return is_data ? UINT64_MAX : page_index;
		}
		if (chunk->index > key) {
			if (!is_data) {
				return page_index;
			}
			page_index = chunk->index * CONTENTS_CHUNK_PAGES;
		}
		size_t bit = page_index % CONTENTS_CHUNK_PAGES;

		bit = is_data ? bitmap_find_set(chunk->pages, CONTENTS_CHUNK_PAGES, bit)
			      : bitmap_find_clear(chunk->pages, CONTENTS_CHUNK_PAGES, bit);
		if (bit != BITMAP_NONE) {
			return chunk->index * CONTENTS_CHUNK_PAGES + bit;
		}
		page_index = (chunk->index + 1) * CONTENTS_CHUNK_PAGES;
	}
}

/* ---- views --------------------------------------------------------------------------------- */

static struct contents_view *view_create(uint8_t *data, uint64_t size, bool is_heap)
{
	struct contents_view *view = helix_malloc(sizeof(*view));

	if (view != NULL) {
		*view = (struct contents_view){
			.references = 1, .is_heap = is_heap, .data = data, .size = size
		};
	}
	return view;
}

void contents_view_unref(void *argument)
{
	struct contents_view *view = argument;

	if (view == NULL || --view->references > 0) {
		return;
	}
	if (view->is_heap) {
		helix_free(view->data);
	} else {
		helix_unmap(view->data, view->size);
	}
	helix_free(view);
}

static uint64_t contents_capacity(const struct contents *contents)
{
	if (contents->memory != HEL_NULL) {
		return contents->memory_size;
	}
	return contents->view == NULL ? 0 : contents->view->size;
}

static void contents_set_view(struct contents *contents, struct contents_view *view)
{
	contents_view_unref(contents->view);
	contents->view = view;
}

static int64_t contents_grow_heap(struct contents *contents, uint64_t size)
{
	uint64_t capacity = max_u64(contents_capacity(contents), CONTENTS_HEAP_MIN);

	while (capacity < size) {
		capacity *= 2;
	}
	uint8_t *data = helix_calloc(1, capacity);

	if (data == NULL) {
		return -LINUX_ENOSPC;
	}
	struct contents_view *view = view_create(data, capacity, true);

	if (view == NULL) {
		helix_free(data);
		return -LINUX_ENOSPC;
	}
	if (contents->view != NULL) {
		memcpy(data, contents->view->data, contents->view->size);
	}
	contents_set_view(contents, view);
	return 0;
}

/* A view of the whole memory object, which has just got `size` bytes. */
static struct contents_view *contents_map(hel_handle memory, uint64_t size)
{
	void *data;

	if (helix_map(memory, 0, size, HEL_MAP_READ | HEL_MAP_WRITE, &data) < 0) {
		return NULL;
	}
	struct contents_view *view = view_create(data, size, false);

	if (view == NULL) {
		helix_unmap(data, size);
	}
	return view;
}

static int64_t contents_leave_heap(struct contents *contents, uint64_t size)
{
	hel_handle memory;

	if (hel_memory_allocate(size, 0, &memory) < 0) {
		return -LINUX_ENOSPC;
	}
	struct contents_view *view = contents_map(memory, size);

	if (view == NULL) {
		hel_close(HEL_THIS, memory);
		return -LINUX_ENOSPC;
	}
	if (contents->view != NULL) {
		memcpy(view->data, contents->view->data, contents->view->size);
	}
	contents->memory = memory;
	contents->memory_size = size;
	contents_set_view(contents, view);
	return 0;
}

static int64_t contents_resize_memory(struct contents *contents, uint64_t size)
{
	if (size != contents->memory_size) {
		if (hel_memory_resize(contents->memory, size) < 0) {
			return -LINUX_ENOSPC;
		}
		contents->memory_size = size;
	}
	return 0;
}

static int64_t contents_grow_memory(struct contents *contents, uint64_t size)
{
	uint64_t capacity = max_u64(contents_capacity(contents), CONTENTS_MEMORY_MIN);

	while (capacity < size) {
		capacity *= 2;
	}
	if (contents->memory == HEL_NULL) {
		return contents_leave_heap(contents, capacity);
	}
	if (contents_resize_memory(contents, capacity) < 0) {
		return -LINUX_ENOSPC;
	}
	struct contents_view *view = contents_map(contents->memory, capacity);

	if (view == NULL) {
		return -LINUX_ENOSPC;
	}
	contents_set_view(contents, view);
	return 0;
}

static uint64_t contents_exact_size(uint64_t size)
{
	return max_u64(align_up(size, HEL_PAGE_SIZE), HEL_PAGE_SIZE);
}

/* An object of exact size grows by pages; only the view grows by doubling. */
static int64_t contents_grow_exact(struct contents *contents, uint64_t size)
{
	int64_t error = 0;

	if (size > contents->view->size) {
		error = contents_grow_memory(contents, size);
	}
	return error < 0 ? error : contents_resize_memory(contents, contents_exact_size(size));
}

/* Makes room for `size` bytes. */
static int64_t contents_reserve(struct contents *contents, uint64_t size)
{
	if (size <= contents_capacity(contents)) {
		return 0;
	}
	if (contents->memory == HEL_NULL && size <= CONTENTS_HEAP_MAX) {
		return contents_grow_heap(contents, size);
	}
	return contents->is_exact ? contents_grow_exact(contents, size)
				  : contents_grow_memory(contents, size);
}

int64_t contents_memory(struct contents *contents, uint64_t size_needed, hel_handle *out_memory)
{
	uint64_t size = max_u64(size_needed, max_u64(contents_capacity(contents), 1));

	if (size > CONTENTS_SIZE_MAX) {
		return -LINUX_EOVERFLOW;
	}
	if (contents->memory == HEL_NULL || size > contents_capacity(contents)) {
		int64_t error = contents_grow_memory(contents, size);

		if (error < 0) {
			return -LINUX_ENOMEM;
		}
	}
	*out_memory = contents->memory;
	return 0;
}

bool contents_are_mapped_writable(const struct contents *contents)
{
	struct hel_memory_info info;

	if (contents->memory == HEL_NULL) {
		return false;
	}
	/* One of them is our own. */
	return hel_memory_info(contents->memory, &info) < 0 || info.n_writable > 1;
}

void contents_settle(struct contents *contents, uint64_t size)
{
	if (contents->memory != HEL_NULL) {
		ASSERT(contents_exact_size(size) <= contents->view->size);
		contents->is_exact = true;
		/* an object that stays too large shows zeros where there is nothing: no harm */
		(void)!contents_resize_memory(contents, contents_exact_size(size));
	}
}

/* ---- reading and writing ------------------------------------------------------------------- */

void contents_init(struct contents *contents, struct contents_account *account)
{
	*contents = (struct contents){ .account = account };
	tree_init(&contents->chunks);
}

void contents_deinit(struct contents *contents)
{
	contents_uncharge(contents, 0, UINT64_MAX);
	contents_set_view(contents, NULL);
	if (contents->memory != HEL_NULL) {
		hel_close(HEL_THIS, contents->memory);
		contents->memory = HEL_NULL;
	}
}

void contents_read(struct contents *contents, void *buffer, size_t size, uint64_t offset)
{
	uint64_t capacity = contents_capacity(contents);
	size_t n_bytes = 0;

	if (offset < capacity) {
		n_bytes = (size_t)min_u64(size, capacity - offset);
		memcpy(buffer, contents->view->data + offset, n_bytes);
	}
	memset((uint8_t *)buffer + n_bytes, 0, size - n_bytes);
}

const void *contents_peek(struct contents *contents, uint64_t offset, size_t *in_out_size,
	struct contents_view **out_view)
{
	uint64_t capacity = contents_capacity(contents);

	if (offset >= capacity) {
		*in_out_size = min_size(*in_out_size, sizeof(zeros));
		*out_view = NULL;
		return zeros;
	}
	*in_out_size = (size_t)min_u64(*in_out_size, capacity - offset);
	*out_view = contents->view;
	contents->view->references++;
	return contents->view->data + offset;
}

/* There is memory for what is about to be written, or it is an error and no fault of ours. */
static int64_t contents_populate(const struct contents *contents, uint64_t offset, uint64_t end)
{
	uint64_t first = align_down(offset, HEL_PAGE_SIZE);
	int error = hel_space_populate(HEL_THIS, (uint64_t)contents->view->data + first,
		align_up(end, HEL_PAGE_SIZE) - first, HEL_POPULATE_WRITE);

	return error < 0 ? -LINUX_ENOSPC : 0;
}

int64_t contents_write(struct contents *contents, const void *buffer, size_t size, uint64_t offset)
{
	uint64_t n_pages = contents->n_pages;
	uint64_t end = contents_charge_range(contents, offset, size);

	if (end == offset && size > 0) {
		return -LINUX_ENOSPC;
	}
	int64_t error = contents_reserve(contents, end);

	if (error == 0 && contents->memory != HEL_NULL && contents->n_pages != n_pages) {
		error = contents_populate(contents, offset, end);
	}
	if (error < 0) {
		return error;
	}
	memcpy(contents->view->data + offset, buffer, (size_t)(end - offset));
	return (int64_t)(end - offset);
}

int64_t contents_show(struct contents *contents, hel_handle memory, uint64_t offset, uint64_t size)
{
	uint64_t size_shown = contents_exact_size(size);
	hel_handle shown;

	contents->account->n_pages_max += size_shown / HEL_PAGE_SIZE;
	if (contents_charge_range(contents, 0, size) != size ||
		hel_memory_copy_on_write(memory, offset, size_shown, &shown) < 0) {
		contents_uncharge(contents, 0, UINT64_MAX);
		return -LINUX_ENOSPC;
	}
	struct contents_view *view = contents_map(shown, size_shown);

	if (view == NULL) {
		hel_close(HEL_THIS, shown);
		contents_uncharge(contents, 0, UINT64_MAX);
		return -LINUX_ENOSPC;
	}
	contents->memory = shown;
	contents->memory_size = size_shown;
	contents_set_view(contents, view);
	if (size < size_shown) {
		memset(view->data + size, 0, (size_t)(size_shown - size));
	}
	return 0;
}

int64_t contents_allocate(struct contents *contents, uint64_t offset, uint64_t size)
{
	uint64_t end = offset + size;
	struct contents_account *account = contents->account;

	if (div_round_up(size, HEL_PAGE_SIZE) > account->n_pages_max - account->n_pages ||
		contents_charge_range(contents, offset, size) != end) {
		return -LINUX_ENOSPC;
	}
	return contents_reserve(contents, end);
}

/* Clears what holds data between two offsets below the capacity. */
static void contents_zero_counted(struct contents *contents, uint64_t offset, uint64_t end)
{
	while (offset < end) {
		uint64_t page = contents_next(contents, offset / HEL_PAGE_SIZE, true);

		if (page >= div_round_up(end, HEL_PAGE_SIZE)) {
			return;
		}
		offset = max_u64(offset, page * HEL_PAGE_SIZE);
		uint64_t next = min_u64(end, (page + 1) * HEL_PAGE_SIZE);

		memset(contents->view->data + offset, 0, (size_t)(next - offset));
		offset = next;
	}
}

int64_t contents_zero(struct contents *contents, uint64_t offset, uint64_t size)
{
	uint64_t capacity = contents_capacity(contents);
	uint64_t end = offset + size;
	uint64_t first_page = div_round_up(offset, HEL_PAGE_SIZE);

	if (offset < capacity && !contents->is_exact) {
		contents_zero_counted(contents, offset, min_u64(end, capacity));
	} else if (offset < capacity) {
		uint64_t n_bytes = min_u64(end, capacity) - offset;

		if (n_bytes / HEL_PAGE_SIZE > contents->account->n_pages_max) {
			return -LINUX_EOPNOTSUPP;
		}
		memset(contents->view->data + offset, 0, (size_t)n_bytes);
	}
	if (end / HEL_PAGE_SIZE > first_page) {
		contents_uncharge(contents, first_page, end / HEL_PAGE_SIZE);
	}
	return 0;
}

/* Gives pages back: what is cut off an object reads as zeros when it has its size again. */
static void contents_cut(struct contents *contents, uint64_t kept)
{
	uint64_t size = contents->memory_size;

	if (contents_resize_memory(contents, kept) < 0) {
		memset(contents->view->data + kept, 0, (size_t)(size - kept));
	} else if (!contents->is_exact && contents_resize_memory(contents, size) < 0) {
		contents->is_exact = true; /* it grows again when it is written to */
	}
}

/*
 * A reply that is on its way may need pages of the object, and would fail if they were cut off;
 * unless programs map it, whose accesses behind the end have to fault.
 */
static bool contents_is_in_use(const struct contents *contents)
{
	return contents->memory != HEL_NULL && !contents->is_exact &&
		contents->view->references > 1;
}

/* Clears the pages with data from a byte on. */
static void contents_clear(struct contents *contents, uint64_t start)
{
	uint64_t page = contents_next(contents, start / HEL_PAGE_SIZE, true);

	while (page < contents->memory_size / HEL_PAGE_SIZE) {
		memset(contents->view->data + page * HEL_PAGE_SIZE, 0, HEL_PAGE_SIZE);
		page = contents_next(contents, page + 1, true);
	}
}

int64_t contents_truncate(struct contents *contents, uint64_t size)
{
	uint64_t capacity = contents_capacity(contents);
	uint64_t kept = contents_exact_size(size);
	bool is_in_use = contents_is_in_use(contents);

	if (is_in_use) {
		contents_clear(contents, kept);
	}
	contents_uncharge(contents, div_round_up(size, HEL_PAGE_SIZE), UINT64_MAX);
	if (size >= capacity) {
		return contents->is_exact ? contents_grow_exact(contents, size) : 0;
	}
	if (contents->memory == HEL_NULL) {
		if (size == 0) {
			contents_set_view(contents, NULL);
		} else {
			memset(contents->view->data + size, 0, (size_t)(capacity - size));
		}
		return 0;
	}
	memset(contents->view->data + size, 0, (size_t)(min_u64(kept, capacity) - size));
	if (kept < capacity && !is_in_use) {
		contents_cut(contents, kept);
	}
	return 0;
}
