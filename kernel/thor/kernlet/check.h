/* SPDX-License-Identifier: MIT */
/*
 * The check of native kernlets: see check.c.
 */
#ifndef THOR_KERNLET_CHECK_H
#define THOR_KERNLET_CHECK_H

#include <abi/hel/kernlet.h>
#include <base/types.h>

enum kernlet_form_kind : uint32_t {
	KERNLET_FORM_PLAIN,     /* works on value registers only, and cannot fault */
	KERNLET_FORM_JUMP,      /* conditional or not */
	KERNLET_FORM_WINDOW,    /* load or store: window `index`, `offset` from its start */
	KERNLET_FORM_FRAME,     /* load or store of the frame at `offset` */
	KERNLET_FORM_PARAMETER, /* load parameter `index` */
	KERNLET_FORM_CALL,      /* of helper `index` */
	KERNLET_FORM_RETURN,
};

/* One form of <abi/hel/kernlet.h>, decoded. What a kind does not need is 0. */
struct kernlet_form {
	enum kernlet_form_kind kind;
	uint32_t size_bytes;
	uint32_t index;
	uint32_t width_bytes;
	int64_t offset;
	int64_t distance; /* of a jump, from behind it */
	bool is_store;
};

/**
 * kernlet_decode() - the form at the start of @code; implemented by the architecture
 *
 * Total: any bytes are fine, none behind @size_bytes are read. False: it is none.
 */
MUST_USE bool kernlet_decode(
	const uint8_t *code, uint32_t size_bytes, struct kernlet_form *out_form);

/* A container, taken apart. It points into what was parsed. */
struct kernlet_image {
	struct hel_kernlet_header header;
	struct hel_kernlet_slot slots[HEL_KERNLET_BINDINGS_MAX];
	const uint8_t *code;
};

/**
 * kernlet_parse() - take a container apart and check all but its code
 *
 * Return: 0, -ERR_UNSUPPORTED (another architecture or version), -ERR_ILLEGAL_ARGS.
 */
MUST_USE int kernlet_parse(const void *container, size_t size, struct kernlet_image *out_image);

/**
 * kernlet_check() - check the code
 * @out_offset: with an error: of the form in the code that is refused
 *
 * Time: one pass. Return: 0, -ERR_ILLEGAL_ARGS.
 */
MUST_USE int kernlet_check(const struct kernlet_image *image, uint32_t *out_offset);

#endif
