/* SPDX-License-Identifier: MIT */
/* Contents of files of the fake file server: memory whose pages may be absent, and room. */
#include <helix/managed.h>
#include <posix/server/tests/disk-server-internal.h>

constexpr size_t HANDLES_MAX = 256;

struct server_handle {
	uint64_t handle, number; /* 0: unused */
};

static struct server_handle handles[HANDLES_MAX];

void disk_node_resize(struct server_node *node, uint64_t size)
{
	if (node->memory != HEL_NULL) {
		ASSERT(hel_memory_resize(node->memory, align_up(size, HEL_PAGE_SIZE)) == 0);
	}
	if (size < node->attributes.size) {
		uint64_t n_pages = div_round_up(size, HEL_PAGE_SIZE);

		node->room &= n_pages >= 64 ? ~0ull : (1ull << n_pages) - 1;
		if (node->memory != HEL_NULL && !is_aligned(size, HEL_PAGE_SIZE)) {
			fake_memory_clear(node->memory, size, align_up(size, HEL_PAGE_SIZE) - size);
		}
	}
	node->attributes.size = size;
}

/* ---- contents -------------------------------------------------------------------------------- */

int server_contents(struct bragi_call *call, const struct fs_contents_request *request,
	struct fs_contents_reply *out_reply)
{
	struct server_node *node = disk_node_of(request->node);
	struct server_handle *handle = handles;

	ASSERT(node != NULL);
	if (node->memory == HEL_NULL) {
		ASSERT(hel_memory_allocate(align_up(node->attributes.size, HEL_PAGE_SIZE), 0,
			       &node->memory) == 0);
	}
	node->absent |= disk_server.is_cold ? ~0ull : 0;
	while (handle->number != 0) {
		handle++;
		ASSERT(handle < handles + HANDLES_MAX);
	}
	handle->number = disk_number_of(node);
	handle->handle = fake_memory_share(node->memory);
	out_reply->size = node->attributes.size;
	return bragi_handles_add(&call->to_send, handle->handle) ? 0 : -ERR_NO_MEMORY;
}

void disk_node_write(struct server_node *node, const void *bytes, size_t size, uint64_t offset)
{
	uint64_t end = max_u64(node->attributes.size, offset + size);

	if (node->memory == HEL_NULL) {
		ASSERT(hel_memory_allocate(align_up(end, HEL_PAGE_SIZE), 0, &node->memory) == 0);
	}
	disk_node_resize(node, end);
	ASSERT(hel_memory_write(node->memory, offset, bytes, size) == 0);
	disk_node_touch(node);
}

/* Past the cache, which is the same memory here. */
int server_transfer(struct bragi_call *call, const struct fs_transfer_request *request,
	struct fs_transfer_reply *out_reply)
{
	static uint8_t bytes[DISK_PAGES_MAX * HEL_PAGE_SIZE];
	struct server_node *node = disk_node_of(request->node);
	hel_handle memory = call->received.items[0];
	uint64_t left = node->attributes.size - min_u64(node->attributes.size, request->offset);
	uint64_t n_bytes = request->is_write ? request->length : min_u64(left, request->length);

	ASSERT(call->received.count == 1);
	if (request->offset + n_bytes > sizeof(bytes)) {
		return FS_ERROR_TOO_LARGE;
	}
	if (request->is_write) {
		ASSERT(hel_memory_read(memory, request->memory_offset, bytes, n_bytes) == 0);
		disk_node_write(node, bytes, n_bytes, request->offset);
	} else if (n_bytes > 0 && node->memory != HEL_NULL) {
		ASSERT(hel_memory_read(node->memory, request->offset, bytes, n_bytes) == 0);
		ASSERT(hel_memory_write(memory, request->memory_offset, bytes, n_bytes) == 0);
	}
	out_reply->n_bytes = n_bytes;
	return 0;
}

static uint64_t pages_of(uint64_t offset, uint64_t length)
{
	uint64_t pages = 0;

	for (uint64_t page = offset / HEL_PAGE_SIZE; page * HEL_PAGE_SIZE < offset + length;
		page++) {
		ASSERT(page < DISK_PAGES_MAX);
		pages |= 1ull << page;
	}
	return pages;
}

int server_reserve(struct bragi_call *call UNUSED, const struct fs_reserve_request *request,
	struct fs_reserve_reply *out_reply)
{
	struct server_node *node = disk_node_of(request->node);

	disk_server.n_reserves++;
	ASSERT(node != NULL && request->length > 0);
	if (request->offset + request->length > DISK_PAGES_MAX * HEL_PAGE_SIZE) {
		return FS_ERROR_TOO_LARGE;
	}
	uint64_t new = pages_of(request->offset, request->length) & ~node->room;

