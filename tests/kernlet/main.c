/* SPDX-License-Identifier: MIT */
/*
 * A driver of QEMU's teaching device (-device edu) that leaves acknowledging to a kernlet.
 *
 * The kernlet is edu.bpf.c, compiled by kernletcc. Writing to the device's register 0x60 lets it
 * interrupt; register 0x24 says why, until that is acknowledged in 0x64.
 */
#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <mmio/mmio.h>
#include <protocols/hw/hw-client.h>
#include <protocols/kernletcc/kernletcc-client.h>
#include <protocols/kernletcc/kernletcc.gen.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/transport/client.h>
#include <tests/native/task-tests.h>

#define EDU_SIZE        4096 /* of what is used */
#define EDU_STATUS      0x24
#define EDU_RAISE       0x60
#define EDU_ACKNOWLEDGE 0x64

#define N_INTERRUPTS 20
#define N_KERNLETS   8
#define FOR_DRIVER   0x80000000u /* the kernlet leaves this one to us */
#define KEY          0x0123456789abcdefu

static const uint8_t edu_elf[] = {
#embed "edu.kernlet"
};

/* As in edu.bpf.c. */
struct statistics {
	uint64_t n_interrupts, last_ns, key, sequence;
};

struct driver {
	struct transport_client hw; /* hw's lane of the device */
	hel_handle memory, irq, event, statistics_memory, kernlet, bound;
	struct mmio edu;
	volatile struct statistics *statistics;
};

static struct driver driver;

/* ---- the device */

static void test_device_opens(struct task *task)
{
	static const struct mbus_pair filter[] = {
		{ "pci-vendor", "1234" },
		{ "pci-device", "11e8" },
	};
	struct hw_bar_reply bar;
	hel_handle lane;
	void *registers;

	CHECK(mbus_find(task, helix_start_handle("mbus"), filter, ARRAY_SIZE(filter), &lane) == 0);
	transport_client_init(&driver.hw, lane, 1);
	CHECK(hw_client_bar(task, &driver.hw, 0, &bar, &driver.memory) == 0);
	CHECK(helix_map(driver.memory, 0, EDU_SIZE, HEL_MAP_READ | HEL_MAP_WRITE, &registers) == 0);
	driver.edu = (struct mmio){ .base = registers, .size = EDU_SIZE };
	CHECK(hw_client_interrupt(task, &driver.hw, 0, &driver.irq) == 0);
	/* its interrupts are writes to memory */
	CHECK(hw_client_bus_master(task, &driver.hw, true) == 0);
}

/* ---- the kernlet */

static void test_kernlet_binds(struct task *task)
{
	static char message[KERNLETCC_MESSAGE_SIZE];
	void *pointer;

	int error = kernletcc_compile(task, helix_start_handle("kernletcc"), edu_elf,
		sizeof(edu_elf), &driver.kernlet, message);

	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s: %s", error_text(error), message);
	}
	CHECK(error == 0);
	CHECK(hel_event_create(0, &driver.event) == 0);
	CHECK(hel_memory_allocate(HEL_PAGE_SIZE, 0, &driver.statistics_memory) == 0);
	CHECK(helix_map(driver.statistics_memory, 0, HEL_PAGE_SIZE, HEL_MAP_READ, &pointer) == 0);
	driver.statistics = pointer;
	const struct hel_kernlet_binding bindings[] = {
		{ driver.memory, 0 },
		{ driver.event, 0 },
		{ driver.statistics_memory, 0 },
		{ HEL_NULL, KEY },
	};

	CHECK(hel_kernlet_bind(driver.kernlet, bindings, sizeof(bindings), &driver.bound) == 0);
	CHECK(hel_irq_attach_kernlet(driver.irq, driver.bound) == 0);
}

static void test_kernlet_acknowledges(struct task *task)
{
	uint64_t sequence = 0;
	uint32_t bits = 0;

	for (uint32_t i = 0; i < N_INTERRUPTS; i++) {
		mmio_write32(driver.edu, EDU_RAISE, 1u << i);
		CHECK(helix_await_event(task, driver.event, &sequence, &bits) == 0);
		CHECK(bits == 1u << i);
		CHECK(mmio_read32(driver.edu, EDU_STATUS) == 0);
		CHECK(driver.statistics->n_interrupts == i + 1);
	}
	CHECK(driver.statistics->key == KEY);
	CHECK(driver.statistics->sequence == 1); /* the driver has seen none */
	CHECK(driver.statistics->last_ns <= helix_now_ns());
}

static void test_kernlet_leaves_it_to_the_driver(struct task *task)
{
	uint64_t sequence = 0;

	mmio_write32(driver.edu, EDU_RAISE, FOR_DRIVER);
	CHECK(helix_await_event(task, driver.irq, &sequence, NULL) == 0);
	CHECK(sequence == 1);
	CHECK(mmio_read32(driver.edu, EDU_STATUS) == FOR_DRIVER);
	mmio_write32(driver.edu, EDU_ACKNOWLEDGE, FOR_DRIVER);
	CHECK(hel_irq_acknowledge(driver.irq, HEL_IRQ_ACK, sequence) == 0);
	/* Without the kernlet all are the driver's. */
	hel_close(HEL_THIS, driver.bound);
	mmio_write32(driver.edu, EDU_RAISE, 1);
	CHECK(helix_await_event(task, driver.irq, &sequence, NULL) == 0);
	CHECK(sequence == 2);
	CHECK(driver.statistics->n_interrupts == N_INTERRUPTS);
	mmio_write32(driver.edu, EDU_ACKNOWLEDGE, 1);
	CHECK(hel_irq_acknowledge(driver.irq, HEL_IRQ_ACK, sequence) == 0);
}

