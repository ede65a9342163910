/* SPDX-License-Identifier: MIT */
/* The buffer cache: see cache.h. */
#include <base/assert.h>
#include <base/hash.h>
#include <base/string.h>
#include <drivers/lib/blockfs/cache.h>
#include <drivers/lib/blockfs/errors.h>

#define CACHE_SLOTS_MIN  16
#define CACHE_WRITES_MAX 64 /* in flight when all dirty buffers are written */

/* ---- the table ------------------------------------------------------------------------------- */

static bool buffer_is(const struct hash_node *node, const void *key)
{
	const uint64_t *block = key;

	return container_of(node, struct buffer, hash_node)->block == *block;
}

static struct buffer *cache_lookup(struct cache *cache, uint64_t block)
{
	struct hash_node *node = hash_table_find(&cache->table, hash_u64(block), buffer_is, &block);

	return node != NULL ? container_of(node, struct buffer, hash_node) : NULL;
}

/* Whether the buffer may be evicted once nobody holds it. */
static bool buffer_is_clean(const struct buffer *buffer)
{
	return buffer->running == NULL && buffer->checkpoint == NULL && !buffer->is_dirty &&
		!buffer->is_writing && buffer->state != BUFFER_READING;
}

/* Nobody's and clean: evictable; emptied at once if it holds nothing. */
static void buffer_settle(struct buffer *buffer)
{
	struct cache *cache = buffer->cache;

	if (buffer->n_holders > 0 || !buffer_is_clean(buffer)) {
		return;
	}
	list_remove(&buffer->lru_node);
	if (buffer->state == BUFFER_VALID) {
		list_push_back(&cache->lru, &buffer->lru_node);
		return;
	}
	if (buffer->is_hashed) {
		hash_table_remove(&cache->table, &buffer->hash_node);
		buffer->is_hashed = false;
	}
	list_push_front(&cache->unused, &buffer->lru_node);
}

static void buffer_evict(struct buffer *buffer)
{
	buffer->state = BUFFER_EMPTY;
	buffer->kind = 0;
	buffer_settle(buffer);
}

static struct buffer *cache_take_slot(struct cache *cache)
{
	if (list_is_empty(&cache->unused)) {
		struct buffer *oldest = LIST_FIRST(&cache->lru, struct buffer, lru_node);

		if (oldest == NULL) {
			return NULL;
		}
		cache->statistics.n_evicted++;
		buffer_evict(oldest);
	}
	return LIST_POP_FRONT(&cache->unused, struct buffer, lru_node);
}

/* Hold the buffer of a block, in whatever state. */
static int cache_hold(struct cache *cache, uint64_t block, struct buffer **out_buffer)
{
	if (block >= cache->config.n_blocks) {
		return BLOCKFS_E_CORRUPT;
	}
	struct buffer *buffer = cache_lookup(cache, block);

	if (buffer == NULL) {
		buffer = cache_take_slot(cache);
		if (buffer == NULL) {
			return -ERR_NO_MEMORY;
		}
		buffer->block = block;
		buffer->kind = 0;
		buffer->error = 0;
		buffer->is_hashed = true;
		hash_table_insert(&cache->table, &buffer->hash_node, hash_u64(block));
	}
	buffer->n_holders++;
	list_remove(&buffer->lru_node);
	*out_buffer = buffer;
	return 0;
}

struct buffer *cache_find(struct cache *cache, uint64_t block)
{
	struct buffer *buffer = cache_lookup(cache, block);

	if (buffer != NULL) {
		buffer->n_holders++;
		list_remove(&buffer->lru_node);
	}
	return buffer;
}

void buffer_put(struct buffer *buffer)
{
	if (buffer != NULL) {
		ASSERT(buffer->n_holders > 0);
		buffer->n_holders--;
		buffer_settle(buffer);
	}
}

/* ---- transfers ------------------------------------------------------------------------------- */

static void buffer_read_done(struct op *op)
{
	struct buffer *buffer = op->owner;

	buffer->cache->n_reading--;
	buffer->error = op->error;
	buffer->state = op->error == 0 ? BUFFER_VALID : BUFFER_EMPTY;
	wait_queue_wake(&buffer->waiters);
	buffer_settle(buffer);
}

