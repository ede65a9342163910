/* SPDX-License-Identifier: MIT */
/* Addresses for BARs: see pci-assign.h. */
#include "pci-assign.h"

constexpr uint64_t IO_LIMIT = UINT64_C(1) << 16;    /* of what processors can say */
constexpr uint64_t NARROW_LIMIT = UINT64_C(1) << 32; /* of registers of 32 bits */

/* What there is on a bus, and who asks for more. */
struct assignment {
	const struct pci_access *access;
	const struct pci_windows *windows;
	struct pci_function *const *functions;
	size_t n_functions;
	uint64_t page_size;
};

static uint32_t register_read(const struct pci_access *access, struct pci_address address,
	uint32_t offset, uint32_t width)
{
	return access->read(access, address, offset, width);
}

/* ---- windows --------------------------------------------------------------------------------- */

static struct pci_range range_of(uint64_t start, uint64_t last)
{
	/* nobody has anything at zero: a bridge that cannot do this reads as that */
	return start == 0 || last < start ? (struct pci_range){}
					  : (struct pci_range){ .start = start, .end = last + 1 };
}

static struct pci_range read_io(const struct pci_access *access, struct pci_address address)
{
	uint32_t value = register_read(access, address, PCI_IO_WINDOW, 2);
	uint64_t start = (value & 0xf0) << 8, last = (value & 0xf000) | 0xfff;

	if ((value & 0xf) == 1) {
		start |= (uint64_t)register_read(access, address, PCI_IO_BASE_UPPER, 2) << 16;
		last |= (uint64_t)register_read(access, address, PCI_IO_LIMIT_UPPER, 2) << 16;
	}
	return range_of(start, last);
}

static struct pci_range read_memory(
	const struct pci_access *access, struct pci_address address, bool is_prefetchable)
{
	uint32_t value = register_read(
		access, address, is_prefetchable ? PCI_PREFETCHABLE_WINDOW : PCI_MEMORY_WINDOW, 4);
	uint64_t start = (uint64_t)(value & 0xfff0) << 16, last = (value & 0xfff00000) | 0xfffff;

	if (is_prefetchable && (value & 0xf) == 1) {
		start |= (uint64_t)register_read(access, address, PCI_PREFETCHABLE_BASE_UPPER, 4)
			<< 32;
		last |= (uint64_t)register_read(access, address, PCI_PREFETCHABLE_LIMIT_UPPER, 4)
			<< 32;
	}
	return range_of(start, last);
}

struct pci_windows pci_read_windows(const struct pci_access *access, struct pci_address address)
{
	return (struct pci_windows){
		.io = read_io(access, address),
		.memory = read_memory(access, address, false),
		.prefetchable = read_memory(access, address, true),
	};
}

/* ---- what is taken --------------------------------------------------------------------------- */

/* Whether @taken has a part of @range, and where it ends. */
static bool range_hits(const struct pci_range *range, struct pci_range taken, uint64_t *out_end)
{
	bool is_hit =
		taken.start < taken.end && range->start < taken.end && taken.start < range->end;

	if (is_hit) {
		*out_end = taken.end;
	}
	return is_hit;
}

static bool bars_hit(const struct pci_function *function, enum pci_bar_kind kind,
	const struct pci_range *range, uint64_t *out_end)
{
	for (uint32_t i = 0; i < PCI_BARS_MAX; i++) {
		const struct pci_bar *bar = &function->bars[i];
		const struct pci_range taken = {
			.start = bar->address,
			.end = bar->address + bar->size_bytes,
		};

		if (bar->kind == kind && range_hits(range, taken, out_end)) {
			return true;
		}
	}
	return false;
}

/* Whether something of @kind has a part of @range; where it ends. */
static bool assignment_hits(const struct assignment *assignment, enum pci_bar_kind kind,
	const struct pci_range *range, uint64_t *out_end)
{
	for (size_t i = 0; i < assignment->n_functions; i++) {
		const struct pci_function *function = assignment->functions[i];

		if (bars_hit(function, kind, range, out_end)) {
			return true;
		}
		if (!function->is_bridge) {
			continue;
		}
		struct pci_windows windows =
			pci_read_windows(assignment->access, function->address);
		bool is_hit = kind == PCI_BAR_IO ? range_hits(range, windows.io, out_end)
						 : range_hits(range, windows.memory, out_end) ||
				range_hits(range, windows.prefetchable, out_end);

		if (is_hit) {
			return true;
		}
	}
	return false;
}

