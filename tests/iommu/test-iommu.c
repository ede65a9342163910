/* SPDX-License-Identifier: MIT */
/*
 * What a device that does DMA reaches: tests/system/iommu.py boots this with an `edu` device and
 * with every IOMMU and setting of thor.iommu.
 */
#include "../kernel/test.h"

#include "edu.h"

constexpr uint64_t PAGE = HEL_PAGE_SIZE;
constexpr uint32_t READ_WRITE = HEL_DMA_READ | HEL_DMA_WRITE;
constexpr uint8_t OLD = 0x11, NEW = 0x77;

static hel_handle space;
static bool is_translated;

static bool has_option(const char *option)
{
	return strstr((const char *)test_start->command_line, option) != NULL;
}

static hel_handle allocate(uint64_t n_pages, uint64_t flags)
{
	hel_handle memory;

	return hel_memory_allocate(n_pages * PAGE, flags, &memory) == 0 ? memory : HEL_NULL;
}

static bool fill(hel_handle memory, uint64_t offset, uint8_t byte)
{
	uint8_t bytes[64];

	memset(bytes, byte, sizeof(bytes));
	return hel_memory_write(memory, offset, bytes, sizeof(bytes)) == 0;
}

static bool is_filled(hel_handle memory, uint64_t offset, uint8_t byte)
{
	uint8_t bytes[64];
	size_t n_equal = 0;

	if (hel_memory_read(memory, offset, bytes, sizeof(bytes)) != 0) {
		return false;
	}
	while (n_equal < sizeof(bytes) && bytes[n_equal] == byte) {
		n_equal++;
	}
	return n_equal == sizeof(bytes);
}

static int map(hel_handle memory, uint64_t n_pages, uint32_t flags, uint64_t *out_address)
{
	struct hel_dma_map_args args = {
		.dma_space = space,
		.memory = memory,
		.size_bytes = n_pages * PAGE,
		.flags = flags,
	};

	return hel_dma_map(&args, out_address);
}

static uint64_t n_faults(void)
{
	struct hel_dma_space_info info = {};

	return hel_dma_space_info(space, &info) == 0 ? info.n_faults : UINT64_MAX;
}

/* Put NEW into the device's buffer, which has to be in memory that the device reaches. */
static bool load_buffer(void)
{
	hel_handle memory = allocate(1, HEL_ALLOCATE_CONTIGUOUS);
	uint64_t address;
	bool is_done = fill(memory, 0, NEW) && map(memory, 1, READ_WRITE, &address) == 0 &&
		edu_read(address, 64) && hel_dma_unmap(space, address, PAGE) == 0;

	hel_close(HEL_THIS, memory);
	return is_done;
}

/* Before anything is attached: everything or nothing, as the option says. */
TEST(aa_device_without_space)
{
	hel_handle memory = allocate(1, HEL_ALLOCATE_CONTIGUOUS);
	uint64_t phys;

	CHECK(edu_open());
	CHECK(fill(memory, 0, NEW));
	CHECK_EQ(hel_memory_pin(memory, 0, PAGE, &phys), 0);
	CHECK(edu_read(phys, 64));
	CHECK(fill(memory, 0, OLD));
	CHECK(edu_write(phys, 64));
	bool is_strict = has_option("thor.iommu=strict");

	CHECK(is_filled(memory, 0, is_strict ? OLD : NEW));
	hel_close(HEL_THIS, memory);
}

TEST(ab_space_says_whether_it_translates)
{
	struct hel_dma_device device = edu_device();
	struct hel_dma_space_info info;

	CHECK_EQ(hel_dma_space_create(&space), 0);
	CHECK_EQ(hel_dma_space_attach(test_authority, space, &device), 0);
	CHECK_EQ(hel_dma_space_attach(test_authority, space, &device), -ERR_BUSY);
	CHECK_EQ(hel_dma_space_info(space, &info), 0);
	is_translated = (info.flags & HEL_DMA_TRANSLATED) != 0;
	CHECK_EQ(is_translated, !has_option("thor.iommu=off"));
	CHECK_EQ(info.n_devices, 1);
}

TEST(dma_reaches_what_is_mapped)
{
	hel_handle memory = allocate(2, HEL_ALLOCATE_CONTIGUOUS);
	uint64_t address;

	CHECK(load_buffer());
	CHECK(fill(memory, PAGE, OLD));
	CHECK_EQ(map(memory, 2, READ_WRITE, &address), 0);
	CHECK(edu_write(address + PAGE, 64));
	CHECK(is_filled(memory, PAGE, NEW));
	CHECK(fill(memory, 0, OLD));
	CHECK(edu_read(address, 64));
	CHECK(edu_write(address + PAGE, 64));
	CHECK(is_filled(memory, PAGE, OLD));
	CHECK_EQ(hel_dma_unmap(space, address, 2 * PAGE), 0);
	CHECK_EQ(n_faults(), 0);
	hel_close(HEL_THIS, memory);
}

/* Pages that are anywhere become one range, or there is an error. */
TEST(dma_gathers_scattered_pages)
{
	hel_handle memory = allocate(2, 0);
	uint64_t address;

	CHECK(fill(memory, PAGE, NEW));
	hel_handle between = allocate(1, HEL_ALLOCATE_CONTIGUOUS);

	CHECK(fill(memory, 0, OLD));
	int error = map(memory, 2, READ_WRITE, &address);

	if (is_translated) {
		CHECK_EQ(error, 0);
		CHECK(edu_read(address + PAGE, 64));
		CHECK(edu_write(address, 64));
		CHECK(is_filled(memory, 0, NEW));
		CHECK_EQ(hel_dma_unmap(space, address, 2 * PAGE), 0);
	} else if (error == 0) { /* by chance they are neighbours */
		CHECK_EQ(hel_dma_unmap(space, address, 2 * PAGE), 0);
	} else {
		CHECK_EQ(error, -ERR_UNSUPPORTED);
	}
	hel_close(HEL_THIS, memory);
	hel_close(HEL_THIS, between);
}

