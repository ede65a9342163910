/* SPDX-License-Identifier: MIT */
/*
 * Contents: the pages of a file, or of a whole volume, in managed memory of which this server is
 * the manager.
 *
 * thor asks for pages to be filled and stored (lib/helix/managed.h); an operation that waits for
 * the next such request is a *listener*. There is one per contents, or another one while it has a
 * request, up to REQUESTS_MAX; so contents that nobody uses cost one. A request is queued for the
 * *pager*, a fixed number of tasks of their own, so pages move whatever all other tasks wait for.
 *
 *	          a request comes        a pager has time         answered, listens again
 *	LISTENING ---------------> QUEUED ---------------> WORKING -----------> LISTENING
 *	    ^ | cancelled                                             \-> freed: another listens
 *	    | v
 *	   IDLE    while pages are taken away
 *
 * `lock` is held shared by pagers and by whoever makes a file grow; alone by what takes pages or
 * blocks away. When pages were taken away (contents_cut()), requests that were made before, but
 * have not been worked on, may be about pages that are not there any more, or come again later
 * with other contents. So, before the lock is given back, listeners are cancelled, and all
 * requests that have come by then are cut to the new size. Nobody may wait for pages with the lock
 * held: pagers need it.
 *
 * Transfers under way, the pager's and those past the cache, are *ranges*: two that overlap come
 * one after the other unless both read. So no block is written twice at a time, nor read while it
 * is written for the first time.
 *
 * The memory has the size of the file in whole pages. Bytes behind the file's end in its last page
 * are made zero when the page is stored; a client that has been told a larger size (reserve) comes
 * after that, so it cannot lose anything.
 */
#ifndef FS_CONTENTS_H
#define FS_CONTENTS_H

#include "io.h"

#include <drivers/lib/blockfs/lock.h>
#include <helix/managed.h>

#define CONTENTS_REQUESTS_MAX 8
#define PAGER_TASKS           32

struct contents;

/* Where the bytes are kept. Offsets and lengths are those of whole pages. */
struct contents_ops {
	/* Bytes that there are. */
	uint64_t (*size)(const struct contents *contents);
	/* 0, -ERR_X, or a BLOCKFS_E_*. */
	int (*read)(struct task *task, struct contents *contents, uint64_t offset,
		const struct device_buffer *buffer);
	int (*write)(struct task *task, struct contents *contents, uint64_t offset,
		const struct device_buffer *buffer);
	/*
	 * Where a range is, if it is in one place and stays there while the lock is held, so that
	 * it can be moved without a task; NULL: read() and write() say. The hook may be NULL, too.
	 */
	struct device *(*place)(const struct contents *contents, uint64_t offset, uint64_t length,
		uint64_t *out_place);
};

enum page_request_state { PAGES_IDLE, PAGES_LISTENING, PAGES_QUEUED, PAGES_WORKING };

/* Bytes that are being moved. */
struct contents_range {
	struct list_node node; /* of contents->ranges */
	uint64_t offset, length;
	bool is_write;
};

struct page_request {
	struct helix_manage_op manage;
	struct contents *contents;
	enum page_request_state state;
	struct list_node node;       /* of contents->requests */
	struct list_node queue_node; /* of the pager's queue */
	uint64_t offset, length;     /* length 0: of nothing that is there any more */
};

struct contents {
	const struct contents_ops *ops;
	struct io *io;
	struct loop *loop;
	struct io_memory memory;   /* the backing */
	struct mutex attach_lock;  /* held while it is attached to the disk */
	bool is_attached;          /* when the first page moves: many files never come that far */
	hel_handle frontal;
	uint64_t memory_size; /* whole pages */
	struct rwlock lock;
	struct list requests; /* struct page_request.node */
	uint32_t n_requests, n_listening;
	struct list ranges;          /* struct contents_range.node */
	struct wait_queue moved;     /* a range has ended */
	bool may_have_pages; /* false: thor has none, and has asked for none that we know */
	bool has_zeros; /* it has grown: pages that nobody asks for */
	bool is_quiet; /* no new listeners */
	struct wait_queue listeners; /* one has ended, or a request */
	int error; /* of the last write-back that failed, until it is told */
};

/** pager_start() - start the tasks that move pages, for ever */
void pager_start(struct loop *loop);

/**
 * contents_init() - make memory for contents, and listen
 * @io: borrowed until contents_close()
 *
 * Return: 0, -ERR_NO_MEMORY, -ERR_NO_SPACE.
 */
MUST_USE int contents_init(struct contents *contents, const struct contents_ops *ops,
	struct loop *loop, struct io *io);

/**
 * contents_close() - give up the memory; what is dirty is lost, see contents_sync()
 *
 * Waits for what is under way, whatever happens to the task.
 */
void contents_close(struct task *task, struct contents *contents);

/**
 * contents_has_pages() - whether some of a range may be in memory now
 *
 * What is not can come only by the pager, as a range of its own. False is certain.
 */
bool contents_has_pages(struct contents *contents, uint64_t offset, uint64_t length);

/** contents_is_empty() - whether it has no pages at all now */
bool contents_is_empty(const struct contents *contents);

/**
 * contents_sync() - store what is dirty in a range
 * @length: 0: up to the end
 *
 * Not with the lock. Return: 0, or why pages could not be stored, since it was asked last.
 */
MUST_USE int contents_sync(
	struct task *task, struct contents *contents, uint64_t offset, uint64_t length);

/** contents_store() - store what is dirty; an error is kept for contents_sync() */
void contents_store(struct task *task, struct contents *contents);

/** contents_sync_result() - what contents_sync() returns when the fence has ended so */
int contents_sync_result(struct contents *contents, int fence_error);

/**
 * contents_clear_tail() - zeros behind the end, in the last page of a file of @size bytes
 *
 * Whatever mappings have put there: before it is stored, and before the file grows over it.
 */
void contents_clear_tail(const struct contents *contents, uint64_t size);

/**
 * contents_move_begin() - bytes are about to be moved: wait for others that are in the way
 * @range: its numbers are filled in; borrowed until contents_move_end()
 *
 * The lock is held. Return: 0, or the reason of a cancel.
 */
MUST_USE int contents_move_begin(
	struct task *task, struct contents *contents, struct contents_range *range);

/** contents_try_move_begin() - the same without waiting: false: somebody is in the way */
MUST_USE bool contents_try_move_begin(struct contents *contents, struct contents_range *range);

/** contents_move_end() - they have been moved, or not */
void contents_move_end(struct contents *contents, struct contents_range *range);

/** contents_grow() - the memory is to have room for @size bytes at least; the lock is held */
MUST_USE int contents_grow(struct contents *contents, uint64_t size);

/**
 * contents_cut() - the file has become shorter: it is @size bytes long; the lock is held alone
 *
 * Pages behind the end are dropped, and what is behind it in the last one is zero.
 */
void contents_cut(struct task *task, struct contents *contents, uint64_t size);

/**
 * contents_drop() - what the disk has in a range has changed; the lock is held, or a range of it
 *
 * Pages that are not dirty are dropped; a part of a page counts as all of it.
 */
void contents_drop(struct contents *contents, uint64_t offset, uint64_t length);

/**
 * contents_show_zeros() - a range is zeros on the disk now; the lock is held alone
 *
 * Also pages that somebody has made dirty since the file was stored have zeros there, unless the
 * range is very long: who writes to a mapping while it becomes a hole may find it written.
 */
void contents_show_zeros(
	struct task *task, struct contents *contents, uint64_t offset, uint64_t length);

#endif
