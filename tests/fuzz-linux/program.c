/* SPDX-License-Identifier: MIT */
/*
 * Files that are nearly programs: a small ELF file whose headers have a few wrong fields, or one
 * that is cut short; a `#!` line that is odd. A child writes it and executes it. What is whole ends
 * at once.
 */
#include "fuzz.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#define SEGMENTS  5
#define BASE      0x10000000ul
#define FILE_SIZE 4600 /* a page and some */
#define LINE_MAX  400

struct program {
	Elf64_Ehdr header;
	Elf64_Phdr segments[SEGMENTS];
	uint8_t code[16];
	char interpreter[32];
	uint8_t rest[FILE_SIZE - sizeof(Elf64_Ehdr) - SEGMENTS * sizeof(Elf64_Phdr) - 16 - 32];
};

static const char *const interpreters[] = { "/proc/self/exe", "x0", "./x1", "none", "/", "f0",
	"/proc/self/fd/3", "/dev/null", "d0", "" };

static const char *draw_interpreter(struct worker *worker)
{
	return interpreters[draw_below(&worker->draw, N_ELEMENTS(interpreters))];
}

/* exit_group(0) */
static const uint8_t code[] = { 0xb8, 231, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05 };

static void make_whole(struct worker *worker, struct program *program)
{
	bool is_fixed = draw_once_in(&worker->draw, 2),
	     has_interpreter = draw_once_in(&worker->draw, 4);
	uint64_t base = is_fixed ? BASE : 0;

	memset(program, 0, sizeof(*program));
	memcpy(program->header.e_ident, ELFMAG "\2\1\1", 7);
	program->header.e_type = is_fixed ? ET_EXEC : ET_DYN;
	program->header.e_machine = EM_X86_64;
	program->header.e_version = EV_CURRENT;
	program->header.e_entry = base + offsetof(struct program, code);
	program->header.e_phoff = offsetof(struct program, segments);
	program->header.e_ehsize = sizeof(Elf64_Ehdr);
	program->header.e_phentsize = sizeof(Elf64_Phdr);
	program->header.e_phnum = SEGMENTS;
	program->segments[0] =
		(Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0, base, base, 4096, 4096, 4096 };
	program->segments[1] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_W, 4096, base + 8192, base + 8192,
		FILE_SIZE - 4096, 9000, 4096 };
	program->segments[2] = (Elf64_Phdr){ PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16 };
	program->segments[3] = (Elf64_Phdr){ has_interpreter ? PT_INTERP : PT_NULL, PF_R,
		offsetof(struct program, interpreter), 0, 0, sizeof(program->interpreter),
		sizeof(program->interpreter), 1 };
	program->segments[4] = (Elf64_Phdr){ PT_TLS, PF_R, 4096, base + 8192, 0, 16, 64, 16 };
	memcpy(program->code, code, sizeof(code));
	strcpy(program->interpreter, draw_interpreter(worker));
}

/* Some fields of the headers; how much of the file there is. */
static size_t spoil_some(struct worker *worker, struct program *program)
{
	static const uint64_t borders[] = { 0, 1, 2, 3, 7, 56, 4095, 4096, 4097, 0xffff, 0x7fffffff,
		0xffffffff, 1ul << 46, 0x7ffffffff000, 0x7fff00000000, 0x800000000000, 1ul << 63,
		~0ul - 4095, ~0ul };
	uint8_t *bytes = (uint8_t *)program;
	uint64_t n = draw_below(&worker->draw, 5);
	size_t end = sizeof(program->header) + sizeof(program->segments);

	for (uint64_t i = 0; i < n; i++) {
		size_t size = 1ul << draw_below(&worker->draw, 4);
		size_t at = draw_below(&worker->draw, end) / size * size;
		uint64_t value = draw_once_in(&worker->draw, 3)
			? value_any(worker)
			: borders[draw_below(&worker->draw, N_ELEMENTS(borders))];

		memcpy(bytes + at, &value, size);
	}
	return draw_once_in(&worker->draw, 8) ? draw_below(&worker->draw, FILE_SIZE) : FILE_SIZE;
}

/* A line at one of the borders of what Linux takes (128 and 256 bytes), or any. */
static size_t make_line(struct worker *worker, char *text)
{
	static const uint16_t sizes[] = { 2, 3, 4, 127, 128, 129, 254, 255, 256, 257, LINE_MAX };
	size_t size = sizes[draw_below(&worker->draw, N_ELEMENTS(sizes))];
	const char *name = draw_interpreter(worker);
	char fill = " \tx\n/"[draw_below(&worker->draw, 5)];

	memset(text, fill, LINE_MAX);
	memcpy(text, "#! ", 3);
	memcpy(text + 3, name, strlen(name));
	memcpy(text + 3 + strlen(name), " --stub", 7);
	if (draw_once_in(&worker->draw, 2)) {
		text[3 + strlen(name) + 7] = '\n';
	}
	return size;
}

static void run_program(struct worker *worker)
{
	static char bytes[sizeof(struct program)]; /* ours: the process is a copy */
	size_t size;

	_Static_assert(sizeof(struct program) == FILE_SIZE, "size");
	if (draw_once_in(&worker->draw, 3)) {
		size = make_line(worker, bytes);
	} else {
		make_whole(worker, (struct program *)(void *)bytes);
		size = spoil_some(worker, (struct program *)(void *)bytes);
	}
	char *name = (char *)value_place(worker, 8);

	memcpy(name, "x0", 3);
	name[1] = (char)('0' + draw_below(&worker->draw, 3));
	int64_t fd = call_make(worker, SYS_open,
		(const uint64_t[ARGUMENTS]){
			(uint64_t)(uintptr_t)name, O_CREAT | O_TRUNC | O_WRONLY, 0755 });

	call_make(worker, SYS_write,
		(const uint64_t[ARGUMENTS]){ (uint64_t)fd, (uint64_t)(uintptr_t)bytes, size });
	RAW(SYS_close, fd, 0, 0);
	call_make(worker, SYS_execve,
		(const uint64_t[ARGUMENTS]){ (uint64_t)(uintptr_t)name,
			struct_draw(worker, SHAPE_STRINGS), struct_draw(worker, SHAPE_STRINGS) });
	RAW(SYS_unlink, name, 0, 0);
	/* it has not come to that, or the file was busy: the child has some calls of its own */
	worker_lane(worker);
}

void program_perform(struct worker *worker)
{
	child_make(worker, SIGCHLD, 0, 0, run_program);
}
