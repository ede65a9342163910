/* SPDX-License-Identifier: MIT */
/*
 * Tests of the architecture that need the machine: `thor.selftest` on the command line.
 *
 * They run on the boot CPU before the first program, while the other CPUs idle in the scheduler.
 */
#include <abi/hel/hel.h>
#include <base/string.h>
#include <thor/memory/memory.h>
#include <thor/memory/shootdown.h>
#include <thor/object/account.h>
#include <thor/panic.h>

#include "machine.h"
#include "page-entry.h"
#include "registers.h"

#define TEST_ADDRESS     0x0000123456789000u
#define TEST_PAGES       1100u
#define TEST_PATIENCE_NS UINT64_C(30000000000)

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			panic("self-test: %s:%d: %s", __func__, __LINE__, #condition); \
		} \
	} while (0)

extern const uint8_t arch__text_start[], arch__boot_stack_top[];

static void test_page_map(struct arch_page_table *table, uint64_t phys)
{
	struct arch_page_entry entry;
	uint64_t found;

	CHECK(!arch_page_lookup(table, TEST_ADDRESS).is_present);
	CHECK(!arch_page_next(table, 0, ARCH_USER_HIGH, &found));
	CHECK(arch_page_map(table, TEST_ADDRESS, phys, ARCH_PAGE_READ | ARCH_PAGE_USER) == 0);
	entry = arch_page_lookup(table, TEST_ADDRESS);
	CHECK(entry.is_present && entry.phys == phys && !entry.is_dirty);
	CHECK(entry.flags == (ARCH_PAGE_READ | ARCH_PAGE_USER));
	CHECK(arch_page_next(table, 0, ARCH_USER_HIGH, &found) && found == TEST_ADDRESS);
	CHECK(!arch_page_next(table, 0, TEST_ADDRESS, &found));
	CHECK(!arch_page_next(table, TEST_ADDRESS + 4096, ARCH_USER_HIGH, &found));
	CHECK(arch_page_protect(
		table, TEST_ADDRESS, ARCH_PAGE_READ | ARCH_PAGE_WRITE | ARCH_PAGE_USER));
	CHECK(!arch_page_protect(table, TEST_ADDRESS + 4096, ARCH_PAGE_READ));
	CHECK((arch_page_lookup(table, TEST_ADDRESS).flags & ARCH_PAGE_WRITE) != 0);
	CHECK(arch_page_unmap(table, TEST_ADDRESS).phys == phys);
	CHECK(!arch_page_unmap(table, TEST_ADDRESS).is_present);
	CHECK(table->n_tables == 3);
	arch_page_table_trim(table, TEST_ADDRESS, TEST_ADDRESS + 4096);
	CHECK(table->n_tables == 0);
}

static void test_page_tables(void)
{
	struct arch_page_table table;
	uint64_t phys = frame_allocate_zeroed();
	uint64_t found = 0;

	CHECK(arch_page_table_init(&table, account_root()) == 0);
	test_page_map(&table, phys);
	for (uint64_t i = 0; i < TEST_PAGES; i++) {
		CHECK(arch_page_map(&table, TEST_ADDRESS + i * 8192, phys, ARCH_PAGE_READ) == 0);
	}
	for (uint64_t i = 0; i < TEST_PAGES; i++) {
		CHECK(arch_page_next(&table, found, ARCH_USER_HIGH, &found));
		CHECK(found == TEST_ADDRESS + i * 8192);
		found += 4096;
	}
	CHECK(!arch_page_next(&table, found, ARCH_USER_HIGH, &found));
	uint64_t n_tables = table.n_tables;

	for (uint64_t i = 0; i < TEST_PAGES / 2; i++) {
		CHECK(arch_page_unmap(&table, TEST_ADDRESS + i * 8192).is_present);
	}
	arch_page_table_trim(&table, TEST_ADDRESS, TEST_ADDRESS + TEST_PAGES * 8192);
	CHECK(table.n_tables > 2 && table.n_tables < n_tables);
	CHECK(arch_page_table_deinit(&table, UINT32_MAX));
	frame_unref(phys);
}

