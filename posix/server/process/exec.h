/* SPDX-License-Identifier: MIT */
/*
 * The parts of exec that touch nothing but their arguments (scripts, strings, the first stack), and
 * the loader.
 */
#ifndef POSIX_EXEC_H
#define POSIX_EXEC_H

#include <elf/elf-read.h>
#include <posix/server/process/process-internal.h>

constexpr size_t EXEC_HEAD_SIZE = 4096;  /* what is read of a file to know what it is */
constexpr size_t EXEC_SCRIPT_LINE_MAX = 256; /* of that, what counts of a script's first line */
constexpr uint32_t EXEC_SCRIPTS_MAX = 5; /* interpreters that are scripts themselves */
constexpr uint32_t EXEC_AUXV_MAX = 24;

/* ---- strings --------------------------------------------------------------------------------- */

/* argc + envc strings, one after the other, each with its NUL. */
struct exec_strings {
	char *block; /* helix_malloc */
	size_t size;
	size_t arguments_size; /* of the first argc */
	uint32_t argc, envc;
};

/**
 * exec_strings_measure() - find the ends of strings in untrusted bytes
 * @n_strings: as many must be there
 * @out_size: bytes that they take
 *
 * Return: 0 or -LINUX_EFAULT.
 */
int exec_strings_measure(const char *bytes, size_t size, uint32_t n_strings, size_t *out_size);

/**
 * exec_strings_copy() - take over what the shim sent; a missing argv[0] becomes ""; -LINUX_EFAULT,
 * -LINUX_ENOMEM
 */
int exec_strings_copy(const char *bytes, size_t size, uint32_t argc, uint32_t envc,
	struct exec_strings *out_strings);

/** exec_strings_prepend() - replace argv[0] by @n strings; -LINUX_ENOMEM, -LINUX_E2BIG */
int exec_strings_prepend(struct exec_strings *strings, const char *const *first, uint32_t n);

void exec_strings_release(struct exec_strings *strings);

/* ---- scripts --------------------------------------------------------------------------------- */

struct exec_script {
	char interpreter[EXEC_SCRIPT_LINE_MAX];
	char argument[EXEC_SCRIPT_LINE_MAX]; /* "": none */
};

/**
 * exec_script_parse() - the first line of a script; false: not a script, or none that can be run
 */
bool exec_script_parse(const char *head, size_t size, struct exec_script *out_script);

/* ---- the first stack ------------------------------------------------------------------------- */

struct exec_auxv {
	uint64_t key, value;
};

struct exec_stack {
	const struct exec_strings *strings;
	const char *path; /* AT_EXECFN */
	const char *platform;
	uint8_t random[16];
	struct exec_auxv auxv
		[EXEC_AUXV_MAX]; /* without RANDOM, EXECFN, PLATFORM and NULL, which are added */
	uint32_t n_auxv;
	uint64_t top; /* address */
	/* results */
	uint64_t pointer; /* what rsp starts with */
	uint64_t arguments_start, arguments_end, environment_start, environment_end;
	uint64_t auxv_address, auxv_size;
};

/** exec_stack_size() - bytes between the stack pointer and the top */
size_t exec_stack_size(const struct exec_stack *stack);

/** exec_stack_build() - lay it out in @image, exec_stack_size() bytes, and set the results */
void exec_stack_build(struct exec_stack *stack, uint8_t *image);

/* ---- loading --------------------------------------------------------------------------------- */

/* An ELF file to be mapped. */
struct exec_image {
	struct path path; /* referenced */
	struct inode *inode; /* of path, borrowed */
	bool denies_writing; /* to the inode */
	hel_handle memory; /* of its contents, read-only, ours */
	uint64_t file_size;
	struct mapped_file *name; /* NULL: not loaded, or no memory */
	uint64_t base; /* added to all its addresses */
	struct elf_info elf;
	uint8_t head[EXEC_HEAD_SIZE];
	size_t head_size;
};

/**
 * exec_image_open() - find a file that @process may execute and read its beginning
 * @at_flags: LINUX_AT_EMPTY_PATH, LINUX_AT_SYMLINK_NOFOLLOW (-LINUX_ELOOP for a symbolic link)
 */
int64_t exec_image_open(struct process *process, int dirfd, const char *path, uint32_t at_flags,
	struct exec_image *out_image);
/** exec_image_parse() - check that it is a program for this machine; -LINUX_ENOEXEC */
int exec_image_parse(struct exec_image *image);
/**
 * exec_image_load() - map it into @process' new @mm at image->base; -LINUX_ENOMEM, ENOEXEC,
 * REQUEST_TASK
 */
int64_t exec_image_load(struct process *process, struct exec_image *image, struct mm *mm);
void exec_image_close(struct exec_image *image);

#endif
