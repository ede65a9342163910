/* SPDX-License-Identifier: MIT */
/*
 * Finding sites and holes, and filling them; see plan.h.
 *
 * Holes are kept by how many bytes they have left (bins), so that what is placed takes the smallest
 * that will do. Those that springs need near by are looked for first, since only few can be used;
 * everything else can be anywhere in the text.
 */
#include <posix/server/rewrite/plan.h>

#include <abi/hel/hel.h>
#include <base/assert.h>
#include <base/errors.h>
#include <base/string.h>
#include <elf/elf-read.h>
#include <helix/memory.h>
#include <posix/server/rewrite/functions.h>
#include <posix/server/rewrite/instruction.h>
#include <protocols/posix/stub.h>

constexpr uint32_t NUMBER_RESTORER = 15;
constexpr uint32_t NUMBERS_MAX = 1024; /* larger ones are nobody's */
constexpr uint32_t SITES_MAX = 4096;
constexpr uint32_t SIZE_JUMP = 5, SIZE_LOAD = 7, SIZE_NUMBER = 5, SIZE_LEAVE = 8;
constexpr uint32_t HOLE_MIN = SIZE_JUMP;
constexpr uint32_t BINS = 24; /* the last one has all that are larger */
constexpr uint32_t NONE = UINT32_MAX;

struct site {
	uint32_t syscall; /* where it is */
	uint32_t number; /* of a direct one */
	bool is_direct;
};

struct hole {
	uint32_t start, end;
	uint32_t next; /* in its bin */
};

struct planner {
	struct rewrite_text text;
	struct functions functions;
	uint32_t n_sites;
	struct site *sites;
	uint32_t n_holes;
	struct hole *holes; /* ascending until they are binned */
	uint32_t bins[BINS];
	uint32_t numbers[NUMBERS_MAX]; /* where their stubs are, or NONE */
	uint32_t leave; /* where there is a jump through the slot, or NONE */
	struct rewrite_plan plan;
};

/* ---- sites ----------------------------------------------------------------------------------- */

static bool is_syscall(const struct instruction *instruction)
{
	return instruction->map == INSTRUCTION_0F && instruction->opcode == 0x05 &&
		instruction->prefixes_size == 0;
}

static uint32_t get_u32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* What the instruction before says: mov $number, %eax, or %rax. Returns NONE otherwise. */
static uint32_t number_of(const uint8_t *code, size_t size)
{
	if (size == SIZE_NUMBER && code[0] == 0xb8) {
		return get_u32(code + 1);
	}
	if (size == 7 && code[0] == 0x48 && code[1] == 0xc7 && code[2] == 0xc0) {
		return get_u32(code + 3);
	}
	return NONE;
}

static void add_site(struct planner *planner, uint32_t at, const uint8_t *before, size_t size)
{
	uint32_t number = number_of(before, size);

	planner->plan.counts.n_sites++;
	if (number == NUMBER_RESTORER) {
		planner->plan.counts.n_sigreturn++;
		return;
	}
	planner->sites[planner->n_sites++] = (struct site){
		.syscall = at,
		.number = number,
		.is_direct = size == SIZE_NUMBER && number < NUMBERS_MAX,
	};
}

/* Decodes a function: all of it must be known, and its last instruction end where it does. */
static bool function_is_proved(
	const struct planner *planner, const struct function *function, bool *out_runs_on)
{
	struct instruction instruction = { 0 };

	for (uint32_t at = function->start; at < function->end; at += instruction.size) {
		if (!instruction_decode(
			    planner->text.bytes + at, function->end - at, &instruction)) {
			return false;
		}
	}
	*out_runs_on = !instruction.ends_flow;
	return true;
}

/* Returns how many bytes that look like a system call are instructions. */
static uint32_t add_sites_of(struct planner *planner, const struct function *function)
{
	struct instruction instruction;
	const uint8_t *bytes = planner->text.bytes;
	uint32_t n = 0, size = 0;

	for (uint32_t at = function->start; at < function->end; at += size) {
		if (!instruction_decode(bytes + at, function->end - at, &instruction)) {
			return n;
		}
		if (is_syscall(&instruction) && planner->n_sites < SITES_MAX) {
			add_site(planner, at, bytes + at - size, size);
			n++;
		}
		size = instruction.size;
	}
	return n;
}

static uint32_t count_candidates(const uint8_t *bytes, uint32_t start, uint32_t end)
{
	uint32_t n = 0;

	for (uint32_t at = start; at + 1 < end; at++) {
		n += bytes[at] == 0x0f && bytes[at + 1] == 0x05;
	}
	return n;
}