static void test_user_copies(void)
{
	struct arch_page_table table;
	uint64_t phys = frame_allocate_zeroed();
	uint8_t *page = arch_phys_to_virt(phys);
	uint8_t buffer[300];
	uint32_t word = 0;

	CHECK(arch_page_table_init(&table, account_root()) == 0);
	CHECK(arch_page_map(&table, TEST_ADDRESS, phys,
		      ARCH_PAGE_READ | ARCH_PAGE_WRITE | ARCH_PAGE_USER) == 0);
	arch_page_table_activate(&table, 1, false);
	for (size_t i = 0; i < 4096; i++) {
		page[i] = (uint8_t)(i * 7);
	}
	for (size_t size = 0; size < sizeof(buffer); size++) {
		memset(buffer, 0, sizeof(buffer));
		CHECK(arch_copy_from_user(buffer, TEST_ADDRESS + 5, size) == 0);
		CHECK(memcmp(buffer, &page[5], size) == 0);
		CHECK(size == sizeof(buffer) - 1 || buffer[size] == 0);
		CHECK(arch_copy_to_user(TEST_ADDRESS + 1024, buffer, size) == 0);
		CHECK(memcmp(&page[1024], buffer, size) == 0);
	}
	CHECK(arch_user_load_u32(TEST_ADDRESS + 4, &word) == 0 && word == *(uint32_t *)&page[4]);
	CHECK(arch_page_lookup(&table, TEST_ADDRESS).is_dirty);
	CHECK(arch_page_take_accessed(&table, TEST_ADDRESS).is_accessed);
	CHECK(!arch_page_take_accessed(&table, TEST_ADDRESS).is_accessed);
	CHECK(!arch_page_take_accessed(&table, TEST_ADDRESS + 8192).is_present);
	/* over the end, unmapped, kernel, wrapping, low */
	CHECK(arch_copy_from_user(buffer, TEST_ADDRESS + 4096 - 100, 200) == -ERR_FAULT);
	CHECK(arch_copy_to_user(TEST_ADDRESS + 8192, buffer, 8) == -ERR_FAULT);
	CHECK(arch_user_load_u32(TEST_ADDRESS + 8192, &word) == -ERR_FAULT);
	CHECK(arch_copy_from_user(buffer, (uint64_t)page, 8) == -ERR_FAULT);
	CHECK(arch_copy_from_user(buffer, ARCH_USER_HIGH - 8, 9) == -ERR_FAULT);
	CHECK(arch_copy_from_user(buffer, TEST_ADDRESS, SIZE_MAX) == -ERR_FAULT);
	CHECK(arch_copy_from_user(buffer, UINT64_C(1) << 63, 8) == -ERR_FAULT);
	CHECK(arch_copy_from_user(buffer, 8, 8) == -ERR_FAULT);
	CHECK(arch_page_protect(&table, TEST_ADDRESS, ARCH_PAGE_READ | ARCH_PAGE_USER));
	arch_tlb_flush_page(TEST_ADDRESS);
	CHECK(arch_copy_to_user(TEST_ADDRESS, buffer, 8) == -ERR_FAULT);
	CHECK(arch_copy_from_user(buffer, TEST_ADDRESS, 8) == 0);
	arch_page_table_activate_kernel();
	CHECK(arch_page_table_deinit(&table, UINT32_MAX));
	frame_unref(phys);
}

/* Two tables take turns, with what the TLB has of each kept; the first is changed meanwhile. */
static void test_asids(void)
{
	struct arch_page_table tables[2];
	uint64_t phys[2];
	uint32_t word;

	for (uint32_t i = 0; i < 2; i++) {
		phys[i] = frame_allocate_zeroed();
		*(uint32_t *)arch_phys_to_virt(phys[i]) = 100 + i;
		CHECK(arch_page_table_init(&tables[i], account_root()) == 0);
		CHECK(arch_page_map(&tables[i], TEST_ADDRESS, phys[i],
			      ARCH_PAGE_READ | ARCH_PAGE_USER) == 0);
	}
	for (uint32_t i = 0; i < 100; i++) {
		arch_page_table_activate(&tables[i % 2], 1 + i % 2, i >= 2);
		CHECK(arch_user_load_u32(TEST_ADDRESS, &word) == 0 && word == 100 + i % 2);
	}
	arch_page_unmap(&tables[0], TEST_ADDRESS);
	arch_page_table_activate(&tables[0], 1, false);
	CHECK(arch_user_load_u32(TEST_ADDRESS, &word) == -ERR_FAULT);
	arch_page_table_activate(&tables[1], 2, true);
	CHECK(arch_user_load_u32(TEST_ADDRESS, &word) == 0 && word == 101);
	arch_page_unmap(&tables[1], TEST_ADDRESS);
	arch_tlb_flush_user();
	CHECK(arch_user_load_u32(TEST_ADDRESS, &word) == -ERR_FAULT);
	arch_page_table_activate_kernel();
	for (uint32_t i = 0; i < 2; i++) {
		CHECK(arch_page_table_deinit(&tables[i], UINT32_MAX));
		frame_unref(phys[i]);
	}
}

static void test_kernel_pages(void)
{
	uint64_t stack_top = arch_this_cpu()->arch.stack_top;

	CHECK(kernel_map_has((uint64_t)arch__text_start));
	CHECK(kernel_map_has(stack_top - 8));
	CHECK(!kernel_map_has(stack_top));
	CHECK(!kernel_map_has(0x400000));
	CHECK(arch_virt_to_phys(arch_phys_to_virt(0x123456)) == 0x123456);
	CHECK(arch_phys_to_virt(arch_virt_to_phys(arch__text_start)) != arch__text_start);
	CHECK(memcmp(arch_phys_to_virt(arch_virt_to_phys(arch__text_start)), arch__text_start,
		      64) == 0);
	CHECK((cr4_read() & CR4_SMAP) != 0 || !features.has_smap);
}

