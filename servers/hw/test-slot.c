/* SPDX-License-Identifier: MIT */
/* Tests of slots: registers that behave as a port's do, and a card. Time is virtual. */
#include "slot.h"

#include <base/errors.h>
#include <base/testing.h>
#include <helix/tests/sim-kernel.h>

constexpr uint32_t EXPRESS = 0x40;
constexpr uint32_t CONTROL = EXPRESS + 0x18;
constexpr uint32_t STATUS = EXPRESS + 0x1a;
constexpr uint32_t LINK_STATUS = EXPRESS + 0x12;
constexpr uint16_t BUTTON = 1, PRESENCE = 1u << 3, COMPLETED = 1u << 4, PRESENT = 1u << 6;
constexpr uint16_t LINK = 1u << 8, POWER_OFF = 1u << 10, PLACES = 3u << 8;
constexpr uint16_t LINK_ACTIVE = 1u << 13;
constexpr uint16_t ON = 1u << 8, BLINKS = 2u << 8, OFF = 3u << 8;

static struct helix_loop loop;
static struct job case_job, slot_job;
static struct slot slot;
static uint8_t config[256]; /* of the bridge */
static bool is_in, is_polite; /* the card; it leaves when it has no power, as QEMU's */
static bool is_bridge_gone;
static bool tells_presence = true;
static uint16_t stuck; /* events that nothing clears */
static uint32_t n_looks; /* at the status */
static int plug_error;
static uint32_t n_plugged, n_unplugged, n_gone;

void sim_kernel_deadlocked(void)
{
	test_fail(__FILE__, __LINE__, "nothing can happen any more");
}

/* ---- the port -------------------------------------------------------------------------------- */

static uint16_t get(uint32_t offset)
{
	uint16_t value;

	memcpy(&value, config + offset, sizeof(value));
	return value;
}

static void put(uint32_t offset, uint16_t value)
{
	memcpy(config + offset, &value, sizeof(value));
}

static bool has_power(void)
{
	return (get(CONTROL) & POWER_OFF) == 0;
}

static void tell(uint16_t events)
{
	put(STATUS, (uint16_t)(get(STATUS) | events));
}

static void put_in(void)
{
	is_in = true;
	if (tells_presence) {
		tell(PRESENT | PRESENCE);
	}
	put(LINK_STATUS, LINK_ACTIVE);
}

static void pull_out(void)
{
	is_in = false;
	put(STATUS, (uint16_t)(get(STATUS) & ~PRESENT));
	put(LINK_STATUS, 0);
	tell(PRESENCE | LINK);
}

static uint32_t fake_read(const struct pci_access *access UNUSED, struct pci_address address,
	uint32_t offset, uint32_t width)
{
	uint32_t value = 0;

	if (is_bridge_gone || (address.bus == 1 && !(is_in && has_power()))) {
		return UINT32_MAX >> (32 - 8 * width);
	}
	if (address.bus == 0) {
		n_looks += offset == STATUS;
		memcpy(&value, config + offset, width);
	}
	return value;
}

static void fake_write(const struct pci_access *access UNUSED, struct pci_address address,
	uint32_t offset, uint32_t width, uint32_t value)
{
	CHECK_EQ(address.bus, 0);
	CHECK_EQ(width, 2);
	if (offset == STATUS) {
		put(STATUS, (uint16_t)(get(STATUS) & ~(value & ~(uint32_t)PRESENT)));
		tell(stuck);
		return;
	}
	CHECK_EQ(offset, CONTROL);
	bool had_power = has_power();

	put(CONTROL, (uint16_t)value);
	tell(COMPLETED);
	if (had_power && !has_power() && is_in && is_polite) {
		pull_out();
	}
}

static const struct pci_access access = { .read = fake_read, .write = fake_write };

/* ---- its user -------------------------------------------------------------------------------- */

static int card_plugged(struct task *task, struct slot *plugged)
{
	CHECK(plugged == &slot);
	CHECK(is_in && has_power());
	n_plugged++;
	return plug_error != 0 ? plug_error : task_yield(task);
}