static void find_sites(struct planner *planner)
{
	uint32_t n_candidates = count_candidates(planner->text.bytes, 0, planner->text.size_bytes);
	bool runs_on;

	for (uint32_t i = 0; i < planner->functions.n_functions; i++) {
		const struct function *function = &planner->functions.functions[i];

		if (count_candidates(planner->text.bytes, function->start, function->end) != 0 &&
			function_is_proved(planner, function, &runs_on)) {
			n_candidates -= add_sites_of(planner, function);
		}
	}
	planner->plan.counts.n_unproved = n_candidates;
}

/* ---- holes ----------------------------------------------------------------------------------- */

static bool is_all_filler(const struct planner *planner, uint32_t start, uint32_t end)
{
	struct instruction instruction;

	for (uint32_t at = start; at < end; at += instruction.size) {
		const uint8_t *code = planner->text.bytes + at;

		if (!instruction_decode(code, end - at, &instruction) ||
			!instruction_is_filler(code, &instruction)) {
			return false;
		}
	}
	return true;
}

static void add_hole(struct planner *planner, uint32_t start, uint32_t end)
{
	planner->holes[planner->n_holes++] = (struct hole){ .start = start, .end = end };
}

/* Between functions, and the zeros behind the text. @page_end: of the last page */
static void find_holes(struct planner *planner, uint32_t page_end)
{
	const struct functions *functions = &planner->functions;
	bool runs_on;

	for (uint32_t i = 0; i + 1 < functions->n_functions; i++) {
		uint32_t start = functions->functions[i].end;
		uint32_t end = functions->functions[i + 1].start;

		if (end - start >= HOLE_MIN && is_all_filler(planner, start, end) &&
			function_is_proved(planner, &functions->functions[i], &runs_on) &&
			!runs_on) {
			add_hole(planner, start, end);
		}
	}
	for (uint32_t at = planner->text.size_bytes; at < page_end; at++) {
		if (planner->text.bytes[at] != 0) {
			return;
		}
	}
	if (page_end - planner->text.size_bytes >= HOLE_MIN) {
		add_hole(planner, planner->text.size_bytes, page_end);
	}
}

static void bin_hole(struct planner *planner, uint32_t i)
{
	struct hole *hole = &planner->holes[i];
	uint32_t left = hole->end - hole->start;

	if (left >= HOLE_MIN) {
		uint32_t bin = left < BINS ? left : BINS - 1;

		hole->next = planner->bins[bin];
		planner->bins[bin] = i;
	}
}

/* Room for @size bytes anywhere, or NONE. */
static uint32_t take_room(struct planner *planner, uint32_t size)
{
	for (uint32_t bin = size; bin < BINS; bin++) {
		uint32_t i = planner->bins[bin];

		if (i != NONE) {
			uint32_t at = planner->holes[i].start;

			planner->bins[bin] = planner->holes[i].next;
			planner->holes[i].start += size;
			bin_hole(planner, i);
			return at;
		}
	}
	return NONE;
}

