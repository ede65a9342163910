/* SPDX-License-Identifier: MIT */
/*
 * The contents of a file in memory.
 *
 * Small contents are on the heap. Larger ones, and those that somebody maps, are in a memory
 * object, of which posix has a mapping of its own for read and write. Both grow by doubling. What
 * is mapped or allocated now is a *view*; replies that are on their way to a reader hold a
 * reference to it, so that the bytes stay where they are.
 *
 *	none ---> heap block ---> memory object ---> memory object of exact size (somebody maps it)
 *
 * A memory object usually has room to grow. Once programs map it, it ends with the file's last
 * page, so that they get a SIGBUS where Linux gives them one; the view then may be larger than the
 * object, and is not touched there.
 *
 * Invariant: bytes beyond the file's size are zero, so a file can be extended by changing its size
 * alone. The size itself is the inode's; contents only have a capacity, and what is beyond that
 * reads as zeros.
 *
 * Pages that hold data are counted to an account, whose limit makes -LINUX_ENOSPC. Which ones they
 * are stands in bitmaps of CONTENTS_CHUNK_PAGES in a tree, so a sparse file costs what is in it.
 */
#ifndef POSIX_FS_CONTENTS_H
#define POSIX_FS_CONTENTS_H

#include <abi/hel/types.h>
#include <base/bitmap.h>
#include <base/tree.h>

/** CONTENTS_SIZE_MAX - the largest file */
#define CONTENTS_SIZE_MAX    ((uint64_t)1 << 40)
#define CONTENTS_CHUNK_PAGES 512
/** CONTENTS_SHOWN_MIN - what contents_show() is good for */
#define CONTENTS_SHOWN_MIN   (KIB(16) + 1)

struct contents_account {
	uint64_t n_pages, n_pages_max;
};

struct contents_view {
	uint32_t references;
	bool is_heap;
	uint8_t *data;
	uint64_t size;
};

struct contents {
	struct contents_account *account;
	struct contents_view *view; /* NULL: none yet */
	hel_handle memory;          /* HEL_NULL while on the heap */
	uint64_t memory_size;       /* of the object */
	bool is_exact;              /* the object has the file's size */
	struct tree chunks;
	uint64_t n_pages; /* that hold data */
};

void contents_init(struct contents *contents, struct contents_account *account);
void contents_deinit(struct contents *contents);

/** contents_read() - copy bytes out; all of them are below the file's size */
void contents_read(struct contents *contents, void *buffer, size_t size, uint64_t offset);

/**
 * contents_peek() - find bytes in place
 * @in_out_size: how many are wanted; how many lie in a row
 * @out_view: referenced, to be given to contents_view_unref(); NULL if the bytes are constant zeros
 */
const void *contents_peek(struct contents *contents, uint64_t offset, size_t *in_out_size,
	struct contents_view **out_view);
void contents_view_unref(void *view);

/**
 * contents_write() - copy bytes in; returns how many, or -LINUX_ENOSPC if not even one page fits
 */
int64_t contents_write(struct contents *contents, const void *buffer, size_t size, uint64_t offset);

/**
 * contents_show() - be what stands in @memory at page @offset, until it is written to
 * @contents: empty
 * @memory: copy-on-write views can be made of it; of the last page, what is behind @size is not
 * shown
 *
 * The account's limit grows by as much, for these pages are not taken from what it limits.
 * Return: 0, -LINUX_ENOSPC.
 */
int64_t contents_show(struct contents *contents, hel_handle memory, uint64_t offset, uint64_t size);

/** contents_allocate() - make sure a range has its pages; 0 or -LINUX_ENOSPC */
int64_t contents_allocate(struct contents *contents, uint64_t offset, uint64_t size);

/**
 * contents_zero() - clear a range; whole pages are no longer counted
 *
 * Return: 0; -LINUX_EOPNOTSUPP: programs map it, so any page may hold something, and there are
 * more than the account may have.
 */
int64_t contents_zero(struct contents *contents, uint64_t offset, uint64_t size);

/**
 * contents_truncate() - the file has @size bytes now: drop what is beyond, make room if programs
 * map it
 */
int64_t contents_truncate(struct contents *contents, uint64_t size);

/**
 * contents_are_mapped_writable() - whether a program maps them and may write, or give itself the
 * right to
 *
 * While posix replies with bytes in place that a larger view has replaced, it counts as well.
 */
bool contents_are_mapped_writable(const struct contents *contents);

/**
 * contents_memory() - the memory object, of at least @size_needed bytes; 0, -LINUX_ENOMEM,
 * -LINUX_EOVERFLOW beyond CONTENTS_SIZE_MAX
 */
int64_t contents_memory(struct contents *contents, uint64_t size_needed, hel_handle *out_memory);

/**
 * contents_settle() - programs have mapped the object: it ends with the page of byte @size from now
 * on
 * @size: that contents_memory() was asked for, or less
 */
void contents_settle(struct contents *contents, uint64_t size);

/** contents_next() - the first page at or after @page_index that holds data (or none does) */
uint64_t contents_next(struct contents *contents, uint64_t page_index, bool is_data);

#endif
