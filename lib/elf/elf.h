/* SPDX-License-Identifier: MIT */
/* Structures and constants of 64-bit little-endian ELF files, as the System V ABI defines them. */
#ifndef ELF_ELF_H
#define ELF_ELF_H

#include <base/types.h>

#define ELF_MAGIC "\177ELF"

enum elf_identification {
	ELF_IDENT_CLASS = 4,
	ELF_IDENT_DATA = 5,
	ELF_IDENT_VERSION = 6,
	ELF_IDENT_OS_ABI = 7,
	ELF_IDENT_SIZE = 16,
};

#define ELF_CLASS_64           2
#define ELF_DATA_LITTLE_ENDIAN 1
#define ELF_VERSION_CURRENT    1

enum elf_type {
	ELF_TYPE_RELOCATABLE = 1,
	ELF_TYPE_EXECUTABLE = 2,
	ELF_TYPE_SHARED = 3,
	ELF_TYPE_CORE = 4,
};

enum elf_machine {
	ELF_MACHINE_X86_64 = 62,
	ELF_MACHINE_AARCH64 = 183,
	ELF_MACHINE_RISCV = 243,
	ELF_MACHINE_BPF = 247,
};

/** ELF_MACHINE_NATIVE - the machine that this program is compiled for */
#if defined(__x86_64__)
#define ELF_MACHINE_NATIVE ELF_MACHINE_X86_64
#elif defined(__aarch64__)
#define ELF_MACHINE_NATIVE ELF_MACHINE_AARCH64
#elif defined(__riscv)
#define ELF_MACHINE_NATIVE ELF_MACHINE_RISCV
#endif

struct elf_header {
	uint8_t ident[ELF_IDENT_SIZE];
	uint16_t type;
	uint16_t machine;
	uint32_t version;
	uint64_t entry;
	uint64_t program_offset; /* of the program header table */
	uint64_t section_offset; /* of the section header table */
	uint32_t flags;
	uint16_t header_size;
	uint16_t program_entry_size;
	uint16_t n_programs;
	uint16_t section_entry_size;
	uint16_t n_sections;
	uint16_t section_names_index;
};
static_assert(sizeof(struct elf_header) == 64, "as in the file");

enum elf_program_type {
	ELF_PROGRAM_NULL = 0,
	ELF_PROGRAM_LOAD = 1,
	ELF_PROGRAM_DYNAMIC = 2,
	ELF_PROGRAM_INTERP = 3,
	ELF_PROGRAM_NOTE = 4,
	ELF_PROGRAM_PHDR = 6,
	ELF_PROGRAM_TLS = 7,
	ELF_PROGRAM_GNU_STACK = 0x6474e551,
	ELF_PROGRAM_GNU_RELRO = 0x6474e552,
};

enum elf_program_flags {
	ELF_FLAG_EXECUTE = 1,
	ELF_FLAG_WRITE = 2,
	ELF_FLAG_READ = 4,
};

struct elf_program {
	uint32_t type;
	uint32_t flags;
	uint64_t offset; /* in the file */
	uint64_t vaddr;
	uint64_t paddr;
	uint64_t file_size;
	uint64_t memory_size;
	uint64_t alignment;
};
static_assert(sizeof(struct elf_program) == 56, "as in the file");

enum elf_section_type {
	ELF_SECTION_REL = 9,
};

struct elf_section {
	uint32_t name; /* offset in the section name table */
	uint32_t type;
	uint64_t flags;
	uint64_t vaddr;
	uint64_t offset;
	uint64_t size;
	uint32_t link;
	uint32_t info;
	uint64_t alignment;
	uint64_t entry_size;
};
static_assert(sizeof(struct elf_section) == 64, "as in the file");

struct elf_symbol {
	uint32_t name; /* offset in the string table */
	uint8_t info;  /* binding in the upper, type in the lower four bits */
	uint8_t other;
	uint16_t section_index;
	uint64_t value;
	uint64_t size;
};
static_assert(sizeof(struct elf_symbol) == 24, "as in the file");

struct elf_rel {
	uint64_t offset;
	uint64_t info; /* symbol in the upper, type in the lower 32 bits */
};
static_assert(sizeof(struct elf_rel) == 16, "as in the file");

struct elf_rela {
	uint64_t offset;
	uint64_t info; /* symbol in the upper, type in the lower 32 bits */
	int64_t addend;
};
static_assert(sizeof(struct elf_rela) == 24, "as in the file");

struct elf_dynamic {
	int64_t tag;
	uint64_t value;
};

/* The auxiliary vector, which a program finds above its environment. */
enum elf_auxiliary {
	ELF_AUX_NULL = 0,
	ELF_AUX_PHDR = 3,
	ELF_AUX_PHENT = 4,
	ELF_AUX_PHNUM = 5,
	ELF_AUX_PAGE_SIZE = 6,
	ELF_AUX_BASE = 7,
	ELF_AUX_FLAGS = 8,
	ELF_AUX_ENTRY = 9,
	ELF_AUX_UID = 11,
	ELF_AUX_EUID = 12,
	ELF_AUX_GID = 13,
	ELF_AUX_EGID = 14,
	ELF_AUX_PLATFORM = 15,
	ELF_AUX_HWCAP = 16,
	ELF_AUX_CLOCK_TICKS = 17,
	ELF_AUX_SECURE = 23,
	ELF_AUX_RANDOM = 25,
	ELF_AUX_HWCAP2 = 26,
	ELF_AUX_EXECFN = 31,
	ELF_AUX_SYSINFO_EHDR = 33,
	ELF_AUX_MINSIGSTKSZ = 51,
};

#endif