static void test_clock(void)
{
	struct hel_clock_page page = { 0 };
	uint64_t start_ns = arch_clock_ns();
	uint64_t last_ns = start_ns;

	for (unsigned i = 0; i < 1000; i++) {
		uint64_t now_ns = arch_clock_ns();

		CHECK(now_ns >= last_ns);
		last_ns = now_ns;
	}
	CHECK(last_ns > start_ns);
	arch_clock_fill_page(&page);
	uint64_t by_page_ns = page.base_ns +
		(uint64_t)(((unsigned __int128)(tsc_read() - page.base_tsc) * page.multiplier) >>
			32);

	CHECK(by_page_ns >= last_ns && by_page_ns <= arch_clock_ns());
}

static void test_wait_for_interrupt(uint32_t vector)
{
	uint64_t end_ns = arch_clock_ns() + TEST_PATIENCE_NS;

	while (!lapic_is_pending(vector)) {
		CHECK(arch_clock_ns() < end_ns);
		arch_pause();
	}
}

/* Interrupts stay off: what arrives is seen as pending, and taken when the scheduler idles. */
static void test_timer(void)
{
	uint64_t deadline_ns = arch_clock_ns() + 3000000;

	arch_timer_set(deadline_ns);
	test_wait_for_interrupt(VECTOR_TIMER);
	CHECK(arch_clock_ns() + 100000 >= deadline_ns);
}

static void test_processors(void)
{
	arch_send_reschedule(arch_this_cpu());
	test_wait_for_interrupt(VECTOR_RESCHEDULE);
	for (uint32_t i = 1; i < cpu_count; i++) {
		const volatile uint64_t *n_interrupts = &cpu_table[i]->statistics.n_interrupts;
		uint64_t n_before = *n_interrupts;
		uint64_t end_ns = arch_clock_ns() + TEST_PATIENCE_NS;

		arch_send_reschedule(cpu_table[i]);
		while (*n_interrupts == n_before) {
			CHECK(arch_clock_ns() < end_ns);
			arch_pause();
		}
	}
}

static void test_messages(void)
{
	struct hel_msi_info info;
	uint32_t first, second;

	CHECK(arch_msi_allocate(arch_this_cpu(), &first, &info) == 0);
	CHECK(first >= VECTOR_DEVICE_FIRST && first <= VECTOR_DEVICE_LAST && info.data == first);
	CHECK(arch_msi_allocate(arch_this_cpu(), &second, &info) == 0 && second != first);
	arch_msi_free(arch_this_cpu(), first);
	arch_msi_free(arch_this_cpu(), second);
	CHECK(arch_msi_allocate(arch_this_cpu(), &second, &info) == 0 && second != first);
	arch_msi_free(arch_this_cpu(), second);
}

void arch_self_test(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "page-tables", test_page_tables },
		{ "user-copies", test_user_copies },
		{ "asids", test_asids },
		{ "kernel-pages", test_kernel_pages },
		{ "clock", test_clock },
		{ "timer", test_timer },
		{ "processors", test_processors },
		{ "messages", test_messages },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		tests[i].run();
		klog("thor: ok self-test %s", tests[i].name);
	}
}

/* Never ends by itself; the compiler must not see that. */
static uint64_t crash_recurse(volatile uint64_t *above)
{
	volatile uint64_t frame[64];

	frame[0] = above != NULL ? above[0] + 1 : 0;
	return frame[0] == UINT64_MAX ? 0 : crash_recurse(frame) + frame[1];
}

/* The next ones only builds with a sanitizer notice. */
static void crash_read_freed(void)
{
	volatile uint64_t *object = heap_allocate(64);

	heap_free((void *)object);
	klog("%llu", (unsigned long long)object[4]);
}

static void crash_write_beyond(size_t n_bytes)
{
	volatile uint8_t bytes[8] = {};

	for (volatile size_t i = 0; i <= n_bytes; i++) {
		bytes[i] = 1;
	}
	klog("%u", bytes[0]);
}

static void crash_shift(volatile unsigned n_bits)
{
	klog("%llu", (unsigned long long)(UINT64_C(1) << n_bits));
}

void arch_self_test_crash(const char *how)
{
	if (str_starts_with(how, "fault")) {
		*(volatile uint32_t *)0x1234 = 1;
	} else if (str_starts_with(how, "stack")) {
		/* the boot stack has no guard page, the CPU's own one has */
		__asm__ volatile("mov %0, %%rsp" : : "r"(arch_this_cpu()->arch.stack_top));
		klog("%llu", (unsigned long long)crash_recurse(NULL));
	} else if (str_starts_with(how, "freed")) {
		crash_read_freed();
	} else if (str_starts_with(how, "beyond")) {
		crash_write_beyond(sizeof(uint64_t));
	} else if (str_starts_with(how, "shift")) {
		crash_shift(64);
	}
	panic("asked for by thor.crash");
}
