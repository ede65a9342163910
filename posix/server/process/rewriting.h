/* SPDX-License-Identifier: MIT */
/*
 * Rewritten text in address spaces (docs/internals/rewriting.md).
 *
 * A space has it until somebody needs to see text as it is in the file: a tracer, who reads the
 * memory of another process, who makes text writable. Then all of it is replaced, for good, by the
 * copy that has the stubs only; threads may be anywhere in it meanwhile.
 */
#ifndef POSIX_REWRITING_H
#define POSIX_REWRITING_H

#include <abi/hel/types.h>
#include <base/types.h>

struct inode;
struct mapped_file;
struct mm;

/* A part of a file that is about to be mapped privately, to be read and executed. */
struct text_mapping {
	struct inode *inode;
	hel_handle memory;        /* the file's, readable */
	struct mapped_file *name; /* NULL: none */
	uint64_t offset, size;    /* in the file: whole pages */
};

struct text_view {
	hel_handle memory; /* borrowed; offset 0 is the mapping's */
	uint64_t tag;
};

/**
 * mm_rewritten_view() - what to map instead
 *
 * Return: whether there is something; if not, @out_view is as it was.
 */
bool mm_rewritten_view(
	struct mm *mm, const struct text_mapping *mapping, struct text_view *out_view);

/** mm_keep_text() - show text as it is in its files from now on; -LINUX_ENOMEM: some not yet */
int mm_keep_text(struct mm *mm);

#endif
