/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/maps and its kin: the mappings that thor tells of, with what posix knows of them: files
 * by their tags (mapped-files.h), the stack, the break and the shim by their places.
 */
#include <abi/linux/stat.h>
#include <base/string.h>
#include <posix/server/process/mapped-files.h>
#include <posix/server/process/print-maps.h>

constexpr uint64_t TAG_HEAP = 1; /* what the shim gives the break */
constexpr int NAME_COLUMN = 73;

struct mapping_print {
	struct printer *printer;
	const struct mm *mm;
	uint64_t policy; /* of the thread, see protocols/posix/label.h */
};

/* What is no file's. */
static const char *area_name(const struct mm *mm, const struct hel_mapping_info *info)
{
	if (info->address < mm->stack_top && info->address + info->size_bytes >= mm->stack_top) {
		return "[stack]";
	}
	if (info->address >= mm->brk_start && info->address < mm->brk_limit &&
		info->tag == TAG_HEAP) {
		return "[heap]";
	}
	if (info->address == POSIX_CLOCK_PAGE) {
		return "[vvar]";
	}
	return info->address == POSIX_VDSO ? "[vdso]" : "";
}

/* A program's own pages are shared by all who run it, which is nobody's business. */
static bool is_private(const struct hel_mapping_info *info, const struct mapping_note *note)
{
	return note != NULL
		? note->is_private
		: (info->flags & HEL_MAP_FORK_COPY) != 0 || info->address >= POSIX_SHIM_REGION;
}

static void print_mapping(struct printer *printer, const struct mm *mm,
	const struct hel_mapping_info *info, const struct mapping_note *note)
{
	const char *name = note != NULL ? note->file->name : area_name(mm, info);
	uint64_t dev = note != NULL ? note->file->dev : 0;
	char line[112];
	size_t length = format_to(line, sizeof(line),
		"%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu", (unsigned long long)info->address,
		(unsigned long long)(info->address + info->size_bytes),
		(info->flags & HEL_MAP_READ) != 0 ? 'r' : '-',
		(info->flags & HEL_MAP_WRITE) != 0 ? 'w' : '-',
		(info->flags & HEL_MAP_EXECUTE) != 0 ? 'x' : '-',
		is_private(info, note) ? 'p' : 's',
		note != NULL ? (unsigned long long)(note->offset + info->offset) : 0,
		linux_major(dev), linux_minor(dev),
		note != NULL ? (unsigned long long)note->file->ino : 0);

	print(printer, "%s ", line);
	if (name[0] != '\0') {
		for (size_t at = length + 1; at < NAME_COLUMN; at++) {
			print(printer, " ");
		}
		print(printer, "%s", name);
	}
	print(printer, "\n");
}

/* What is about the mapping, however it is printed. */
static void print_form(const struct mapping_print *print, enum mapping_text form,
	const struct hel_mapping_info *info)
{
	const struct mapping_note *note = mapped_files_find(print->mm, info->tag);

	if (form == MAPPING_TEXT_NUMA) {
		print_numa_mapping(print->printer, info,
			note != NULL ? note->file->name : area_name(print->mm, info),
			print->policy);
		return;
	}
	print_mapping(print->printer, print->mm, info, note);
	if (form == MAPPING_TEXT_SMAPS) {
		print_smaps_details(print->printer, info, is_private(info, note));
	}
}

int64_t process_print_mapping(struct process *process, const struct thread *thread,
	enum mapping_text form, uint64_t *address, char *buffer, size_t size)
{
	struct printer printer = { .buffer = buffer, .size = size };
	const struct mm *mm = process->internal->mm;
	const struct mapping_print print = {
		.printer = &printer,
		.mm = mm,
		.policy = thread != NULL ? thread->internal->page->memory_policy : 0,
	};
	struct hel_mapping_info info;

	while (mm != NULL && hel_space_query(mm->space, *address, &info) == 0) {
		*address = info.address + info.size_bytes;
		if (info.address >= POSIX_SLOTS) {
			return 0;
		}
		if (info.address < POSIX_SHIM_REGION || info.address == POSIX_CLOCK_PAGE ||
			info.address == POSIX_VDSO) {
			print_form(&print, form, &info);
			return (int64_t)printer.used;
		}
	}
	return 0;
}