static void card_unplugged(struct task *task, struct slot *unplugged, bool is_gone)
{
	CHECK(unplugged == &slot);
	CHECK(is_gone || (is_in && has_power()));
	n_unplugged++;
	n_gone += is_gone;
	CHECK_EQ(task_yield(task), 0);
}

static const struct slot_ops ops = { .plugged = card_plugged, .unplugged = card_unplugged };

/* ---- the frame of each case ------------------------------------------------------------------ */

static int run_slot(struct task *task, void *argument UNUSED)
{
	(void)slot_run(task, &slot);
	return 0;
}

static int run_case(struct task *task, void *argument)
{
	void (*run)(struct task *task) = (void (*)(struct task *))argument;

	run(task);
	if (slot_job.task != NULL) {
		job_cancel(&slot_job, -ERR_CANCELLED);
	}
	while (slot_job.task != NULL) {
		CHECK_EQ(task_yield(task), 0);
	}
	loop_stop(task->loop);
	return 0;
}

static bool init_slot(uint16_t flags, uint32_t capabilities)
{
	const struct pci_function function = {
		.is_bridge = true,
		.secondary_bus = 1,
		.capabilities = { { .id = PCI_CAPABILITY_EXPRESS, .offset = EXPRESS } },
		.n_capabilities = 1,
	};

	memset(config, 0, sizeof(config));
	put(EXPRESS + 2, flags);
	put(EXPRESS + 0x0e, 1u << 4); /* tells the link */
	memcpy(config + EXPRESS + 0x14, &capabilities, sizeof(capabilities));
	put(CONTROL, OFF | POWER_OFF);
	return slot_init(&slot, &ops, &access, &function);
}

static void with_slot(bool has_card, void (*run)(struct task *task))
{
	is_in = is_bridge_gone = false;
	is_polite = true;
	plug_error = 0;
	n_plugged = n_unplugged = n_gone = 0;
	CHECK(init_slot(0x142, 0x5b));
	if (has_card) {
		put(CONTROL, ON);
		put_in();
	}
	CHECK_EQ(helix_loop_init(&loop, NULL), 0);
	job_init(&slot_job, "slot", run_slot, NULL);
	job_submit(&loop.loop, &slot_job);
	job_init(&case_job, "case", run_case, (void *)run);
	job_submit(&loop.loop, &case_job);
	helix_loop_run(&loop);
	helix_loop_deinit(&loop);
}

static void sleep_ms(struct task *task, uint64_t duration_ms)
{
	CHECK_EQ(task_sleep_until(task, task_now_ns(task) + duration_ms * 1'000'000), 0);
}

static void check_places(uint16_t expected)
{
	CHECK_EQ(get(CONTROL) & (PLACES | POWER_OFF), expected);
}

/* ---- cases ----------------------------------------------------------------------------------- */

TEST(slot_is_a_port_with_hot_plug)
{
	CHECK(init_slot(0x142, 0x5b));
	CHECK(init_slot(0x162, 0x40));
	CHECK(!init_slot(0x042, 0x5b)); /* no slot */
	CHECK(!init_slot(0x142, 0x1b)); /* no hot plug */
	CHECK(!init_slot(0x152, 0x5b)); /* an upstream port */
}

static void comes_and_goes(struct task *task)
{
	sleep_ms(task, 2000);
	check_places(OFF | POWER_OFF);
	for (uint32_t round = 1; round <= 3; round++) {
		put_in();
		tell(BUTTON); /* as QEMU */
		sleep_ms(task, 2000);
		CHECK_EQ(n_plugged, round);
		check_places(ON);
		tell(BUTTON);
		sleep_ms(task, 1000);
		check_places(BLINKS);
		CHECK_EQ(n_unplugged, round - 1);
		sleep_ms(task, 7000);
		check_places(OFF | POWER_OFF);
		CHECK_EQ(n_unplugged, round);
		CHECK_EQ(n_gone, 0);
		CHECK_EQ(n_plugged, round); /* the slot's own changes are no news */
	}
}

