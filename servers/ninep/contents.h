/* SPDX-License-Identifier: MIT */
/*
 * Contents: the pages of a file of the host in managed memory, which programs map. Reads and writes
 * of programs do not use them (files.c), and see to it that both are alike.
 *
 * thor asks for pages to be filled and stored; such a request is queued for the *pager*, tasks of
 * their own that nobody cancels. An operation listens to the next request as long as the contents
 * are there, but while pages are taken away.
 *
 * `lock` is held shared by who fills or stores, alone by who writes to the file past the pages or
 * takes pages away. So no page is filled with what was there before a write. Nobody waits for pages
 * with the lock held, for pagers need it. It is there before the contents are: who writes to a file
 * that has none holds it shared, who makes them alone.
 *
 * Pages that are taken away (contents_resize()) may be in requests that have come and were not
 * begun: these lose them before the lock is given back, as they may come again, empty, later.
 */
#ifndef NINEP_CONTENTS_H
#define NINEP_CONTENTS_H

#include <async/sync.h>
#include <drivers/lib/blockfs/lock.h>
#include <helix/helix.h>
#include <helix/managed.h>

#define PAGER_TASKS 16

struct contents;

struct contents_ops {
	/* Bytes that there are, as far as is known. */
	uint64_t (*size)(const struct contents *contents);
	/* Fill or store whole pages of the backing: 0, or why not. */
	int (*move)(struct task *task, struct contents *contents, bool is_write, uint64_t offset,
		uint64_t length);
};

struct contents {
	const struct contents_ops *ops;
	struct loop *loop;
	hel_handle backing, frontal;
	uint64_t memory_size; /* whole pages */
	struct rwlock lock;
	struct helix_manage_op listener;
	bool is_listening, is_quiet;
	struct list requests; /* struct page_request.node: come and not answered yet */
	struct wait_queue changed; /* the listener has ended, or a request */
	int error; /* of the last store that failed, until it is told */
};

/** pager_start() - start the tasks that move pages, for ever */
void pager_start(struct loop *loop);

/**
 * contents_init() - make memory for contents, and listen
 * @contents: zeros, but for the lock, which the caller has alone
 *
 * Return: 0, -ERR_NO_MEMORY, -ERR_NO_SPACE; after an error it may be called again.
 */
MUST_USE int contents_init(
	struct contents *contents, const struct contents_ops *ops, struct loop *loop);

/** contents_close() - give up the memory; what is dirty is lost, see contents_sync() */
void contents_close(struct task *task, struct contents *contents);

/**
 * contents_sync() - store what is dirty in a range
 * @length: 0: up to the end
 *
 * Not with the lock. Return: 0, or why pages could not be stored, since it was asked last.
 */
MUST_USE int contents_sync(
	struct task *task, struct contents *contents, uint64_t offset, uint64_t length);

/** contents_drop() - the file has changed in a range: pages that are not dirty go; likewise */
void contents_drop(struct contents *contents, uint64_t offset, uint64_t length);

/** contents_resize() - the file has @size bytes; the lock is held alone */
MUST_USE int contents_resize(struct task *task, struct contents *contents, uint64_t size);

#endif
