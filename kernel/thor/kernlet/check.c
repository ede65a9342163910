/* SPDX-License-Identifier: MIT */
/*
 * Whether native code is a kernlet that may run in interrupt context.
 *
 * The code is a sequence of forms (<abi/hel/kernlet.h>), each decoded from where the last one
 * ended. What follows from the rules, whoever made the code:
 *
 *   it ends      Jumps go forward to where a form starts, so no form runs twice; the last one is
 *                a return. What takes long (device accesses, helpers) is counted.
 *   memory       An address is the base of a window and a constant inside that window, with the
 *                access that the slot says; or the frame and a constant inside the frame. The
 *                bases are loaded from the context in the very form that uses them. Nothing
 *                depends on values, so there is nothing to mislead a speculating processor with.
 *   control      Only the forms call, jump and return exist. The return address lies below the
 *                frame, where no access reaches.
 *   secrets      rsp, r14 and r15, which hold addresses, are operands of nothing else. Value
 *                registers and frame are zero at the start, and helpers clear what they used.
 *
 * A jump cannot reach the middle of a form, because a form of several instructions (the base of a
 * window and its use, the division) has one start here.
 */
#include <thor/kernlet/check.h>

#include <abi/hel/errors.h>
#include <base/bitmap.h>
#include <base/string.h>

/* ---- the container */

static bool kernlet_slot_is_valid(const struct hel_kernlet_slot *slot)
{
	bool has_access = slot->rights == HEL_RIGHT_READ ||
		slot->rights == (HEL_RIGHT_READ | HEL_RIGHT_WRITE);

	if (slot->reserved != 0) {
		return false;
	}
	switch (slot->kind) {
	case HEL_KERNLET_WINDOW:
		return has_access && slot->size_bytes > 0 &&
			slot->size_bytes <= HEL_KERNLET_WINDOW_MAX;
	case HEL_KERNLET_PORTS:
		return has_access && slot->size_bytes > 0 && slot->size_bytes <= 0x10000;
	case HEL_KERNLET_EVENT:
	case HEL_KERNLET_PARAMETER: return slot->rights == 0 && slot->size_bytes == 0;
	default: return false;
	}
}

int kernlet_parse(const void *container, size_t size, struct kernlet_image *out_image)
{
	struct hel_kernlet_header *header = &out_image->header;

	if (size < sizeof(*header)) {
		return -ERR_ILLEGAL_ARGS;
	}
	memcpy(header, container, sizeof(*header));
	if (header->magic != HEL_KERNLET_MAGIC) {
		return -ERR_ILLEGAL_ARGS;
	}
	if (header->version != HEL_KERNLET_VERSION || header->arch != HEL_KERNLET_X86_64) {
		return -ERR_UNSUPPORTED;
	}
	if (header->code_size == 0 || header->code_size > HEL_KERNLET_CODE_MAX ||
		header->frame_size > HEL_KERNLET_FRAME_MAX || header->frame_size % 8 != 0 ||
		header->n_bindings > HEL_KERNLET_BINDINGS_MAX || header->reserved != 0) {
		return -ERR_ILLEGAL_ARGS;
	}
	size_t slots_size = header->n_bindings * sizeof(struct hel_kernlet_slot);

	if (size != sizeof(*header) + slots_size + header->code_size) {
		return -ERR_ILLEGAL_ARGS;
	}
	memcpy(out_image->slots, (const uint8_t *)container + sizeof(*header), slots_size);
	for (uint32_t i = 0; i < header->n_bindings; i++) {
		if (!kernlet_slot_is_valid(&out_image->slots[i])) {
			return -ERR_ILLEGAL_ARGS;
		}
	}
	out_image->code = (const uint8_t *)container + sizeof(*header) + slots_size;
	return 0;
}

/* ---- the code */

struct kernlet_pass {
	const struct kernlet_image *image;
	uint64_t targets[BITMAP_WORDS(HEL_KERNLET_CODE_MAX)]; /* of jumps seen so far */
	uint32_t n_accesses;
};

static bool kernlet_range_is_inside(const struct kernlet_form *form, uint32_t size_bytes)
{
	return form->offset >= 0 && form->offset < size_bytes &&
		form->width_bytes <= size_bytes - form->offset;
}

static bool kernlet_window_is_allowed(
	const struct kernlet_image *image, const struct kernlet_form *form)
{
	if (form->index >= image->header.n_bindings) {
		return false;
	}
	const struct hel_kernlet_slot *slot = &image->slots[form->index];
	uint32_t right = form->is_store ? HEL_RIGHT_WRITE : HEL_RIGHT_READ;

	return slot->kind == HEL_KERNLET_WINDOW && (slot->rights & right) != 0 &&
		kernlet_range_is_inside(form, slot->size_bytes);
}

/* @next: where the form behind the jump starts. A target is found to be none when it is passed. */
static bool kernlet_note_jump(
	struct kernlet_pass *pass, const struct kernlet_form *form, uint32_t next)
{
	int64_t target = next + form->distance;

	if (target < next || target >= pass->image->header.code_size) {
		return false;
	}
	bitmap_set(pass->targets, (size_t)target);
	return true;
}

static bool kernlet_form_is_allowed(
	struct kernlet_pass *pass, const struct kernlet_form *form, uint32_t next)
{
	const struct kernlet_image *image = pass->image;

	switch (form->kind) {
	case KERNLET_FORM_PLAIN: return true;
	case KERNLET_FORM_JUMP: return kernlet_note_jump(pass, form, next);
	case KERNLET_FORM_WINDOW:
		return ++pass->n_accesses <= HEL_KERNLET_ACCESSES_MAX &&
			kernlet_window_is_allowed(image, form);
	case KERNLET_FORM_FRAME: return kernlet_range_is_inside(form, image->header.frame_size);
	case KERNLET_FORM_PARAMETER:
		return form->index < image->header.n_bindings &&
			image->slots[form->index].kind == HEL_KERNLET_PARAMETER;
	case KERNLET_FORM_CALL:
		return ++pass->n_accesses <= HEL_KERNLET_ACCESSES_MAX &&
			form->index < HEL_KERNLET_HELPER_COUNT;
	case KERNLET_FORM_RETURN: return true;
	default: return false;
	}
}

static bool kernlet_has_target_inside(
	const struct kernlet_pass *pass, uint32_t offset, uint32_t size_bytes)
{
	for (uint32_t i = 1; i < size_bytes; i++) {
		if (bitmap_test(pass->targets, offset + i)) {
			return true;
		}
	}
	return false;
}

int kernlet_check(const struct kernlet_image *image, uint32_t *out_offset)
{
	struct kernlet_pass pass = { .image = image };
	struct kernlet_form form = {};
	uint32_t size = image->header.code_size;
	uint32_t offset = 0;

	while (offset < size) {
		if (!kernlet_decode(image->code + offset, size - offset, &form) ||
			kernlet_has_target_inside(&pass, offset, form.size_bytes) ||
			!kernlet_form_is_allowed(&pass, &form, offset + form.size_bytes)) {
			*out_offset = offset;
			return -ERR_ILLEGAL_ARGS;
		}
		offset += form.size_bytes;
	}
	if (form.kind != KERNLET_FORM_RETURN) {
		*out_offset = size;
		return -ERR_ILLEGAL_ARGS;
	}
	return 0;
}