static void buffer_start(struct buffer *buffer, enum device_action action, op_done_fn done)
{
	const struct cache_config *config = &buffer->cache->config;
	uint64_t offset = buffer->block * config->block_size;

	device_request_init(&buffer->request, config->device, action, offset, config->block_size);
	device_request_set_buffers(&buffer->request, &buffer->where, 1);
	if (op_start(&buffer->request.op, config->loop, done, buffer) == OP_DONE) {
		buffer->request.op.owner = buffer;
		done(&buffer->request.op);
	}
}

static void buffer_read_start(struct buffer *buffer)
{
	buffer->state = BUFFER_READING;
	buffer->cache->n_reading++;
	buffer->cache->statistics.n_misses++;
	buffer_start(buffer, DEVICE_READ, buffer_read_done);
}

static int buffer_wait_read(struct task *task, struct buffer *buffer)
{
	if (buffer->state == BUFFER_EMPTY) {
		buffer_read_start(buffer);
	}
	while (buffer->state == BUFFER_READING) {
		int error = wait_on(task, &buffer->waiters);

		if (error != 0) {
			return error;
		}
	}
	return buffer->state == BUFFER_VALID ? 0 : buffer->error;
}

int cache_read(struct task *task, struct cache *cache, uint64_t block, struct buffer **out_buffer)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = cache_hold(cache, block, &buffer);

	if (error != 0) {
		return error;
	}
	if (likely(buffer->state == BUFFER_VALID)) {
		cache->statistics.n_hits++;
	} else {
		error = buffer_wait_read(task, buffer);
	}
	if (error == 0) {
		*out_buffer = buffer_move(&buffer);
	}
	return error;
}

int cache_create(struct task *task, struct cache *cache, uint64_t block, struct buffer **out_buffer)
{
	BUFFER_AUTO struct buffer *buffer = NULL;
	int error = cache_hold(cache, block, &buffer);

	if (error != 0) {
		return error;
	}
	while (buffer->state == BUFFER_READING) { /* somebody's read-ahead */
		error = wait_on(task, &buffer->waiters);
		if (error != 0) {
			return error;
		}
	}
	buffer->state = BUFFER_VALID;
	*out_buffer = buffer_move(&buffer);
	return 0;
}

void cache_read_ahead(struct cache *cache, uint64_t block, uint64_t n_blocks)
{
	for (; n_blocks > 0 && block < cache->config.n_blocks; block++, n_blocks--) {
		struct buffer *buffer = cache_lookup(cache, block);

		if (buffer != NULL) {
			continue;
		}
		if (cache->n_reading >= cache->n_buffers / 4 ||
			cache_hold(cache, block, &buffer) != 0) {
			return;
		}
		cache->statistics.n_read_ahead++;
		buffer_read_start(buffer);
		buffer_put(buffer);
	}
}

static void buffer_write_done(struct op *op)
{
	struct buffer *buffer = op->owner;
	struct cache *cache = buffer->cache;

	buffer->is_writing = false;
	buffer->error = op->error;
	if (op->error != 0 && cache->write_error == 0) {
		cache->write_error = op->error;
	}
	cache->n_writing--;
	wait_queue_wake(&buffer->waiters);
	wait_queue_wake(&cache->written);
	buffer_settle(buffer);
}

void cache_write_start(struct buffer *buffer)
{
	ASSERT(!buffer->is_writing);
	ASSERT(buffer->state == BUFFER_VALID);
	buffer->is_writing = true;
	buffer->cache->n_writing++;
	buffer->cache->statistics.n_written++;
	buffer_start(buffer, DEVICE_WRITE, buffer_write_done);
}

int cache_wait_written(struct task *task, struct buffer *buffer)
{
	while (buffer->is_writing) {
		int error = wait_on(task, &buffer->waiters);

		if (error != 0) {
			return error;
		}
	}
	return 0;
}

int cache_wait_quiet(struct task *task, struct cache *cache, size_t n_writing)
{
	while (cache->n_writing > n_writing) {
		int error = wait_on(task, &cache->written);

		if (error != 0) {
			return error;
		}
	}
	return 0;
}

/* ---- without a journal ----------------------------------------------------------------------- */

void cache_mark_dirty(struct buffer *buffer)
{
	if (!buffer->is_dirty) {
		buffer->is_dirty = true;
		buffer->cache->n_dirty++;
		list_push_back(&buffer->cache->dirty, &buffer->dirty_node);
	}
}

void cache_mark_clean(struct buffer *buffer)
{
	if (buffer->is_dirty) {
		buffer->is_dirty = false;
		buffer->cache->n_dirty--;
		list_remove(&buffer->dirty_node);
	}
}

