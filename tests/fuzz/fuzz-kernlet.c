/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: kernlets. As a file: what the compiler accepts the kernel's check accepts. As
 * native code: the check says something about any bytes, and what it accepts keeps to the rules
 * that can be seen from outside: forms that follow each other to a return.
 */
#include <abi/hel/errors.h>
#include <base/assert.h>
#include <kernlet/kernlet.h>
#include <thor/kernlet/check.h>

#include <stdlib.h>
#include <string.h>

static struct kernlet_workspace workspace;
static uint8_t container[KERNLET_CONTAINER_MAX];
static char message[KERNLET_MESSAGE_MAX];

void assert_fail(UNUSED const char *file, UNUSED int line, UNUSED const char *expression)
{
	abort();
}

static void fuzz_file(const uint8_t *data, size_t size)
{
	struct kernlet_image image;
	uint32_t offset;
	size_t container_size;
	int error = kernlet_compile(data, size, &workspace, container, &container_size, message);

	if (error != 0) {
		ASSERT(error == -ERR_PROTOCOL || error == -ERR_ILLEGAL_ARGS);
		ASSERT(message[0] != '\0');
		ASSERT(memchr(message, '\0', sizeof(message)) != NULL);
		return;
	}
	error = kernlet_parse(container, container_size, &image);
	ASSERT(error == 0);
	error = kernlet_check(&image, &offset);
	ASSERT(error == 0);
}

static void check_forms(const struct kernlet_image *image)
{
	uint32_t size = image->header.code_size;
	struct kernlet_form form = {};

	for (uint32_t at = 0; at < size; at += form.size_bytes) {
		bool is_form = kernlet_decode(image->code + at, size - at, &form);

		ASSERT(is_form && form.size_bytes > 0 && form.size_bytes <= size - at);
		ASSERT(form.kind != KERNLET_FORM_JUMP ||
			(form.distance >= 0 && at + form.size_bytes + form.distance < size));
	}
	ASSERT(form.kind == KERNLET_FORM_RETURN);
}

static void fuzz_code(const uint8_t *data, size_t size)
{
	struct kernlet_image image;
	uint32_t offset;

	if (kernlet_parse(data, size, &image) != 0) {
		return;
	}
	if (kernlet_check(&image, &offset) == 0) {
		check_forms(&image);
	} else {
		ASSERT(offset <= image.header.code_size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1); /* unaligned, and its end is guarded */

	memcpy(copy, data, size);
	if (size > 4 && memcmp(data, "\177ELF", 4) == 0) {
		fuzz_file(copy, size);
	} else {
		fuzz_code(copy, size);
	}
	free(copy);
	return 0;
}
