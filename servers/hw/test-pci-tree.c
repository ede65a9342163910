/* SPDX-License-Identifier: MIT */
/*
 * Tests of what comes and goes, on a machine with a switch in a slot. Time is virtual; devices do
 * nothing but come and go.
 *
 *	00:01.0, a slot --> 01:00.0, the switch --> 02:00.0, a slot --> 03:00.0, a device
 */
#include "pci-tree.h"
#include "device.h"

#include <base/errors.h>
#include <base/format.h>
#include <base/testing.h>
#include <helix/tests/sim-kernel.h>

constexpr uint32_t EXPRESS = 0x40;
constexpr uint32_t CONTROL = EXPRESS + 0x18;
constexpr uint32_t STATUS = EXPRESS + 0x1a;
constexpr uint16_t BUTTON = 1, PRESENCE = 1u << 3, PRESENT = 1u << 6, POWER_OFF = 1u << 10;
constexpr uint64_t SECOND_NS = 1'000'000'000;

enum { OUTER, SWITCH, INNER, DEVICE, N_FAKES };

static struct helix_loop loop;
static struct machine machine;
static struct job case_job;
static uint8_t configs[N_FAKES][256]; /* of the one function on the bus of that number */
static bool is_over;                  /* nothing is there any more */
static bool is_out;                   /* all that is in the outer slot */
static int publish_error;
static bool has_object[N_FAKES];
static uint32_t n_under_way; /* withdrawals */
static uint32_t n_published, n_withdrawn, n_gone;

void sim_kernel_deadlocked(void)
{
	test_fail(__FILE__, __LINE__, "nothing can happen any more");
}

/* ---- the machine ----------------------------------------------------------------------------- */

static uint8_t *fake_find(struct pci_address address)
{
	bool is_there = address.bus < N_FAKES && address.device == (address.bus == 0 ? 1 : 0) &&
		address.function == 0 && (address.bus == 0 || !is_out) && !is_over;

	return is_there ? configs[address.bus] : NULL;
}

static uint32_t fake_read(const struct pci_access *access UNUSED, struct pci_address address,
	uint32_t offset, uint32_t width)
{
	const uint8_t *config = fake_find(address);
	uint32_t value = 0;

	CHECK(offset != STATUS || has_object[address.bus]); /* or a slot outlives its bridge */
	if (config == NULL) {
		return UINT32_MAX >> (32 - 8 * width);
	}
	memcpy(&value, config + offset, width);
	return value;
}

static void fake_write(const struct pci_access *access UNUSED, struct pci_address address,
	uint32_t offset, uint32_t width, uint32_t value)
{
	uint8_t *config = fake_find(address);

	if (config == NULL || (offset >= PCI_BARS && offset < PCI_BARS + 4 * PCI_BARS_MAX)) {
		return;
	}
	if (offset == STATUS) { /* ones clear */
		value = (uint32_t)config[STATUS] & ~(value & ~(uint32_t)PRESENT);
	}
	memcpy(config + offset, &value, width);
	if (address.bus == OUTER && offset == CONTROL) {
		is_out = (value & POWER_OFF) != 0;
	}
}

static void fake_init(uint8_t bus, bool is_bridge, bool has_slot)
{
	uint8_t *config = configs[bus];

	memset(config, 0, sizeof(configs[0]));
	config[PCI_VENDOR] = 0xf4;
	if (is_bridge) {
		config[PCI_HEADER_TYPE] = 1;
		config[PCI_SECONDARY_BUS] = bus + 1;
		config[PCI_SUBORDINATE_BUS] = N_FAKES - 1;
	}
	if (has_slot) {
		config[PCI_STATUS] = 0x10;
		config[PCI_CAPABILITIES] = EXPRESS;
		config[EXPRESS] = PCI_CAPABILITY_EXPRESS;
		config[EXPRESS + 2] = 0x42; /* a root port */
		config[EXPRESS + 3] = 0x01;
		config[EXPRESS + 0x14] = 0x43; /* hot plug, power, a button */
		config[EXPRESS + 0x16] = 0x04; /* no word of commands */
		config[STATUS] = PRESENT;
	}
}

static void tell(uint8_t bus, uint16_t events)
{
	configs[bus][STATUS] |= (uint8_t)events;
}

/* ---- what the tree calls --------------------------------------------------------------------- */

void device_init(struct hw_object *object, struct machine *of, const struct pci_function *function)
{
	object->loop = of->loop;
	object->machine = of;
	object->access = &of->config.access;
	object->function = *function;
	object->is_new = true;
	has_object[function->address.bus] = true;
	format_to(object->name, sizeof(object->name), "bus %u", function->address.bus);
	wait_queue_init(&object->departed);
}

int device_publish(struct task *task, hel_handle mbus UNUSED, struct hw_object *object)
{
	int error = task_sleep_until(task, task_now_ns(task) + 1000);

	object->is_published = error == 0 && publish_error == 0;
	n_published += object->is_published;
	return error != 0 ? error : publish_error;
}

void device_withdraw(struct task *task, struct hw_object *object, bool is_gone)
{
	uint64_t duration_ns = object->function.is_bridge ? SECOND_NS : 5 * SECOND_NS;

	CHECK_EQ(n_under_way++, 0);
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + duration_ns), 0);
	CHECK(object->slot == NULL);
	has_object[object->function.address.bus] = false;
	n_under_way--;
	n_withdrawn++;
	n_gone += is_gone;
	helix_free(object);
}

void device_set_command(
	const struct hw_object *object UNUSED, uint32_t set UNUSED, uint32_t clear UNUSED)
{
}

