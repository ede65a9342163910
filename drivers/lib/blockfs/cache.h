/* SPDX-License-Identifier: MIT */
/*
 * The buffer cache: blocks of metadata in memory that the device reaches.
 *
 * A buffer is one block of the file system. Its memory is a slot of the arena and stays the same
 * until the buffer is evicted, which only happens to one that nobody holds and that is clean.
 *
 *          cache_read()          device            last buffer_put()
 *   EMPTY -------------> READING ------> VALID  <------------------> on the LRU list, evictable
 *     ^                      |
 *     +----- read failed ----+
 *
 * What can be said of a VALID buffer besides:
 * - `running`: the journal's running transaction has changed it; its contents may not go home.
 * - `checkpoint`: a committed transaction has it in the log, and home is older.
 * - `is_dirty`: changed without a journal.
 * - `is_writing`: on its way home; whoever wants to change it waits (cache_wait_written()).
 * Any of these keeps it in memory.
 *
 * Reads belong to the cache, not to the task that asked first: others wait with it, and a task that
 * is cancelled takes nothing away from them. Checks of contents (checksums) are done once: the file
 * system notes in `kind` what it found the block to be, and zero means unchecked. Code that reads a
 * buffer must be safe whatever its bytes are; a check only says that they are what was written.
 *
 * Raw pointers into `data` are good as long as the buffer is held; what they point at can change
 * whenever the holder waits, unless a lock of the file system says otherwise.
 */
#ifndef BLOCKFS_CACHE_H
#define BLOCKFS_CACHE_H

#include <async/sync.h>
#include <base/hash-table.h>
#include <drivers/lib/blockfs/device.h>
#include <drivers/lib/blockfs/memory.h>

struct cache;
struct transaction;

enum buffer_state { BUFFER_EMPTY, BUFFER_READING, BUFFER_VALID };

struct buffer {
	struct cache *cache;
	uint64_t block;
	uint8_t *data;
	uint32_t n_holders;
	uint8_t state; /* enum buffer_state */
	uint8_t kind;  /* the file system's: what it was checked to be, 0: unchecked */
	bool is_writing;
	bool is_dirty;
	bool is_hashed;
	uint32_t seed; /* of its checksum, for some kinds */
	int error;     /* of the last transfer */

	/* the journal's */
	struct transaction *running;
	struct transaction *checkpoint;
	bool is_forgotten; /* freed in the running transaction: not to be logged */
	struct list_node running_node;
	struct list_node checkpoint_node;

	struct hash_node hash_node;
	struct list_node lru_node;
	struct list_node dirty_node;
	struct wait_queue waiters; /* for the end of a transfer */
	struct device_request request;
	struct device_buffer where;
};

struct cache_config {
	struct loop *loop;
	struct device *device;
	struct blockfs_arena arena; /* borrowed until cache_deinit() */
	uint32_t block_size;
	uint64_t n_blocks;          /* of the file system: blocks behind are out of bounds */
	/* Make the checksum of a dirty buffer true before it is written. */
	void (*seal)(void *context, struct buffer *buffer);
	void *context;
};

struct cache {
	struct cache_config config;
	struct buffer *buffers;
	size_t n_buffers;
	struct hash_table table;
	struct list lru;   /* nobody's and clean, the longest unused first */
	struct list unused; /* hold no block */
	struct list dirty; /* without a journal */
	size_t n_dirty;
	size_t n_reading;
	size_t n_writing;
	size_t n_pinned; /* running or checkpoint */
	int write_error; /* the first of a write home; sticky */
	struct wait_queue written;
	struct {
		uint64_t n_hits, n_misses, n_read_ahead, n_evicted, n_written;
	} statistics;
};

/** cache_init() - make a cache; 0 or -ERR_NO_MEMORY (also if the arena has less than 16 slots) */
MUST_USE int cache_init(struct cache *cache, const struct cache_config *config);

/** cache_deinit() - forget everything; nothing is held, no request is in flight */
void cache_deinit(struct cache *cache);

/**
 * cache_read() - hold a block with its contents
 * @out_buffer: to be given back with buffer_put()
 *
 * Return: 0, -ERR_IO, -ERR_NO_MEMORY (all buffers are in use), BLOCKFS_E_CORRUPT for a block that
 * the file system does not have, or the reason of a cancel.
 */
MUST_USE int cache_read(
	struct task *task, struct cache *cache, uint64_t block, struct buffer **out_buffer);

/** cache_create() - hold a block whose contents the caller will write in full; never reads */
MUST_USE int cache_create(
	struct task *task, struct cache *cache, uint64_t block, struct buffer **out_buffer);

/** cache_find() - hold a block if it is cached (in whatever state), or NULL */
struct buffer *cache_find(struct cache *cache, uint64_t block);

/**
 * cache_read_ahead() - begin to read blocks that will be wanted, as long as less than a quarter of
 * the cache is being read
 */
void cache_read_ahead(struct cache *cache, uint64_t block, uint64_t n_blocks);

/** buffer_get() - hold a held buffer once more */
static inline struct buffer *buffer_get(struct buffer *buffer)
{
	buffer->n_holders++;
	return buffer;
}

/** buffer_put() - give back a held buffer; accepts NULL */
void buffer_put(struct buffer *buffer);

/** BUFFER_AUTO - a local `struct buffer *` that is put when it leaves its scope */
#define BUFFER_AUTO __attribute__((cleanup(buffer_auto_put)))

static inline void buffer_auto_put(struct buffer **buffer)
{
	buffer_put(*buffer);
}

/** buffer_move() - take the pointer out of a BUFFER_AUTO variable */
static inline struct buffer *buffer_move(struct buffer **buffer)
{
	struct buffer *moved = *buffer;

	*buffer = NULL;
	return moved;
}

/** cache_mark_dirty() - without a journal: the buffer has to be written some time */
void cache_mark_dirty(struct buffer *buffer);

/** cache_mark_clean() - without a journal: what the buffer holds is of no interest any more */
void cache_mark_clean(struct buffer *buffer);

/** cache_discard() - the contents of a held buffer are of no interest: the block is not metadata */
void cache_discard(struct buffer *buffer);

/** cache_unpinned() - the journal has let go of a buffer: it may be evicted if nobody holds it */
void cache_unpinned(struct buffer *buffer);

/** cache_wait_written() - wait until a held buffer is not on its way to the device */
MUST_USE int cache_wait_written(struct task *task, struct buffer *buffer);

/** cache_write_start() - begin to write a held or pinned buffer home; see cache_wait_quiet() */
void cache_write_start(struct buffer *buffer);

/** cache_wait_quiet() - wait until at most @n_writing buffers are being written */
MUST_USE int cache_wait_quiet(struct task *task, struct cache *cache, size_t n_writing);

/** cache_write_dirty() - write all dirty buffers and wait; 0 or the first error; no flush */
MUST_USE int cache_write_dirty(struct task *task, struct cache *cache);

/** cache_finish() - wait until no request is in flight */
MUST_USE int cache_finish(struct task *task, struct cache *cache);

/** cache_drop() - evict everything that nobody holds and that is clean */
void cache_drop(struct cache *cache);

#endif
