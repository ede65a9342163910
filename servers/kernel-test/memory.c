/* SPDX-License-Identifier: MIT */
/* Memory objects: allocated, copy-on-write, resized, read and written without a mapping. */
#include "kernel-test.h"

#define READ_WRITE (HEL_MAP_READ | HEL_MAP_WRITE)
#define PAGE	   HEL_PAGE_SIZE

static void allocated_memory_reads_zero(void)
{
	hel_handle memory;

	CHECK_EQ(hel_memory_allocate(16 * PAGE, 0, &memory), 0);
	uint64_t *words = ktest_map(memory, 16 * PAGE, READ_WRITE);
	CHECK(words != NULL);
	for (size_t i = 0; i < 16 * PAGE / 8; i++) {
		CHECK_EQ(words[i], 0);
	}
	words[5] = 77;
	CHECK_EQ(words[5], 77);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)words, 16 * PAGE), 0);
	CHECK_EQ(hel_close(HEL_THIS, memory), 0);
}

static void pages_appear_when_touched(void)
{
	struct hel_memory_info info;
	hel_handle memory;

	CHECK_EQ(hel_memory_allocate(1024 * PAGE, 0, &memory), 0);
	CHECK_EQ(hel_memory_info(memory, &info), 0);
	CHECK_EQ(info.size_bytes, 1024 * PAGE);
	CHECK_EQ(info.kind, HEL_MEMORY_ALLOCATED);
	CHECK_EQ(info.resident_bytes, 0);
	volatile uint8_t *bytes = ktest_map(memory, 1024 * PAGE, READ_WRITE);
	CHECK(bytes != NULL);
	bytes[0] = 1;
	bytes[900 * PAGE] = 1;
	CHECK_EQ(hel_memory_info(memory, &info), 0);
	CHECK(info.resident_bytes >= 2 * PAGE);
	CHECK(info.resident_bytes < 1024 * PAGE);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)bytes, 1024 * PAGE), 0);
	CHECK_EQ(hel_close(HEL_THIS, memory), 0);
}

static void bad_sizes_are_refused(void)
{
	hel_handle memory;

	CHECK_EQ(hel_memory_allocate(0, 0, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_allocate(100, 0, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_allocate(PAGE, 1ull << 40, &memory), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_allocate(8ull << 20, HEL_ALLOCATE_CONTIGUOUS, &memory),
		-ERR_ILLEGAL_ARGS);
}

static void two_mappings_show_the_same_bytes(void)
{
	hel_handle memory;

	CHECK_EQ(hel_memory_allocate(2 * PAGE, 0, &memory), 0);
	volatile uint32_t *first = ktest_map(memory, 2 * PAGE, READ_WRITE);
	volatile uint32_t *second = ktest_map(memory, 2 * PAGE, HEL_MAP_READ);
	CHECK(first != NULL && second != NULL && first != second);
	first[1500] = 0x12345678;
	CHECK_EQ(second[1500], 0x12345678);
	CHECK_EQ(hel_close(HEL_THIS, memory), 0);
	first[3] = 9;
	CHECK_EQ(second[3], 9);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)first, 2 * PAGE), 0);
	CHECK_EQ(second[3], 9);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)second, 2 * PAGE), 0);
}

static void reads_and_writes_without_a_mapping(void)
{
	uint8_t out[300], in[300];
	hel_handle memory;

	for (size_t i = 0; i < sizeof(out); i++) {
		out[i] = (uint8_t)i;
	}
	CHECK_EQ(hel_memory_allocate(2 * PAGE, 0, &memory), 0);
	CHECK_EQ(hel_memory_write(memory, PAGE - 150, out, sizeof(out)), 0);
	CHECK_EQ(hel_memory_read(memory, PAGE - 150, in, sizeof(in)), 0);
	for (size_t i = 0; i < sizeof(out); i++) {
		CHECK_EQ(in[i], out[i]);
	}
	CHECK_EQ(hel_memory_read(memory, 2 * PAGE - 1, in, 2), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_read(memory, ~0ull - 1, in, 4), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_write(memory, 2 * PAGE, out, 1), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_write(memory, 0, (void *)64, 8), -ERR_FAULT);
	CHECK_EQ(hel_memory_read(memory, 0, (void *)64, 8), -ERR_FAULT);
	CHECK_EQ(hel_close(HEL_THIS, memory), 0);
}

static void rights_limit_what_memory_gives(void)
{
	hel_handle memory, read_only;
	uint8_t byte = 1;

	CHECK_EQ(hel_memory_allocate(PAGE, 0, &memory), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, memory, HEL_THIS,
			 HEL_RIGHT_READ | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE, &read_only),
		0);
	CHECK_EQ(hel_memory_write(read_only, 0, &byte, 1), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_memory_resize(read_only, 2 * PAGE), -ERR_NO_RIGHTS);
	CHECK(ktest_map(read_only, PAGE, READ_WRITE) == NULL);
	void *address = ktest_map(read_only, PAGE, HEL_MAP_READ);
	CHECK(address != NULL);
	CHECK_EQ(hel_space_protect(HEL_THIS, (uint64_t)address, PAGE, READ_WRITE), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)address, PAGE), 0);
	CHECK_EQ(hel_close(HEL_THIS, read_only), 0);
	CHECK_EQ(hel_close(HEL_THIS, memory), 0);
}