/* The first hole that ends behind @at. */
static uint32_t hole_behind(const struct planner *planner, uint32_t at)
{
	uint32_t low = 0, high = planner->n_holes;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (planner->holes[middle].end <= at) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* Room for a jump that a short one at @from reaches, or NONE; before holes are binned. */
static uint32_t take_near(struct planner *planner, uint32_t from)
{
	uint32_t origin = from + 2, lowest = origin < 128 ? 0 : origin - 128;

	for (uint32_t i = hole_behind(planner, lowest); i < planner->n_holes; i++) {
		struct hole *hole = &planner->holes[i];
		uint32_t at = hole->start;

		if (at > origin + 127) {
			return NONE;
		}
		if (at >= lowest && hole->end - at >= SIZE_JUMP) {
			hole->start += SIZE_JUMP;
			return at;
		}
	}
	return NONE;
}

/* ---- edits ----------------------------------------------------------------------------------- */

static struct rewrite_edit *add_edit(
	struct planner *planner, enum rewrite_edit_kind kind, uint32_t offset)
{
	struct rewrite_edit *edit = &planner->plan.edits[planner->plan.n_edits++];

	*edit = (struct rewrite_edit){ .offset = offset, .kind = kind };
	return edit;
}

static void put(struct rewrite_edit *edit, uint8_t byte)
{
	ASSERT(edit->size < sizeof(edit->bytes));
	edit->bytes[edit->size++] = byte;
}

static void put_u32(struct rewrite_edit *edit, uint32_t value)
{
	ASSERT(edit->size + sizeof(value) <= sizeof(edit->bytes));
	memcpy(edit->bytes + edit->size, &value, sizeof(value));
	edit->size += sizeof(value);
}

/* The distance of @target from behind a field of 32 bits that comes next. */
static void put_distance(struct rewrite_edit *edit, uint32_t target)
{
	put_u32(edit, target - (edit->offset + edit->size + 4));
}

static void put_jump(struct rewrite_edit *edit, uint32_t target)
{
	put(edit, 0xe9);
	put_distance(edit, target);
}

/* jmp *%gs:slot */
static void put_leave(struct planner *planner, struct rewrite_edit *edit)
{
	planner->leave = edit->offset + edit->size;
	put(edit, 0x65);
	put(edit, 0xff);
	put(edit, 0x24);
	put(edit, 0x25);
	put_u32(edit, POSIX_STUB_SLOT);
}

/* Leaves in as few steps as there is room for; @room: what was made for it. */
static void put_way_out(struct planner *planner, struct rewrite_edit *edit, uint32_t room)
{
	if (room == SIZE_LEAVE) {
		put_leave(planner, edit);
	} else {
		put_jump(edit, planner->leave);
	}
}

/* lea behind the site's system call, %rcx */
static void put_return_address(struct rewrite_edit *edit, const struct site *site)
{
	put(edit, 0x48);
	put(edit, 0x8d);
	put(edit, 0x0d);
	put_distance(edit, site->syscall + 2);
}

/* Room for @size bytes and the way out. @out_room: what the latter has */
static uint32_t take_room_to_leave(struct planner *planner, uint32_t size, uint32_t *out_room)
{
	uint32_t at = NONE;

	if (planner->leave == NONE && (at = take_room(planner, SIZE_LEAVE)) != NONE) {
		put_leave(planner, add_edit(planner, REWRITE_STUB, at));
	}
	*out_room = SIZE_LEAVE;
	at = take_room(planner, size + SIZE_LEAVE);
	if (at == NONE && planner->leave != NONE) {
		*out_room = SIZE_JUMP;
		at = take_room(planner, size + SIZE_JUMP);
	}
	return at;
}

/* Where the stub is that loads @number and leaves, or NONE. */
static uint32_t number_stub(struct planner *planner, uint32_t number)
{
	uint32_t room, at = planner->numbers[number];

	if (at != NONE) {
		return at;
	}
	at = take_room_to_leave(planner, SIZE_NUMBER, &room);
	if (at != NONE) {
		struct rewrite_edit *edit = add_edit(planner, REWRITE_STUB, at);

		put(edit, 0xb8);
		put_u32(edit, number);
		put_way_out(planner, edit, room);
		planner->numbers[number] = at;
	}
	return at;
}

static bool make_direct(struct planner *planner, const struct site *site)
{
	uint32_t number = number_stub(planner, site->number);
	uint32_t at = number == NONE ? NONE : take_room(planner, SIZE_LOAD + SIZE_JUMP);
	struct rewrite_edit *edit;

	if (at == NONE) {
		return false;
	}
	edit = add_edit(planner, REWRITE_STUB, at);
	put_return_address(edit, site);
	put_jump(edit, number);
	put_jump(add_edit(planner, REWRITE_SITE, site->syscall - SIZE_NUMBER), at);
	planner->plan.counts.n_direct++;
	return true;
}

static bool make_spring(struct planner *planner, const struct site *site, uint32_t near)
{
	uint32_t room, at = take_room_to_leave(planner, SIZE_LOAD, &room);
	struct rewrite_edit *edit;

	if (at == NONE) {
		return false;
	}
	edit = add_edit(planner, REWRITE_STUB, at);
	put_return_address(edit, site);
	put_way_out(planner, edit, room);
	put_jump(add_edit(planner, REWRITE_STUB, near), at);
	edit = add_edit(planner, REWRITE_SITE, site->syscall);
	put(edit, 0xeb);
	put(edit, (uint8_t)(near - (site->syscall + 2)));
	planner->plan.counts.n_spring++;
	return true;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* @near: an element for each site */
static void place(struct planner *planner, uint32_t *near)
{
	for (uint32_t i = 0; i < planner->n_sites; i++) {
		const struct site *site = &planner->sites[i];

		near[i] = site->is_direct ? NONE : take_near(planner, site->syscall);
	}
	memset(planner->bins, 0xff, sizeof(planner->bins));
	memset(planner->numbers, 0xff, sizeof(planner->numbers));
	planner->leave = NONE;
	for (uint32_t i = planner->n_holes; i-- > 0;) {
		bin_hole(planner, i);
	}
	for (uint32_t i = 0; i < planner->n_sites; i++) {
		const struct site *site = &planner->sites[i];
		bool is_made = site->is_direct
			? make_direct(planner, site)
			: near[i] != NONE && make_spring(planner, site, near[i]);

		planner->plan.counts.n_no_hole += !is_made;
	}
}

/* The one segment that can be executed, which nobody may write. */
static bool find_text(
	struct planner *planner, const uint8_t *file, size_t size, const struct elf_info *info)
{
	const struct elf_segment *text = NULL;

	for (size_t i = 0; i < info->n_segments; i++) {
		const struct elf_segment *segment = &info->segments[i];

		if ((segment->flags & ELF_FLAG_EXECUTE) != 0) {
			if (text != NULL || (segment->flags & ELF_FLAG_WRITE) != 0 ||
				segment->memory_size != segment->file_size) {
				return false;
			}
			text = segment;
		}
	}
	if (text == NULL || align_up(text->offset + text->file_size, HEL_PAGE_SIZE) > size) {
		return false;
	}
	planner->plan.file_offset = align_down(text->offset, HEL_PAGE_SIZE);
	planner->plan.text_size =
		align_up(text->offset + text->file_size, HEL_PAGE_SIZE) - planner->plan.file_offset;
	planner->text = (struct rewrite_text){
		.bytes = file + planner->plan.file_offset,
		.size_bytes =
			(uint32_t)(text->offset + text->file_size - planner->plan.file_offset),
		.vaddr = text->vaddr - (text->offset - planner->plan.file_offset),
	};
	return true;
}

static int plan(struct planner *planner)
{
	uint32_t *near;

	planner->sites = helix_malloc(SITES_MAX * sizeof(struct site));
	planner->holes = helix_malloc((planner->functions.n_functions + 1) * sizeof(struct hole));
	if (planner->sites == NULL || planner->holes == NULL) {
		return -ERR_NO_MEMORY;
	}
	find_sites(planner);
	if (planner->n_sites == 0) {
		return 0;
	}
	find_holes(planner, (uint32_t)planner->plan.text_size);
	near = helix_malloc(planner->n_sites * sizeof(*near));
	/* each site: itself, two stubs, and one for a number; and the way out */
	planner->plan.edits =
		helix_malloc((4 * (size_t)planner->n_sites + 1) * sizeof(struct rewrite_edit));
	if (near != NULL && planner->plan.edits != NULL) {
		place(planner, near);
	}
	helix_free(near);
	return near == NULL || planner->plan.edits == NULL ? -ERR_NO_MEMORY : 0;
}

int rewrite_plan_make(const uint8_t *file, size_t size, struct rewrite_plan *out_plan)
{
	struct planner *planner = helix_calloc(1, sizeof(*planner));
	struct elf_info *info = helix_malloc(sizeof(*info));
	int error = -ERR_NO_MEMORY;

	if (planner != NULL && info != NULL) {
		error = size > REWRITE_FILE_MAX || elf_parse(file, size, info) != 0 ||
				!find_text(planner, file, size, info)
			? -ERR_UNSUPPORTED
			: functions_read(file, size, &planner->text, &planner->functions);
	}
	if (error == 0) {
		error = plan(planner);
	}
	if (planner != NULL) {
		if (error == 0) {
			*out_plan = planner->plan;
		} else {
			helix_free(planner->plan.edits);
		}
		functions_release(&planner->functions);
		helix_free(planner->sites);
		helix_free(planner->holes);
	}
	helix_free(planner);
	helix_free(info);
	return error;
}

void rewrite_plan_apply(const struct rewrite_plan *plan, uint8_t *text, bool has_sites)
{
	for (uint32_t i = 0; i < plan->n_edits; i++) {
		const struct rewrite_edit *edit = &plan->edits[i];

		if (has_sites || edit->kind == REWRITE_STUB) {
			memcpy(text + edit->offset, edit->bytes, edit->size);
		}
	}
}

void rewrite_plan_release(struct rewrite_plan *plan)
{
	helix_free(plan->edits);
	plan->edits = NULL;
	plan->n_edits = 0;
}
