/* SPDX-License-Identifier: MIT */
/* Kernlets: checked code in executable pages. See kernlet.h. */
#include <thor/kernlet/kernlet.h>

#include <base/string.h>
#include <thor/memory/memory.h>

int kernlet_pages_init(struct kernlet_pages *pages, struct account *account, uint64_t n_pages)
{
	if (account_charge(account, ACCOUNT_PAGES, n_pages) != 0) {
		return -ERR_NO_MEMORY;
	}
	pages->phys = account_allocate(account, n_pages * sizeof(*pages->phys));
	if (pages->phys == NULL) {
		account_uncharge(account, ACCOUNT_PAGES, n_pages);
		return -ERR_NO_MEMORY;
	}
	pages->n_pages_max = (uint32_t)n_pages;
	return 0;
}

void kernlet_pages_free(struct kernlet_pages *pages, struct account *account)
{
	if (pages->n_pages_max == 0) {
		return;
	}
	if (pages->address != 0) {
		arch_window_unmap(pages->address, pages->n_pages);
	}
	for (uint32_t i = 0; i < pages->n_pages; i++) {
		frame_unref(pages->phys[i]);
	}
	account_free(account, pages->phys, pages->n_pages_max * sizeof(*pages->phys));
	account_uncharge(account, ACCOUNT_PAGES, pages->n_pages_max);
	*pages = (struct kernlet_pages){};
}

static void kernlet_destroy(struct object *object)
{
	kernlet_pages_free(&kernlet_of(object)->code, object->account);
	object_free(object);
}

static const struct object_class kernlet_class = {
	.type = HEL_TYPE_KERNLET,
	.name = "kernlet",
	.rights = HEL_RIGHT_EXECUTE | HEL_RIGHT_DERIVE,
	.destroy = kernlet_destroy,
	.abandon = object_abandon_nothing,
};

/* Written through the direct map, then mapped to be executed. */
static int kernlet_load(struct kernlet *kernlet, const uint8_t *code, uint32_t size)
{
	struct kernlet_pages *pages = &kernlet->code;
	int error = kernlet_pages_init(
		pages, kernlet->object.account, div_round_up(size, HEL_PAGE_SIZE));

	if (error != 0) {
		return error;
	}
	for (uint32_t done = 0; done < size; done += HEL_PAGE_SIZE) {
		uint64_t phys = frame_allocate();

		if (phys == 0) {
			return -ERR_NO_MEMORY;
		}
		pages->phys[pages->n_pages++] = phys;
		memset(arch_phys_to_virt(phys), arch_kernlet_filler, HEL_PAGE_SIZE);
		memcpy(arch_phys_to_virt(phys), code + done, min_size(size - done, HEL_PAGE_SIZE));
	}
	return arch_window_map(
		pages->phys, pages->n_pages, ARCH_PAGE_READ | ARCH_PAGE_EXECUTE, &pages->address);
}

/* Parse and check; the offset is that in the container. */
static int kernlet_examine(
	const void *container, size_t size, uint64_t *out_offset, struct kernlet_image *out_image)
{
	uint32_t offset = 0;

	*out_offset = 0;
	int error = kernlet_parse(container, size, out_image);

	if (error == 0) {
		error = kernlet_check(out_image, &offset);
		*out_offset = size - out_image->header.code_size + offset;
	}
	return error;
}

int kernlet_create(
	const void *container, size_t size, uint64_t *out_offset, struct kernlet **out_kernlet)
{
	struct kernlet_image image;
	int error = kernlet_examine(container, size, out_offset, &image);

	if (error != 0) {
		return error;
	}
	struct kernlet *kernlet = object_create(&kernlet_class, sizeof(*kernlet));

	if (kernlet == NULL) {
		return -ERR_NO_MEMORY;
	}
	kernlet->frame_size = image.header.frame_size;
	kernlet->n_bindings = image.header.n_bindings;
	memcpy(kernlet->slots, image.slots, kernlet->n_bindings * sizeof(kernlet->slots[0]));
	error = kernlet_load(kernlet, image.code, image.header.code_size);
	if (error != 0) {
		kernlet_destroy(&kernlet->object);
		return error;
	}
	*out_kernlet = kernlet;
	return 0;
}