static void copies_are_private(void)
{
	uint32_t value = 0x1111, back = 0;
	hel_handle source, copy;

	CHECK_EQ(hel_memory_allocate(4 * PAGE, 0, &source), 0);
	CHECK_EQ(hel_memory_write(source, PAGE, &value, sizeof(value)), 0);
	CHECK_EQ(hel_memory_copy_on_write(source, PAGE, 2 * PAGE, &copy), 0);
	volatile uint32_t *words = ktest_map(copy, 2 * PAGE, READ_WRITE);
	CHECK(words != NULL);
	CHECK_EQ(words[0], 0x1111);
	words[0] = 0x2222;
	CHECK_EQ(hel_memory_read(source, PAGE, &back, sizeof(back)), 0);
	CHECK_EQ(back, 0x1111);
	CHECK_EQ(hel_memory_read(copy, 0, &back, sizeof(back)), 0);
	CHECK_EQ(back, 0x2222);
	CHECK_EQ(hel_close(HEL_THIS, source), 0);
	CHECK_EQ(words[1024], 0);
	CHECK_EQ(hel_space_unmap(HEL_THIS, (uint64_t)words, 2 * PAGE), 0);
	CHECK_EQ(hel_close(HEL_THIS, copy), 0);
}

static void copies_of_copies_are_private(void)
{
	uint32_t value = 7, back = 0;
	hel_handle source, middle, last;

	CHECK_EQ(hel_memory_allocate(PAGE, 0, &source), 0);
	CHECK_EQ(hel_memory_write(source, 0, &value, sizeof(value)), 0);
	CHECK_EQ(hel_memory_copy_on_write(source, 0, PAGE, &middle), 0);
	CHECK_EQ(hel_memory_copy_on_write(middle, 0, PAGE, &last), 0);
	value = 8;
	CHECK_EQ(hel_memory_write(last, 0, &value, sizeof(value)), 0);
	CHECK_EQ(hel_memory_read(middle, 0, &back, sizeof(back)), 0);
	CHECK_EQ(back, 7);
	CHECK_EQ(hel_memory_read(last, 0, &back, sizeof(back)), 0);
	CHECK_EQ(back, 8);
	CHECK_EQ(hel_close(HEL_THIS, middle), 0);
	CHECK_EQ(hel_close(HEL_THIS, source), 0);
	CHECK_EQ(hel_memory_read(last, 0, &back, sizeof(back)), 0);
	CHECK_EQ(back, 8);
	CHECK_EQ(hel_close(HEL_THIS, last), 0);
}

static void bad_copies_are_refused(void)
{
	hel_handle source, copy;

	CHECK_EQ(hel_memory_allocate(2 * PAGE, 0, &source), 0);
	CHECK_EQ(hel_memory_copy_on_write(source, 1, PAGE, &copy), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_copy_on_write(source, 0, 0, &copy), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_memory_copy_on_write(source, PAGE, 2 * PAGE, &copy), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_copy_on_write(source, ~0ull - PAGE + 1, 2 * PAGE, &copy),
		-ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_close(HEL_THIS, source), 0);
}

static void resizing_cuts_and_adds_zeros(void)
{
	uint64_t value = 5, back = 1;
	hel_handle memory;

	CHECK_EQ(hel_memory_allocate(2 * PAGE, 0, &memory), 0);
	CHECK_EQ(hel_memory_write(memory, PAGE, &value, sizeof(value)), 0);
	CHECK_EQ(hel_memory_resize(memory, PAGE), 0);
	CHECK_EQ(hel_memory_read(memory, PAGE, &back, sizeof(back)), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_memory_resize(memory, 3 * PAGE), 0);
	CHECK_EQ(hel_memory_read(memory, PAGE, &back, sizeof(back)), 0);
	CHECK_EQ(back, 0);
	CHECK_EQ(hel_memory_resize(memory, 77), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_close(HEL_THIS, memory), 0);
}

static void contiguous_memory_can_be_pinned(void)
{
	uint64_t phys = 1, next_phys = 1;
	hel_handle memory;

	CHECK_EQ(hel_memory_allocate(4 * PAGE, HEL_ALLOCATE_CONTIGUOUS | HEL_ALLOCATE_BELOW_4G,
			 &memory),
		0);
	CHECK_EQ(hel_memory_pin(memory, 0, 4 * PAGE, &phys), 0);
	CHECK_EQ(hel_memory_pin(memory, PAGE, PAGE, &next_phys), 0);
	CHECK_EQ(next_phys, phys + PAGE);
	CHECK_EQ(phys % PAGE, 0);
	CHECK(phys < (1ull << 32));
	CHECK_EQ(hel_memory_pin(memory, 4 * PAGE, PAGE, &phys), -ERR_OUT_OF_BOUNDS);
	CHECK_EQ(hel_close(HEL_THIS, memory), 0);
}

const struct ktest_case memory_cases[] = {
	KTEST(allocated_memory_reads_zero),
	KTEST(pages_appear_when_touched),
	KTEST(bad_sizes_are_refused),
	KTEST(two_mappings_show_the_same_bytes),
	KTEST(reads_and_writes_without_a_mapping),
	KTEST(rights_limit_what_memory_gives),
	KTEST(copies_are_private),
	KTEST(copies_of_copies_are_private),
	KTEST(bad_copies_are_refused),
	KTEST(resizing_cuts_and_adds_zeros),
	KTEST(contiguous_memory_can_be_pinned),
	KTEST_END,
};
