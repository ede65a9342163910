/* SPDX-License-Identifier: MIT */
/*
 * /proc/PID/smaps: what each mapping has in memory.
 *
 * Thor counts the pages of the memory behind a mapping, and those of them that are in large pages;
 * it does not know who else shows a page, or whether it was changed. So a private mapping's pages
 * count as private and dirty, those of others as shared and dirty, and Pss is Rss.
 */
#include <posix/server/process/print-maps.h>
#include <protocols/posix/label.h>

constexpr uint64_t SMAPS_LARGE_SIZE = MIB(2);

static void print_size(struct printer *printer, const char *name, uint64_t size_bytes)
{
	char label[24];

	(void)format_to(label, sizeof(label), "%s:", name);
	print(printer, "%-16s %7llu kB\n", label, (unsigned long long)(size_bytes / 1024));
}

/* Whether what is touched next in a mapping may get a large page. */
static bool may_have_large(const struct hel_mapping_info *info)
{
	uint64_t first = align_up(info->address, SMAPS_LARGE_SIZE);

	return (info->flags & HEL_MAP_LARGE) != 0 && (info->flags & HEL_MAP_EXECUTE) == 0 &&
		first + SMAPS_LARGE_SIZE <= info->address + info->size_bytes;
}

static void print_flags(
	struct printer *printer, const struct hel_mapping_info *info, bool is_private)
{
	print(printer, "VmFlags: %s%s%s%smr mw me %s%s\n",
		(info->flags & HEL_MAP_READ) != 0 ? "rd " : "",
		(info->flags & HEL_MAP_WRITE) != 0 ? "wr " : "",
		(info->flags & HEL_MAP_EXECUTE) != 0 ? "ex " : "", is_private ? "" : "sh ",
		(info->label & POSIX_LABEL_LOCKED) != 0 ? "lo " : "",
		(info->flags & HEL_MAP_LARGE) != 0 ? "hg " : "");
}

void print_smaps_details(
	struct printer *printer, const struct hel_mapping_info *info, bool is_private)
{
	bool is_anonymous = info->kind == HEL_MEMORY_COPY_ON_WRITE;
	uint64_t resident = info->resident_bytes;

	print_size(printer, "Size", info->size_bytes);
	print_size(printer, "KernelPageSize", HEL_PAGE_SIZE);
	print_size(printer, "MMUPageSize", HEL_PAGE_SIZE);
	print_size(printer, "Rss", resident);
	print_size(printer, "Pss", resident);
	print_size(printer, "Shared_Clean", 0);
	print_size(printer, "Shared_Dirty", is_private ? 0 : resident);
	print_size(printer, "Private_Clean", 0);
	print_size(printer, "Private_Dirty", is_private ? resident : 0);
	print_size(printer, "Referenced", resident);
	print_size(printer, "Anonymous", is_anonymous ? resident : 0);
	print_size(printer, "LazyFree", 0);
	print_size(printer, "AnonHugePages", is_anonymous ? info->large_bytes : 0);
	print_size(printer, "ShmemPmdMapped",
		info->kind == HEL_MEMORY_ALLOCATED ? info->large_bytes : 0);
	print_size(
		printer, "FilePmdMapped", info->kind == HEL_MEMORY_MANAGED ? info->large_bytes : 0);
	print_size(printer, "Shared_Hugetlb", 0);
	print_size(printer, "Private_Hugetlb", 0);
	print_size(printer, "Swap", 0);
	print_size(printer, "SwapPss", 0);
	print_size(printer, "Locked", (info->label & POSIX_LABEL_LOCKED) != 0 ? resident : 0);
	print(printer, "THPeligible:    %d\n", may_have_large(info));
	print_flags(printer, info, is_private);
}
