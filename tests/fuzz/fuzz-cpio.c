/* SPDX-License-Identifier: MIT */
/* libFuzzer target: cpio archives. Every entry lies in the archive, and the iteration ends. */
#include <base/assert.h>
#include <base/cpio.h>
#include <base/string.h>

#include <stdlib.h>

void assert_fail(UNUSED const char *file, UNUSED int line, UNUSED const char *expression)
{
	abort();
}

static void check_entry(const struct cpio_entry *entry, const uint8_t *data, size_t size)
{
	const uint8_t *name = (const uint8_t *)entry->name;
	const uint8_t *contents = entry->data;

	ASSERT(name >= data);
	ASSERT(name + entry->name_length < data + size);
	ASSERT(name[entry->name_length] == 0);
	ASSERT(entry->name_length < CPIO_NAME_MAX);
	ASSERT(entry->size == 0 || contents >= data);
	ASSERT(entry->size <= size);
	ASSERT(entry->size == 0 || contents + entry->size <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cpio_iterator iterator;
	struct cpio_entry entry, found;
	size_t n_entries = 0;

	cpio_begin(&iterator, data, size);
	while (cpio_iterate(&iterator, &entry) == CPIO_ENTRY) {
		check_entry(&entry, data, size);
		ASSERT(++n_entries <= size / 110);
	}
	(void)cpio_find(data, size, "boot/hati/servers/svrctl", &found);
	return 0;
}
