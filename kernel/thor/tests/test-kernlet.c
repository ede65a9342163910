/* SPDX-License-Identifier: MIT */
/* The calls on kernlets, and kernlets that run at interrupts. */
#include "kernlet-sample.h"
#include "machine.h"

#include <thor/ipc/event.h>
#include <thor/irq/irq.h>
#include <thor/kernlet/kernlet.h>

constexpr uint64_t PARAMETER = 0x0123456789abcdef;

static struct user_queue queue;
static struct completion completion;

/* ---- containers */

struct container {
	struct hel_kernlet_header header;
	struct hel_kernlet_slot slots[4]; /* the sample's, but for the ports */
	uint8_t code[sizeof(sample_code)];
};

#define CONTAINER_SIZE (offsetof(struct container, code) + sizeof(sample_code))

static struct container sample_container(void)
{
	struct container container = {
		.header = {
			.magic = HEL_KERNLET_MAGIC,
			.version = HEL_KERNLET_VERSION,
			.arch = HEL_KERNLET_X86_64,
			.code_size = sizeof(sample_code),
			.frame_size = 16,
			.n_bindings = 4,
		},
	};

	memcpy(container.slots, sample_slots, sizeof(container.slots));
	memcpy(container.code, sample_code, sizeof(sample_code));
	return container;
}

/* The calls, with what comes back taken apart. */
static int create(const void *container, size_t size, uint64_t *out_offset, hel_handle *out_kernlet)
{
	uint64_t value = 0;
	int error = hel_kernlet_create(container, size, &value);

	*(error == 0 ? out_kernlet : out_offset) = value;
	return error;
}

static int bind(hel_handle kernlet, const struct hel_kernlet_binding *bindings, size_t n_bindings,
	uint64_t *out_index, hel_handle *out_bound)
{
	uint64_t value = 0;
	int error = hel_kernlet_bind(kernlet, bindings, n_bindings * sizeof(bindings[0]), &value);

	*(error == 0 ? out_bound : out_index) = value;
	return error;
}

/* A driver: its objects, and the sample bound to them. */
struct driver {
	hel_handle memory, event, kernlet, bound;
	struct hel_kernlet_binding bindings[4];
};

static void driver_begin(struct driver *driver)
{
	struct container container = sample_container();
	uint64_t offset;

	CHECK_OK(hel_memory_allocate(8192, 0, &driver->memory));
	CHECK_OK(hel_event_create(0, &driver->event));
	CHECK_OK(create(&container, CONTAINER_SIZE, &offset, &driver->kernlet));
	driver->bindings[0] = (struct hel_kernlet_binding){ driver->memory, 4096 - 32 };
	driver->bindings[1] = (struct hel_kernlet_binding){ driver->memory, 8192 - 64 };
	driver->bindings[2] = (struct hel_kernlet_binding){ HEL_NULL, PARAMETER };
	driver->bindings[3] = (struct hel_kernlet_binding){ driver->event, 0 };
}

static int driver_bind(struct driver *driver, uint64_t *out_index)
{
	return bind(driver->kernlet, driver->bindings, ARRAY_SIZE(driver->bindings), out_index,
		&driver->bound);
}

/* Binding with another binding at @index fails so. */
static void check_bind(
	struct driver *driver, uint64_t index, hel_handle object, uint64_t value, int error)
{
	struct driver copy = *driver;
	uint64_t refused = ~UINT64_C(0);

	copy.bindings[index] = (struct hel_kernlet_binding){ object, value };
	CHECK_EQ(driver_bind(&copy, &refused), error);
	CHECK_EQ(refused, index);
}

static hel_handle with_rights(hel_handle handle, uint32_t rights)
{
	hel_handle copy;

	CHECK_OK(hel_transfer(HEL_THIS, handle, HEL_THIS, rights, &copy));
	return copy;
}

/* ---- creating and binding */