/* ---- places ---------------------------------------------------------------------------------- */

/* The lowest place for @bar in a window, below @limit; 0: none. */
static uint64_t find_place(const struct assignment *assignment, const struct pci_bar *bar,
	const struct pci_range *window, uint64_t limit)
{
	uint64_t size = bar->size_bytes, end = window->end < limit ? window->end : limit;
	uint64_t alignment = bar->wanted == PCI_BAR_MEMORY && size < assignment->page_size
		? assignment->page_size
		: size;
	uint64_t start = window->start;

	for (;;) {
		uint64_t aligned = (start + alignment - 1) & ~(alignment - 1);

		if (aligned < start || aligned >= end || size > end - aligned) {
			return 0;
		}
		/* a page with a BAR of memory has nothing else */
		const struct pci_range range = {
			.start = aligned,
			.end = aligned + (size > alignment ? size : alignment),
		};

		if (!assignment_hits(assignment, bar->wanted, &range, &start)) {
			return aligned;
		}
	}
}

static uint64_t place_bar(const struct assignment *assignment, const struct pci_bar *bar)
{
	const struct pci_windows *windows = assignment->windows;
	uint64_t limit = bar->is_wide ? UINT64_MAX : NARROW_LIMIT;
	uint64_t place = 0;

	if (bar->wanted == PCI_BAR_IO) {
		return find_place(assignment, bar, &windows->io, IO_LIMIT);
	}
	if (bar->is_prefetchable) {
		place = find_place(assignment, bar, &windows->prefetchable, limit);
	}
	return place != 0 ? place : find_place(assignment, bar, &windows->memory, limit);
}

static void write_bar(
	const struct assignment *assignment, const struct pci_function *function, uint32_t index)
{
	const struct pci_access *access = assignment->access;
	const struct pci_bar *bar = &function->bars[index];
	uint32_t command = register_read(access, function->address, PCI_COMMAND, 2);

	access->write(access, function->address, PCI_COMMAND, 2,
		command & ~(uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	if (bar->is_wide) {
		access->write(access, function->address, PCI_BARS + 4 * (index + 1), 4,
			(uint32_t)(bar->address >> 32));
	}
	access->write(access, function->address, PCI_BARS + 4 * index, 4,
		(uint32_t)bar->address | bar->flags);
	access->write(access, function->address, PCI_COMMAND, 2, command);
}

/* The largest that wants an address; NULL: none does. */
static struct pci_bar *next_bar(const struct assignment *assignment,
	struct pci_function **out_function, uint32_t *out_index)
{
	struct pci_bar *largest = NULL;

	for (size_t i = 0; i < assignment->n_functions; i++) {
		for (uint32_t k = 0; k < PCI_BARS_MAX; k++) {
			struct pci_bar *bar = &assignment->functions[i]->bars[k];

			if (bar->kind == PCI_BAR_NONE && bar->wanted != PCI_BAR_NONE &&
				(largest == NULL || bar->size_bytes > largest->size_bytes)) {
				largest = bar;
				*out_function = assignment->functions[i];
				*out_index = k;
			}
		}
	}
	return largest;
}

uint32_t pci_assign(const struct pci_access *access, const struct pci_windows *windows,
	struct pci_function *const *functions, size_t n_functions, uint64_t page_size)
{
	const struct assignment assignment = {
		.access = access,
		.windows = windows,
		.functions = functions,
		.n_functions = n_functions,
		.page_size = page_size,
	};
	uint32_t n_refused = 0;

	for (;;) {
		struct pci_function *function;
		uint32_t index;
		struct pci_bar *bar = next_bar(&assignment, &function, &index);

		if (bar == NULL) {
			return n_refused;
		}
		bar->address = place_bar(&assignment, bar);
		if (bar->address == 0) {
			bar->wanted = PCI_BAR_NONE; /* not asked again */
			n_refused++;
			continue;
		}
		bar->kind = bar->wanted;
		write_bar(&assignment, function, index);
	}
}