static void test_compiler_says_what_is_wrong(struct task *task)
{
	static char message[KERNLETCC_MESSAGE_SIZE];
	static uint8_t elf[sizeof(edu_elf)];
	hel_handle kernletcc = helix_start_handle("kernletcc");
	hel_handle kernlet;

	CHECK(kernletcc_compile(task, kernletcc, elf, sizeof(elf), &kernlet, message) ==
		-ERR_ILLEGAL_ARGS);
	CHECK(str_starts_with(message, "not an ELF file"));
	CHECK(kernletcc_compile(task, kernletcc, elf, 0, &kernlet, message) == -ERR_ILLEGAL_ARGS);
	/* The first instruction that loads from the device, from beyond its registers. */
	memcpy(elf, edu_elf, sizeof(elf));
	for (size_t i = 0; i + 4 < sizeof(elf); i++) {
		if (memcmp(elf + i, "\x61\x16\x24\x00", 4) == 0) {
			elf[i + 3] = 0x10;
			break;
		}
	}
	CHECK(kernletcc_compile(task, kernletcc, elf, sizeof(elf), &kernlet, message) ==
		-ERR_ILLEGAL_ARGS);
	CHECK(str_starts_with(message, "edu.bpf.c:"));
}

static int call_compile(struct task *task, hel_handle memory, uint32_t size)
{
	struct transport_client client;
	struct bragi_exchange exchange;
	struct kernletcc_compile_request request;
	struct kernletcc_compile_reply reply;
	static uint8_t buffer[4096];

	transport_client_init(&client, helix_start_handle("kernletcc"), 0);
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	kernletcc_compile_request_init(&request);
	request.size_bytes = size;
	if (memory != HEL_NULL && !bragi_handles_add(&exchange.to_send, memory)) {
		return -ERR_NO_SPACE;
	}
	return kernletcc_compiler_compile(task, &client.client, &exchange, &request, &reply);
}

/* Memory whose pages never come, and other nonsense: the compiler goes on for everybody. */
static void test_compiler_survives_its_clients(struct task *task)
{
	const uint32_t size = align_up(sizeof(edu_elf), HEL_PAGE_SIZE);
	struct hel_managed_handles managed;
	hel_handle memory, read_only;

	CHECK(hel_memory_create_managed(HEL_PAGE_SIZE, 0, &managed) == 0);
	CHECK(call_compile(task, managed.frontal, 100) == -ERR_ILLEGAL_ARGS);
	hel_close(HEL_THIS, managed.frontal);
	hel_close(HEL_THIS, managed.backing);
	CHECK(call_compile(task, HEL_NULL, 100) == -ERR_ILLEGAL_ARGS);
	CHECK(call_compile(task, helix_start_handle("kernletcc"), 100) == -ERR_BAD_TYPE);
	CHECK(hel_memory_allocate(size, 0, &memory) == 0);
	CHECK(call_compile(task, memory, 0) == -ERR_ILLEGAL_ARGS);
	CHECK(call_compile(task, memory, UINT32_MAX) == -ERR_ILLEGAL_ARGS);
	CHECK(call_compile(task, memory, size + 1) == -ERR_OUT_OF_BOUNDS);
	CHECK(hel_memory_write(memory, 0, edu_elf, sizeof(edu_elf)) == 0);
	CHECK(hel_transfer(HEL_THIS, memory, HEL_THIS, HEL_RIGHT_READ | HEL_RIGHT_DERIVE,
		      &read_only) == 0);
	CHECK(call_compile(task, read_only, sizeof(edu_elf)) == -ERR_NO_RIGHTS);
	CHECK(call_compile(task, memory, sizeof(edu_elf)) == 0);
	hel_close(HEL_THIS, read_only);
	hel_close(HEL_THIS, memory);
}

static struct hel_limits used(void)
{
	struct hel_account_info info = {};

	task_tests_check(
		hel_universe_account(HEL_THIS, &info) == 0, "hel_universe_account", __LINE__);
	return info.used;
}

/* Whoever has a kernlet compiled pays for it, with its own account. */
static void test_client_pays_for_its_kernlet(struct task *task)
{
	static char message[KERNLETCC_MESSAGE_SIZE];
	hel_handle kernletcc = helix_start_handle("kernletcc");
	hel_handle kernlets[N_KERNLETS];
	const struct hel_limits before = used();

	for (uint32_t i = 0; i < N_KERNLETS; i++) {
		CHECK(kernletcc_compile(task, kernletcc, edu_elf, sizeof(edu_elf), &kernlets[i],
			      message) == 0);
		CHECK(used().n_pages == before.n_pages + i + 1); /* of code */
		CHECK(used().n_handles == before.n_handles + i + 1);
	}
	for (uint32_t i = 0; i < N_KERNLETS; i++) {
		hel_close(HEL_THIS, kernlets[i]);
	}
	CHECK(used().n_pages == before.n_pages);
	CHECK(used().n_handles == before.n_handles);
}

static const struct task_test tests[] = {
	TASK_TEST(device_opens),
	TASK_TEST(kernlet_binds),
	TASK_TEST(kernlet_acknowledges),
	TASK_TEST(kernlet_leaves_it_to_the_driver),
	TASK_TEST(compiler_says_what_is_wrong),
	TASK_TEST(client_pays_for_its_kernlet),
	TASK_TEST(compiler_survives_its_clients),
};

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	return task_tests_main(tests, ARRAY_SIZE(tests));
}