USER_TEST(create_says_what_is_wrong)
{
	struct container container = sample_container();
	uint64_t offset = 0;
	hel_handle kernlet;

	CHECK_OK(create(&container, CONTAINER_SIZE, &offset, &kernlet));
	CHECK_EQ(create(&container, CONTAINER_SIZE - 1, &offset, &kernlet), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(offset, 0);
	CHECK_EQ(create(&container, KERNLET_SIZE_MAX + 1, &offset, &kernlet), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(create(&container, 0, &offset, &kernlet), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(create((void *)8, CONTAINER_SIZE, &offset, &kernlet), -ERR_FAULT);
	container.code[10] = 0x0f; /* the second form */
	CHECK_EQ(create(&container, CONTAINER_SIZE, &offset, &kernlet), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(offset, offsetof(struct container, code) + 10);
	container.header.arch = 77;
	CHECK_EQ(create(&container, CONTAINER_SIZE, &offset, &kernlet), -ERR_UNSUPPORTED);
}

USER_TEST(bind_checks_every_object)
{
	struct driver driver;
	uint64_t index = 77;
	hel_handle view;

	driver_begin(&driver);
	CHECK_OK(driver_bind(&driver, &index));
	CHECK_EQ(
		bind(driver.kernlet, driver.bindings, 3, &index, &driver.bound), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(bind(driver.kernlet, driver.bindings, ~UINT64_C(0), &index, &driver.bound),
		-ERR_ILLEGAL_ARGS);
	CHECK_EQ(bind(driver.kernlet, (void *)8, 4, &index, &driver.bound), -ERR_FAULT);
	CHECK_EQ(bind(driver.event, driver.bindings, 4, &index, &driver.bound), -ERR_BAD_TYPE);
	CHECK_EQ(bind(with_rights(driver.kernlet, HEL_RIGHT_DERIVE), driver.bindings, 4, &index,
			 &driver.bound),
		-ERR_NO_RIGHTS);
	check_bind(&driver, 0, HEL_NULL, 0, -ERR_BAD_HANDLE);
	check_bind(&driver, 0, driver.event, 0, -ERR_BAD_TYPE);
	check_bind(&driver, 0, driver.memory, 4, -ERR_ILLEGAL_ARGS);
	check_bind(&driver, 0, driver.memory, 8192 - 56, -ERR_OUT_OF_BOUNDS);
	check_bind(&driver, 0, driver.memory, ~UINT64_C(7), -ERR_OUT_OF_BOUNDS);
	check_bind(&driver, 0, with_rights(driver.memory, HEL_RIGHT_READ | HEL_RIGHT_MAP), 0,
		-ERR_NO_RIGHTS);
	check_bind(&driver, 1, with_rights(driver.memory, HEL_RIGHT_READ), 0, -ERR_NO_RIGHTS);
	check_bind(&driver, 1, with_rights(driver.memory, HEL_RIGHT_MAP), 0, -ERR_NO_RIGHTS);
	check_bind(&driver, 2, driver.event, 0, -ERR_ILLEGAL_ARGS);
	check_bind(&driver, 3, HEL_NULL, 0, -ERR_BAD_HANDLE);
	check_bind(&driver, 3, driver.memory, 0, -ERR_BAD_TYPE);
	check_bind(&driver, 3, driver.event, 1, -ERR_ILLEGAL_ARGS);
	check_bind(&driver, 3, with_rights(driver.event, HEL_RIGHT_WAIT), 0, -ERR_NO_RIGHTS);
	CHECK_OK(hel_memory_copy_on_write(driver.memory, 0, 8192, &view));
	check_bind(&driver, 1, view, 0, -ERR_UNSUPPORTED);
	/* Reading suffices for what is only read. */
	driver.bindings[1].object = with_rights(driver.memory, HEL_RIGHT_READ | HEL_RIGHT_MAP);
	CHECK_OK(driver_bind(&driver, &index));
}

TEST(nothing_is_left)
{
	CHECK_EQ(sim_window_pages(), 0);
}

/* ---- running */

static uint32_t memory_u32(hel_handle memory, uint64_t offset)
{
	uint32_t value = 0;

	CHECK_OK(hel_memory_read(memory, offset, &value, sizeof(value)));
	return value;
}

static void device_set(struct driver *driver, uint32_t value)
{
	CHECK_OK(hel_memory_write(driver->memory, 4096 - 32, &value, sizeof(value)));
}

USER_TEST(kernlet_answers_for_the_driver)
{
	struct hel_msi_info info;
	struct driver driver;
	uint64_t index;
	hel_handle irq;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_irq_create_msi(machine_authority, &info, &irq));
	driver_begin(&driver);
	CHECK_OK(driver_bind(&driver, &index));
	CHECK_OK(hel_irq_attach_kernlet(irq, driver.bound));
	uint64_t to_driver = submit_event(&queue, irq, 0);

	CHECK_OK(queue_drive(&queue));
	for (uint32_t i = 1; i <= 5; i++) {
		device_set(&driver, i << 16 | 1);
		sim_raise_vector(0, info.data);
		CHECK(queue_await(&queue, submit_event(&queue, driver.event, i - 1), &completion));
		CHECK_EQ(completion_event(&completion)->bits, i << 16 | 1);
		CHECK_EQ(memory_u32(driver.memory, 4096 - 32 + 16), i << 16 | 1);
		CHECK_EQ(memory_u32(driver.memory, 4096 - 32 + 8), (uint32_t)PARAMETER);
	}
	/* Not the device's: nobody hears of it, and the next one comes all the same. */
	device_set(&driver, 0);
	sim_raise_vector(0, info.data);
	sim_compute(1'000'000);
	CHECK(queue_is_quiet(&queue));
	/* Detached, the driver gets it. */
	CHECK_OK(hel_irq_detach_kernlet(driver.bound));
	CHECK_EQ(hel_irq_detach_kernlet(driver.bound), -ERR_ILLEGAL_STATE);
	sim_raise_vector(0, info.data);
	CHECK(queue_await(&queue, to_driver, &completion));
	CHECK_EQ(completion_event(&completion)->sequence, 1);
	queue_close(&queue);
}

USER_TEST(attaching_is_refused)
{
	struct hel_msi_info info;
	struct driver driver;
	hel_handle irqs[2], second;
	uint64_t index;

	driver_begin(&driver);
	CHECK_OK(hel_irq_create_msi(machine_authority, &info, &irqs[0]));
	CHECK_OK(hel_irq_create_msi(machine_authority, &info, &irqs[1]));
	CHECK_OK(driver_bind(&driver, &index));
	second = driver.bound;
	CHECK_OK(driver_bind(&driver, &index));
	CHECK_EQ(hel_irq_attach_kernlet(driver.event, second), -ERR_BAD_TYPE);
	CHECK_EQ(hel_irq_attach_kernlet(irqs[0], driver.kernlet), -ERR_BAD_TYPE);
	CHECK_EQ(hel_irq_attach_kernlet(with_rights(irqs[0], HEL_RIGHT_WAIT), second),
		-ERR_NO_RIGHTS);
	CHECK_EQ(hel_irq_attach_kernlet(irqs[0], with_rights(second, HEL_RIGHT_DERIVE)),
		-ERR_NO_RIGHTS);
	CHECK_EQ(hel_irq_detach_kernlet(second), -ERR_ILLEGAL_STATE);
	CHECK_OK(hel_irq_attach_kernlet(irqs[0], second));
	CHECK_EQ(hel_irq_attach_kernlet(irqs[0], driver.bound), -ERR_EXISTS);
	CHECK_EQ(hel_irq_attach_kernlet(irqs[1], second), -ERR_BUSY);
	CHECK_EQ(hel_irq_attach_kernlet(irqs[0], second), -ERR_BUSY);
	CHECK_EQ(hel_irq_detach_kernlet(with_rights(second, HEL_RIGHT_DERIVE)), -ERR_NO_RIGHTS);
	CHECK_OK(hel_irq_detach_kernlet(second));
	CHECK_OK(hel_irq_attach_kernlet(irqs[1], second));
	CHECK_OK(hel_irq_attach_kernlet(irqs[0], driver.bound));
}

/* What it needs lives on; the kernlet itself is gone with its last descriptor. */
USER_TEST(last_descriptor_detaches)
{
	struct hel_msi_info info;
	struct driver driver;
	uint64_t index;
	hel_handle irq;

	CHECK_OK(queue_open(&queue, 4, 4096, 4096));
	CHECK_OK(hel_irq_create_msi(machine_authority, &info, &irq));
	driver_begin(&driver);
	CHECK_OK(driver_bind(&driver, &index));
	CHECK_OK(hel_irq_attach_kernlet(irq, driver.bound));
	device_set(&driver, 1);
	CHECK_OK(hel_memory_resize(driver.memory, 0));
	hel_close(HEL_THIS, driver.kernlet);
	hel_close(HEL_THIS, driver.memory);
	sim_raise_vector(0, info.data);
	CHECK(queue_await(&queue, submit_event(&queue, driver.event, 0), &completion));
	uint64_t to_driver = submit_event(&queue, irq, 0);

	CHECK_OK(queue_drive(&queue));
	hel_close(HEL_THIS, driver.bound);
	sim_raise_vector(0, info.data);
	CHECK(queue_await(&queue, to_driver, &completion));
	queue_close(&queue);
}

/* Every allocation may fail. */
static void fail_at(void *context)
{
	uint64_t *n_allocations = context;
	struct container container = sample_container();
	struct driver driver;
	uint64_t index;

	driver_begin(&driver);
	fixture_fail_only(*n_allocations);
	int error = create(&container, CONTAINER_SIZE, &index, &driver.kernlet);

	if (error == 0) {
		error = driver_bind(&driver, &index);
	}
	if (!fixture_has_failed()) {
		*n_allocations = ~UINT64_C(0);
	} else {
		/* Caches may make do without what they asked for. */
		CHECK(error == 0 || error == -ERR_NO_MEMORY);
	}
	fixture_fail_after(~UINT64_C(0));
}

TEST(memory_runs_out)
{
	for (uint64_t n = 0;; n++) {
		uint64_t n_allocations = n;

		machine_begin(1, 1);
		CHECK(machine_run(fail_at, &n_allocations));
		CHECK(machine_end());
		CHECK_EQ(sim_window_pages(), 0);
		if (n_allocations == ~UINT64_C(0)) {
			break;
		}
	}
}

TEST_MAIN()
