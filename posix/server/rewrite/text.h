/* SPDX-License-Identifier: MIT */
/*
 * Text of program files as it is rewritten: one copy for all processes that run it.
 *
 * Off unless the kernel's command line says `hati.rewrite=on`, or the build does (`-Drewrite=true`)
 * and it does not say `off`.
 *
 * A file's text is looked at once, when it is first mapped, and what comes of it stays with the
 * inode until somebody opens the file to write, or its size or times are others: a plan is trusted
 * no more than the bytes that it was made from. Files that are open to write, or that may be
 * changed by a mapping, are not looked at.
 *
 * The copy is memory of its own and not a copy-on-write view of the file: what is private in such a
 * view any process could discard for all (madvise). Nobody has a right to write to it.
 *
 * Who needs to see text as it is in the file gets another copy, that has the stubs but not what
 * jumps to them: threads that are in a stub then go on undisturbed.
 */
#ifndef POSIX_REWRITE_TEXT_H
#define POSIX_REWRITE_TEXT_H

#include <abi/hel/types.h>
#include <base/types.h>

struct inode;
struct rewrite_site;

struct rewritten_text {
	uint32_t references;
	/* the file's, when it was looked at */
	uint64_t file_size;
	int64_t mtime_ns, ctime_ns;
	uint64_t offset, size; /* of the text in the file: whole pages */
	hel_handle memory;     /* HEL_NULL: nothing is rewritten */
	hel_handle stubs_only; /* HEL_NULL: not needed yet */
	uint32_t n_sites;
	struct rewrite_site *sites; /* what was there before */
};

/** rewriting_init() - find out whether it is on */
void rewriting_init(void);

/**
 * rewritten_text_prepare() - the text of a file is about to be mapped: make it, unless that was
 * done before
 *
 * Return: 0, also if none can be made; REQUEST_TASK.
 */
int64_t rewritten_text_prepare(struct inode *inode);

/**
 * rewritten_text_find() - what was made
 *
 * Return: borrowed from the inode; NULL if there is none: it is off, was not prepared, the file has
 * nothing to be rewritten, may be changed, or there is no memory.
 */
struct rewritten_text *rewritten_text_find(struct inode *inode);

/** rewritten_text_stubs_only() - the other copy, borrowed; HEL_NULL: no memory */
hel_handle rewritten_text_stubs_only(struct rewritten_text *text);

struct rewritten_text *rewritten_text_ref(struct rewritten_text *text);
/** rewritten_text_unref() - accepts NULL */
void rewritten_text_unref(struct rewritten_text *text);

#endif