	if ((uint64_t)__builtin_popcountll(new) > disk_server.n_free_blocks) {
		return FS_ERROR_NO_SPACE;
	}
	disk_server.n_free_blocks -= (uint64_t)__builtin_popcountll(new);
	node->room |= new;
	if (request->size > node->attributes.size) {
		disk_node_resize(node, request->size);
	}
	disk_node_touch(node);
	node->attributes.n_sectors = (uint64_t)__builtin_popcountll(node->room) * 8;
	out_reply->n_sectors = node->attributes.n_sectors;
	return 0;
}

int server_map(struct bragi_call *call UNUSED, const struct fs_map_request *request,
	struct fs_map_reply *out_reply)
{
	struct server_node *node = disk_node_of(request->node);
	uint64_t page = request->offset / HEL_PAGE_SIZE, end = page;

	if (request->offset >= node->attributes.size) {
		return -ERR_NOT_FOUND;
	}
	bool has_room = (node->room >> page & 1) != 0;

	while (end * HEL_PAGE_SIZE < node->attributes.size &&
		((node->room >> end & 1) != 0) == has_room) {
		end++;
	}
	out_reply->kind = has_room ? FS_EXTENT_KIND_DATA : FS_EXTENT_KIND_HOLE;
	out_reply->offset = page * HEL_PAGE_SIZE;
	out_reply->length = (end - page) * HEL_PAGE_SIZE;
	return 0;
}

int server_allocate(struct bragi_call *call UNUSED, const struct fs_allocate_request *request,
	struct fs_allocate_reply *out_reply)
{
	struct server_node *node = disk_node_of(request->node);
	uint64_t end = request->offset + request->length;

	if (end > DISK_PAGES_MAX * HEL_PAGE_SIZE) {
		return FS_ERROR_TOO_LARGE;
	}
	if (request->mode == FS_ALLOCATE_MODE_PUNCH_HOLE) {
		fake_memory_clear(node->memory, request->offset, request->length);
	} else {
		node->room |= pages_of(request->offset, request->length);
	}
	if (request->mode == FS_ALLOCATE_MODE_GROW && end > node->attributes.size) {
		disk_node_resize(node, end);
	}
	out_reply->attributes = node->attributes;
	return 0;
}

/* ---- memory that may be absent --------------------------------------------------------------- */

static struct server_node *node_of_memory(uint64_t memory)
{
	for (size_t i = 0; i < HANDLES_MAX; i++) {
		if (handles[i].number != 0 && handles[i].handle == memory) {
			return &disk_nodes[handles[i].number];
		}
	}
	return NULL;
}

int fake_memory_try(uint64_t memory, uint64_t offset, uint64_t size, bool is_write)
{
	struct server_node *node = node_of_memory(memory);

	if (node == NULL || size == 0) {
		return 0;
	}
	uint64_t pages = pages_of(offset, size);

	if ((pages & node->absent) != 0) {
		return -ERR_AGAIN;
	}
	if (is_write) {
		ASSERT((pages & ~node->room) == 0); /* room was made before */
		if (disk_server.n_dirty_max != 0 && node->n_dirty >= disk_server.n_dirty_max) {
			return -ERR_AGAIN;
		}
		node->n_dirty++;
	}
	return 0;
}

void fake_memory_closed(uint64_t memory)
{
	for (size_t i = 0; i < HANDLES_MAX; i++) {
		if (handles[i].handle == memory) {
			handles[i] = (struct server_handle){ 0 };
		}
	}
}

int helix_lock(struct task *task, hel_handle memory, uint64_t offset, uint64_t length,
	uint64_t flags UNUSED)
{
	struct server_node *node = node_of_memory(memory);

	ASSERT(node != NULL && length > 0);
	disk_pass_on(task);
	int error = disk_failure();

	if (error == 0 && offset + length > align_up(node->attributes.size, HEL_PAGE_SIZE)) {
		error = -ERR_OUT_OF_BOUNDS;
	}
	if (error == 0) {
		node->absent &= ~pages_of(offset, length);
		disk_server.n_locks++;
		disk_server.n_locked++;
	}
	return error;
}

void fake_memory_unlock(void)
{
	ASSERT(disk_server.n_locked > 0);
	disk_server.n_locked--;
}

int helix_fence(
	struct task *task, hel_handle memory, uint64_t offset UNUSED, uint64_t length UNUSED)
{
	struct server_node *node = node_of_memory(memory);

	ASSERT(node != NULL);
	disk_pass_on(task);
	disk_server.n_fences++;
	node->n_dirty = 0;
	return disk_failure();
}