TEST(slot_card_comes_and_is_taken_out)
{
	with_slot(false, comes_and_goes);
}

static void changes_its_mind(struct task *task)
{
	sleep_ms(task, 1000);
	check_places(ON);
	CHECK_EQ(n_plugged, 0); /* it was there before */
	tell(BUTTON);
	sleep_ms(task, 2000);
	check_places(BLINKS);
	tell(BUTTON);
	sleep_ms(task, 9000);
	check_places(ON);
	CHECK_EQ(n_unplugged, 0);
}

TEST(slot_button_pressed_twice_is_nothing)
{
	with_slot(true, changes_its_mind);
}

static void is_pulled_out(struct task *task)
{
	sleep_ms(task, 1000);
	pull_out();
	sleep_ms(task, 3000);
	CHECK_EQ(n_gone, 1);
	check_places(OFF | POWER_OFF);
	/* and while it was about to leave */
	put_in();
	sleep_ms(task, 2000);
	CHECK_EQ(n_plugged, 1);
	tell(BUTTON);
	sleep_ms(task, 1000);
	pull_out();
	sleep_ms(task, 9000);
	CHECK_EQ(n_unplugged, 2);
	CHECK_EQ(n_gone, 2);
}

TEST(slot_card_is_pulled_out)
{
	with_slot(true, is_pulled_out);
}

static void is_exchanged(struct task *task)
{
	sleep_ms(task, 1000);
	is_polite = false; /* it stays there without power */
	pull_out();
	put_in();
	sleep_ms(task, 4000);
	CHECK_EQ(n_gone, 1);
	CHECK_EQ(n_plugged, 1);
	check_places(ON);
	/* without power it is not asked back before somebody presses the button */
	tell(BUTTON);
	sleep_ms(task, 9000);
	check_places(OFF | POWER_OFF);
	CHECK_EQ(n_plugged, 1);
	tell(BUTTON);
	sleep_ms(task, 2000);
	CHECK_EQ(n_plugged, 2);
	check_places(ON);
}

TEST(slot_card_is_exchanged)
{
	with_slot(true, is_exchanged);
}

static void is_no_use(struct task *task)
{
	sleep_ms(task, 1000);
	plug_error = -ERR_NOT_FOUND;
	put_in();
	sleep_ms(task, 4000);
	CHECK_EQ(n_plugged, 1);
	CHECK_EQ(n_unplugged, 0);
	check_places(OFF | POWER_OFF);
	is_bridge_gone = true;
	sleep_ms(task, 2000);
	CHECK(slot_job.task == NULL); /* its driver has ended */
}

TEST(slot_card_of_no_use_loses_its_power)
{
	with_slot(false, is_no_use);
}

static void is_of_the_firmware(struct task *task)
{
	sleep_ms(task, 1000);
	CHECK(slot_job.task == NULL);
	CHECK(has_power());
	CHECK_EQ(n_plugged, 0);
}

/* As QEMU's with ACPI hot plug: the card is there, and the registers do not say so. */
TEST(slot_that_does_not_tell_is_left_alone)
{
	tells_presence = false;
	with_slot(true, is_of_the_firmware);
	tells_presence = true;
}

static void says_the_same_for_ever(struct task *task)
{
	for (uint16_t event = BUTTON; event <= LINK; event = (uint16_t)(event << 1)) {
		stuck = event & (BUTTON | PRESENCE | LINK);
		tell(stuck);
		n_looks = 0;
		sleep_ms(task, 1000); /* there is time for others */
		CHECK(n_looks < 1000);
	}
	stuck = 0;
	sleep_ms(task, 9000);
	put_in();
	sleep_ms(task, 3000);
	check_places(ON);
}

TEST(slot_with_events_that_stay_holds_nobody_up)
{
	with_slot(false, says_the_same_for_ever);
}

TEST_MAIN()