const struct hw_client *hw_client_self(void)
{
	return NULL;
}

void interrupts_init(struct hw_object *object UNUSED)
{
}

int interrupts_set_up(struct task *task UNUSED, struct hw_object *object UNUSED,
	const struct hw_client *client UNUSED, const struct hw_interrupt_request *request UNUSED,
	enum hw_interrupt_kind *out_kind UNUSED, hel_handle *out_irq UNUSED)
{
	return -ERR_UNSUPPORTED;
}

void interrupts_release(struct hw_object *object UNUSED, const struct hw_client *client UNUSED)
{
}

/* ---- the frame of each case ------------------------------------------------------------------ */

static size_t count_objects(void)
{
	size_t count = 0;

	LIST_FOR_EACH(object, &machine.objects, struct hw_object, node) {
		count++;
	}
	return count;
}

static int run_case(struct task *task, void *argument)
{
	void (*run)(struct task *task) = (void (*)(struct task *))argument;

	pci_tree_publish(task, &machine);
	CHECK_EQ(n_published, N_FAKES);
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + SECOND_NS), 0);
	run(task);
	is_over = true;
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + SECOND_NS), 0);
	for (;;) {
		struct hw_object *object = LIST_POP_FRONT(&machine.objects, struct hw_object, node);

		if (object == NULL) {
			break;
		}
		helix_free(object->slot);
		helix_free(object);
	}
	loop_stop(task->loop);
	return 0;
}

static void with_switch(void (*run)(struct task *task))
{
	fake_init(OUTER, true, true);
	fake_init(SWITCH, true, false);
	fake_init(INNER, true, true);
	fake_init(DEVICE, false, false);
	is_out = is_over = false;
	publish_error = 0;
	n_published = n_withdrawn = n_gone = 0;
	CHECK_EQ(helix_loop_init(&loop, NULL), 0);
	machine = (struct machine){ .loop = &loop };
	machine.config.access = (struct pci_access){ .read = fake_read, .write = fake_write };
	list_init(&machine.objects);
	pci_tree_find(&machine);
	CHECK_EQ(count_objects(), N_FAKES);
	job_init(&case_job, "case", run_case, (void *)run);
	job_submit(&loop.loop, &case_job);
	helix_loop_run(&loop);
	helix_loop_deinit(&loop);
}

static void sleep_s(struct task *task, uint64_t duration_s)
{
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + duration_s * SECOND_NS), 0);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void switch_is_taken_out(struct task *task)
{
	tell(OUTER, BUTTON);
	sleep_s(task, 1);
	tell(INNER, BUTTON); /* it would take its device out a second later than the other one */
	sleep_s(task, 20);
	CHECK_EQ(n_withdrawn, 3);
	CHECK_EQ(n_gone, 0);
	CHECK_EQ(count_objects(), 1);
	CHECK(is_out);
}

TEST(pci_tree_slot_behind_a_slot_ends_with_it)
{
	with_switch(switch_is_taken_out);
}

static void switch_is_pulled_out(struct task *task)
{
	tell(INNER, BUTTON);
	sleep_s(task, 7); /* the inner slot is taking its device out */
	is_out = true;
	configs[OUTER][STATUS] = PRESENCE;
	sleep_s(task, 20);
	CHECK_EQ(n_withdrawn, 3);
	CHECK_EQ(n_gone, 2);
	CHECK_EQ(count_objects(), 1);
}

TEST(pci_tree_slot_behind_a_slot_finishes_what_it_does)
{
	with_switch(switch_is_pulled_out);
}

static void take_all_out(struct task *task)
{
	is_out = true;
	configs[OUTER][STATUS] = PRESENCE;
	sleep_s(task, 20);
	CHECK_EQ(count_objects(), 1);
	n_published = n_withdrawn = 0;
}

/* As a switch comes: its buses have no numbers yet. */
static void put_in(struct task *task)
{
	tell(OUTER, PRESENT | PRESENCE);
	sleep_s(task, 20);
}

static void bridge_says_what_it_likes(struct task *task)
{
	take_all_out(task);
	configs[SWITCH][PCI_SECONDARY_BUS] = 0;
	configs[SWITCH][PCI_SUBORDINATE_BUS] = 0;
	put_in(task);
	CHECK_EQ(n_published, 1);
	CHECK_EQ(count_objects(), 2);
	take_all_out(task);
	for (uint8_t bus = 0; bus <= SWITCH; bus++) {
		configs[SWITCH][PCI_SECONDARY_BUS] = bus; /* where it is, or before */
		configs[SWITCH][PCI_SUBORDINATE_BUS] = 255;
		put_in(task);
		CHECK_EQ(n_published, 1);
		CHECK_EQ(count_objects(), 2);
		take_all_out(task);
	}
}

TEST(pci_tree_bridges_that_come_lead_nowhere)
{
	with_switch(bridge_says_what_it_likes);
}

static void nothing_is_published(struct task *task)
{
	take_all_out(task);
	publish_error = -ERR_NO_MEMORY;
	put_in(task);
	CHECK_EQ(count_objects(), 1); /* what nobody knows is not kept */
	CHECK(is_out);
	publish_error = 0;
	tell(OUTER, BUTTON);
	sleep_s(task, 20);
	CHECK_EQ(n_published, 3);
	CHECK_EQ(count_objects(), 4);
}

TEST(pci_tree_card_that_cannot_be_published_is_tried_again)
{
	with_switch(nothing_is_published);
}

TEST_MAIN()
