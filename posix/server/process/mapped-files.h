/* SPDX-License-Identifier: MIT */
/*
 * Which files the mappings of an address space show, for /proc/PID/maps.
 *
 * The shim unmaps, moves and splits mappings without asking, so there is no list of them here. But
 * each mapping of a file carries a tag, which goes with its pieces and into forks; what the tag
 * stands for is kept as a *note*. Notes of an mm are an array that forked copies share until one of
 * them adds a note. When it is full the space is asked which tags are still in use, and it grows
 * only if most are: so notes cost memory in proportion to the mappings there are.
 */
#ifndef POSIX_MAPPED_FILES_H
#define POSIX_MAPPED_FILES_H

#include <base/types.h>
#include <posix/server/vfs/vfs.h>

struct mm;
struct mapped_file;
struct mapped_files;
struct rewritten_text;

struct mapping_note {
	uint64_t tag;
	uint64_t offset; /* in the file, of offset 0 of the mapped memory */
	bool is_private;
	bool is_rewritten; /* shows file->text instead of the file, which is private as well */
	struct mapped_file *file;
};

/* A file as it was called when it was mapped. */
struct mapped_file {
	uint32_t references;
	/*
	 * Referenced, of a file on a disk: its pages can be brought as long as somebody has the
	 * file. Else there is no dentry.
	 */
	struct path path;
	uint64_t dev, ino;
	uint64_t block_device; /* its number if the file is one, else 0 */
	struct rewritten_text *text; /* NULL: none of its mappings shows any */
	char name[];
};

/** mapped_file_create() - as @process sees it, one reference; NULL: no memory, or no name */
struct mapped_file *mapped_file_create(
	struct process *process, const struct path *path, const struct inode *inode);
void mapped_file_unref(struct mapped_file *file);

/**
 * mapped_files_add() - a tag for a mapping that is about to be made
 * @file: borrowed; NULL: nothing is noted
 *
 * Return: the tag; 0 if there is no memory, and the mapping will have no name.
 */
uint64_t mapped_files_add(
	struct mm *mm, struct mapped_file *file, uint64_t offset, bool is_private);

/**
 * mapped_files_add_rewritten() - the same for one that shows @text, all of it, from the beginning
 * @file: which shows no other
 */
uint64_t mapped_files_add_rewritten(
	struct mm *mm, struct mapped_file *file, struct rewritten_text *text);

/** mapped_files_find() - what a tag stands for, NULL: no file */
const struct mapping_note *mapped_files_find(const struct mm *mm, uint64_t tag);

/** mapped_files_forget_unused() - let go of files that are mapped no more, in all processes */
void mapped_files_forget_unused(void);

/** mapped_files_share() - the notes for a forked copy */
struct mapped_files *mapped_files_share(struct mapped_files *files);
void mapped_files_unref(struct mapped_files *files);

#endif
