/* SPDX-License-Identifier: MIT */
/*
 * Validating reader of ELF executables.
 *
 * The file is untrusted. After elf_parse() said 0, all that struct elf_info says is consistent:
 * every segment's bytes lie within the file, its addresses within the allowed range, segments
 * ascend and do not overlap, and no sum of its numbers overflows. Two segments may still share a
 * page; what permissions such a page gets is the loader's business.
 *
 * A loader does: for each segment reserve [align_down(vaddr), align_up(vaddr + memory_size)), put
 * file_size bytes from offset at vaddr, zeros behind them. A shared object or position-independent
 * program may be moved by any multiple of the page size.
 */
#ifndef ELF_ELF_READ_H
#define ELF_ELF_READ_H

#include <elf/elf.h>

/** ELF_PROGRAMS_MAX - files with more program headers are refused */
#define ELF_PROGRAMS_MAX 64

#define ELF_PAGE_SIZE 4096u

struct elf_segment {
	uint64_t vaddr;
	uint64_t memory_size; /* not 0 */
	uint64_t offset;      /* in the file; congruent to vaddr modulo the page size */
	uint64_t file_size;   /* at most memory_size */
	uint64_t alignment;   /* a power of two */
	uint32_t flags;       /* enum elf_program_flags */
};

/* A part of the file; size 0 means that there is none. */
struct elf_extent {
	uint64_t offset;
	uint64_t size;
};

struct elf_info {
	uint16_t machine;
	bool is_position_independent; /* ELF_TYPE_SHARED */
	uint64_t entry;               /* unchecked: a wrong one faults in the new program */
	uint64_t vaddr_start;         /* of the first segment, rounded down to a page */
	uint64_t vaddr_end;           /* of the last segment, rounded up to a page */
	uint64_t phdr_vaddr;          /* where the program headers get loaded, 0 if nowhere */
	uint16_t n_programs;
	uint32_t stack_flags;         /* of GNU_STACK; read and write where there is none */
	struct elf_extent interpreter; /* path, with its terminator (not checked) */
	struct elf_extent dynamic;
	size_t n_segments; /* at least 1 */
	struct elf_segment segments[ELF_PROGRAMS_MAX];
};

struct elf_options {
	uint16_t machine;
	uint64_t file_size;   /* of the whole file, of which only the beginning may be at hand */
	uint64_t vaddr_start; /* addresses of segments must lie in [vaddr_start, vaddr_end) */
	uint64_t vaddr_end;
};

/** ELF_USER_END - end of the addresses that a user program may ask for (47 bits) */
#define ELF_USER_END 0x00007ffffffff000u

/**
 * elf_parse() - validate a user program for this machine
 * @image: the whole file; any alignment
 * @size: of the file
 *
 * Return: 0, -ERR_UNSUPPORTED (an ELF file for another machine or purpose), -ERR_PROTOCOL (not an
 * ELF file, or a broken one).
 */
MUST_USE int elf_parse(const void *image, size_t size, struct elf_info *out_info);

/**
 * elf_parse_with() - elf_parse() with other limits (the kernel itself, a file not wholly read)
 * @image: the beginning of the file, at least the ELF header and the program headers
 */
MUST_USE int elf_parse_with(const void *image, size_t size, const struct elf_options *options,
	struct elf_info *out_info);

#endif