TEST(dma_does_not_reach_the_rest)
{
	hel_handle memory = allocate(1, HEL_ALLOCATE_CONTIGUOUS);
	uint64_t phys;

	if (!is_translated) {
		return;
	}
	CHECK(load_buffer());
	CHECK(fill(memory, 0, OLD));
	CHECK_EQ(hel_memory_pin(memory, 0, PAGE, &phys), 0);
	CHECK(edu_write(phys, 64));
	CHECK(is_filled(memory, 0, OLD));
	hel_close(HEL_THIS, memory);
}

TEST(dma_access_is_what_the_mapping_says)
{
	hel_handle memory = allocate(1, HEL_ALLOCATE_CONTIGUOUS);
	uint64_t address;

	if (!is_translated) {
		return;
	}
	CHECK(load_buffer());
	CHECK(fill(memory, 0, OLD));
	CHECK_EQ(map(memory, 1, HEL_DMA_READ, &address), 0);
	CHECK(edu_write(address, 64));
	CHECK(is_filled(memory, 0, OLD));
	CHECK_EQ(hel_dma_unmap(space, address, PAGE), 0);
	hel_close(HEL_THIS, memory);
}

TEST(dma_ends_with_unmap)
{
	hel_handle memory = allocate(1, HEL_ALLOCATE_CONTIGUOUS);
	uint64_t address;

	if (!is_translated) {
		return;
	}
	CHECK(load_buffer());
	CHECK_EQ(map(memory, 1, READ_WRITE, &address), 0);
	CHECK(edu_write(address, 64));
	CHECK(is_filled(memory, 0, NEW));
	CHECK_EQ(hel_dma_unmap(space, address, PAGE), 0);
	CHECK(fill(memory, 0, OLD));
	CHECK(edu_write(address, 64));
	CHECK(is_filled(memory, 0, OLD));
	hel_close(HEL_THIS, memory);
}

static uint64_t submit_await(hel_handle event, uint64_t sequence)
{
	struct hel_await_event_record *record =
		submit(HEL_SUBMIT_AWAIT_EVENT, sizeof(struct hel_await_event_record));

	record->event = event;
	record->sequence = sequence;
	commit();
	return record->header.context;
}

/* Faults of the cases before may still come: one transfer causes several. */
static bool await_bits(hel_handle event, uint32_t bits, uint64_t *in_out_sequence)
{
	struct hel_event_result result = { .sequence = *in_out_sequence };
	struct completion completion;

	while ((result.bits & bits) == 0) {
		if (!await(submit_await(event, result.sequence), &completion) ||
			completion.error != 0) {
			return false;
		}
		memcpy(&result, completion.data, sizeof(result));
	}
	*in_out_sequence = result.sequence;
	return true;
}

/* An emulated AMD-Vi that logs no events refuses in silence: the option says what to expect. */
TEST(dma_faults_are_told)
{
	struct hel_dma_space_info info;
	uint64_t sequence = 0;
	hel_handle event;

	if (!is_translated || has_option("hati.iommu=silent")) {
		return;
	}
	CHECK(n_faults() > 0);
	CHECK_EQ(hel_dma_space_event(space, &event), 0);
	CHECK(await_bits(event, HEL_DMA_WRITE, &sequence));
	CHECK(edu_read(0x7654000, 64));
	CHECK(await_bits(event, HEL_DMA_READ, &sequence));
	CHECK_EQ(hel_dma_space_info(space, &info), 0);
	CHECK_EQ(info.fault_address & ~(PAGE - 1), 0x7654000);
	CHECK_EQ(info.fault_device.devfn, edu_device().devfn);
	CHECK_EQ(info.fault_access, HEL_DMA_READ);
	hel_close(HEL_THIS, event);
}

/* The last one: a crashed driver's descriptors are closed, and its device reaches nothing. */
TEST(dma_ends_with_the_space)
{
	struct hel_dma_device device = edu_device();
	hel_handle memory = allocate(1, HEL_ALLOCATE_CONTIGUOUS);
	uint64_t address, phys;

	CHECK(load_buffer());
	CHECK_EQ(map(memory, 1, READ_WRITE, &address), 0);
	CHECK(edu_write(address, 64));
	CHECK(is_filled(memory, 0, NEW));
	CHECK_EQ(hel_memory_pin(memory, 0, PAGE, &phys), 0);
	hel_close(HEL_THIS, space);
	CHECK(fill(memory, 0, OLD));
	CHECK(edu_write(address, 64));
	CHECK(edu_write(phys, 64));
	CHECK(is_filled(memory, 0, is_translated ? OLD : NEW));
	CHECK_EQ(hel_dma_space_create(&space), 0);
	CHECK_EQ(hel_dma_space_attach(test_authority, space, &device), 0);
	CHECK_EQ(hel_dma_space_detach(test_authority, space, &device), 0);
	CHECK_EQ(hel_dma_space_detach(test_authority, space, &device), -ERR_NOT_FOUND);
	hel_close(HEL_THIS, space);
	hel_close(HEL_THIS, memory);
}