void cache_discard(struct buffer *buffer)
{
	if (buffer->state == BUFFER_VALID && !buffer->is_writing && buffer->running == NULL &&
		buffer->checkpoint == NULL && !buffer->is_dirty) {
		buffer->state = BUFFER_EMPTY;
		buffer->kind = 0;
	}
}

void cache_unpinned(struct buffer *buffer)
{
	buffer_settle(buffer);
}

/*
 * Sealing one buffer may dirty another one that holds its checksum (a bitmap's group descriptor),
 * which is then behind it in the list.
 */
int cache_write_dirty(struct task *task, struct cache *cache)
{
	struct buffer *buffer;

	while ((buffer = LIST_FIRST(&cache->dirty, struct buffer, dirty_node)) != NULL) {
		int error = cache_wait_quiet(task, cache, CACHE_WRITES_MAX);

		if (error != 0) {
			return error;
		}
		buffer = LIST_FIRST(&cache->dirty, struct buffer, dirty_node);
		if (buffer == NULL) {
			break;
		}
		buffer_get(buffer);
		error = cache_wait_written(task, buffer);
		if (error == 0 && buffer->is_dirty) {
			cache->config.seal(cache->config.context, buffer);
			cache_mark_clean(buffer);
			cache_write_start(buffer);
		}
		buffer_put(buffer);
		if (error != 0) {
			return error;
		}
	}
	int error = cache_wait_quiet(task, cache, 0);

	return error != 0 ? error : cache->write_error;
}

/* ---- life ------------------------------------------------------------------------------------ */

int cache_init(struct cache *cache, const struct cache_config *config)
{
	size_t n_buffers = config->arena.size / config->block_size;
	size_t n_buckets = 64;

	while (n_buckets < n_buffers) {
		n_buckets *= 2;
	}
	*cache = (struct cache){ .config = *config, .n_buffers = n_buffers };
	list_init(&cache->lru);
	list_init(&cache->unused);
	list_init(&cache->dirty);
	wait_queue_init(&cache->written);
	cache->buffers = n_buffers < CACHE_SLOTS_MIN
		? NULL
		: blockfs_allocate(n_buffers * sizeof(struct buffer));
	struct hash_node **buckets = blockfs_allocate(n_buckets * sizeof(*buckets));

	if (cache->buffers == NULL || buckets == NULL) {
		blockfs_free(cache->buffers);
		blockfs_free(buckets);
		*cache = (struct cache){ 0 };
		return -ERR_NO_MEMORY;
	}
	hash_table_init(&cache->table, buckets, n_buckets, NULL);
	for (size_t i = 0; i < n_buffers; i++) {
		struct buffer *buffer = &cache->buffers[i];
		size_t offset = i * config->block_size;

		buffer->cache = cache;
		buffer->data = config->arena.address + offset;
		buffer->where = (struct device_buffer){
			.memory = config->arena.memory,
			.offset = config->arena.offset + offset,
			.length = config->block_size,
			.address = buffer->data,
		};
		wait_queue_init(&buffer->waiters);
		list_push_back(&cache->unused, &buffer->lru_node);
	}
	return 0;
}

int cache_finish(struct task *task, struct cache *cache)
{
	int error = cache_wait_quiet(task, cache, 0);

	for (size_t i = 0; i < cache->n_buffers && error == 0; i++) {
		struct buffer *buffer = &cache->buffers[i];

		if (buffer->state == BUFFER_READING) {
			buffer_get(buffer);
			while (error == 0 && buffer->state == BUFFER_READING) {
				error = wait_on(task, &buffer->waiters);
			}
			buffer_put(buffer);
		}
	}
	return error;
}

void cache_drop(struct cache *cache)
{
	struct buffer *buffer;

	while ((buffer = LIST_FIRST(&cache->lru, struct buffer, lru_node)) != NULL) {
		buffer_evict(buffer);
	}
}

void cache_deinit(struct cache *cache)
{
	if (cache->buffers == NULL) {
		return;
	}
	ASSERT(cache->n_writing == 0);
	for (size_t i = 0; i < cache->n_buffers; i++) {
		ASSERT(cache->buffers[i].n_holders == 0);
		ASSERT(cache->buffers[i].state != BUFFER_READING);
	}
	blockfs_free(cache->table.buckets);
	blockfs_free(cache->buffers);
	*cache = (struct cache){ 0 };
}
