/* SPDX-License-Identifier: MIT */
/* Slots of PCI Express: see slot.h. */
#include "slot.h"

#include <base/errors.h>

/* Registers, from the capability of PCI Express on. */
enum slot_register {
	EXPRESS_FLAGS = 0x02,
	EXPRESS_LINK_CAPABILITIES = 0x0c,
	EXPRESS_LINK_STATUS = 0x12,
	SLOT_CAPABILITIES = 0x14,
	SLOT_CONTROL = 0x18,
	SLOT_STATUS = 0x1a,
	SLOT_END = 0x1c,
};

enum slot_capability : uint32_t {
	HAS_POWER_CONTROL = 1u << 1,
	HAS_HOT_PLUG = 1u << 6,
	TELLS_NO_COMPLETION = 1u << 18,
};

/* Of both status and control, where they mean to be told of it. */
enum slot_event : uint32_t {
	EVENT_BUTTON = 1u << 0,
	EVENT_PRESENCE = 1u << 3,
	EVENT_COMPLETED = 1u << 4,
	EVENT_LINK = 1u << 8, /* in the status */
	EVENTS = EVENT_BUTTON | EVENT_PRESENCE | EVENT_LINK,
	IS_PRESENT = 1u << 6, /* in the status */
};

enum slot_control : uint32_t {
	CONTROL_BUTTON = 1u << 0,
	CONTROL_PRESENCE = 1u << 3,
	CONTROL_INTERRUPT = 1u << 5,
	CONTROL_LINK = 1u << 12,
	CONTROL_TELLS = CONTROL_BUTTON | CONTROL_PRESENCE | CONTROL_INTERRUPT | CONTROL_LINK,
	CONTROL_POWER_OFF = 1u << 10,
	INDICATOR_ON = 1u << 8,
	INDICATOR_BLINKS = 2u << 8,
	INDICATOR_OFF = 3u << 8,
	CONTROL_PLACES = CONTROL_POWER_OFF | INDICATOR_OFF, /* that change */
};

constexpr uint32_t FLAG_SLOT = 1u << 8;
constexpr uint32_t TYPE_ROOT_PORT = 4;
constexpr uint32_t TYPE_DOWNSTREAM_PORT = 6;
constexpr uint32_t LINK_IS_TOLD = 1u << 20;  /* capability */
constexpr uint32_t LINK_IS_ACTIVE = 1u << 13; /* status */
constexpr uint32_t NOTHING = 0xffff;
constexpr uint64_t STEP_NS = 10'000'000;

static uint32_t slot_get(const struct slot *slot, enum slot_register offset, uint32_t width)
{
	return slot->access->read(slot->access, slot->bridge, slot->express + offset, width);
}

static void slot_put(const struct slot *slot, enum slot_register offset, uint32_t value)
{
	slot->access->write(slot->access, slot->bridge, slot->express + offset, 2, value);
}

bool slot_init(struct slot *slot, const struct slot_ops *ops, const struct pci_access *access,
	const struct pci_function *function)
{
	*slot = (struct slot){
		.ops = ops,
		.access = access,
		.bridge = function->address,
		.secondary_bus = function->secondary_bus,
		.express = pci_find_capability(function, PCI_CAPABILITY_EXPRESS),
		.irq = HEL_NULL,
	};
	if (!function->is_bridge || function->secondary_bus == 0 || slot->express == 0 ||
		slot->express > PCI_CONFIG_SIZE - SLOT_END) {
		return false;
	}
	uint32_t flags = slot_get(slot, EXPRESS_FLAGS, 2);
	uint32_t type = flags >> 4 & 15;

	slot->vector = flags >> 9 & 31;
	slot->capabilities = slot_get(slot, SLOT_CAPABILITIES, 4);
	slot->tells_link = (slot_get(slot, EXPRESS_LINK_CAPABILITIES, 4) & LINK_IS_TOLD) != 0;
	return (flags & FLAG_SLOT) != 0 &&
		(type == TYPE_ROOT_PORT || type == TYPE_DOWNSTREAM_PORT) &&
		(slot->capabilities & HAS_HOT_PLUG) != 0;
}

/* ---- registers ------------------------------------------------------------------------------- */

static bool slot_is_present(const struct slot *slot)
{
	uint32_t status = slot_get(slot, SLOT_STATUS, 2);

	return status != NOTHING && (status & IS_PRESENT) != 0;
}

/* What has happened since the last time; NOTHING: the bridge is gone. */
static uint32_t slot_take_events(const struct slot *slot)
{
	uint32_t status = slot_get(slot, SLOT_STATUS, 2);

	if (status == NOTHING) {
		return NOTHING;
	}
	if ((status & EVENTS) != 0) {
		slot_put(slot, SLOT_STATUS, status & EVENTS); /* who writes ones clears them */
	}
	return status & EVENTS;
}

/* Ones clear. QEMU takes none if one of them is for what has not happened. */
static void slot_clear(const struct slot *slot, uint32_t events)
{
	slot_put(slot, SLOT_STATUS, slot_get(slot, SLOT_STATUS, 2) & events);
}

/* Wait until a register says something; false: it does not. */
static bool slot_await(
	struct task *task, const struct slot *slot, enum slot_register offset, uint32_t bits)
{
	uint64_t deadline_ns = task_now_ns(task) + SLOT_ANSWER_NS;

	while ((slot_get(slot, offset, 2) & bits) == 0) {
		if (task_now_ns(task) >= deadline_ns ||
			task_sleep_until(task, task_now_ns(task) + STEP_NS) != 0) {
			return false;
		}
	}
	return true;
}

/* Power and indicator. The slot takes one command at a time. */
static void slot_command(struct task *task, const struct slot *slot, uint32_t command)
{
	bool tells = (slot->capabilities & TELLS_NO_COMPLETION) == 0;
	uint32_t control = slot_get(slot, SLOT_CONTROL, 2) & ~(uint32_t)CONTROL_PLACES;

	if ((slot->capabilities & HAS_POWER_CONTROL) == 0) {
		command &= ~(uint32_t)CONTROL_POWER_OFF;
	}
	if (tells) {
		slot_clear(slot, EVENT_COMPLETED);
	}
	slot_put(slot, SLOT_CONTROL, control | CONTROL_TELLS | command);
	if (tells && slot_await(task, slot, SLOT_STATUS, EVENT_COMPLETED)) {
		slot_clear(slot, EVENT_COMPLETED);
	}
}

/* ---- power ----------------------------------------------------------------------------------- */

/* What the slot itself does because of it is no news; a button that was pressed is. */
static int slot_power_off(struct task *task, struct slot *slot)
{
	slot->state = SLOT_OFF;
	slot_command(task, slot, CONTROL_POWER_OFF | INDICATOR_OFF);
	int error = task_sleep_until(task, task_now_ns(task) + SLOT_OFF_NS);

	if (error == 0) {
		slot_clear(slot, EVENT_PRESENCE | EVENT_LINK);
	}
	return error;
}

static bool slot_has_card(const struct slot *slot)
{
	const struct pci_address card = {
		.segment = slot->bridge.segment,
		.bus = slot->secondary_bus,
	};

	return slot->access->read(slot->access, card, PCI_VENDOR, 2) != NOTHING;
}

static bool slot_card_answers(struct task *task, const struct slot *slot)
{
	uint64_t deadline_ns = task_now_ns(task) + SLOT_ANSWER_NS;

	while (!slot_has_card(slot)) {
		if (task_now_ns(task) >= deadline_ns ||
			task_sleep_until(task, task_now_ns(task) + STEP_NS) != 0) {
			return false;
		}
	}
	return true;
}

static int slot_power_on(struct task *task, struct slot *slot)
{
	slot_command(task, slot, INDICATOR_BLINKS);
	bool is_up =
		!slot->tells_link || slot_await(task, slot, EXPRESS_LINK_STATUS, LINK_IS_ACTIVE);
	int error = task_sleep_until(task, task_now_ns(task) + SLOT_SETTLE_NS);

	if (error != 0) {
		return error;
	}
	slot_clear(slot, EVENT_PRESENCE | EVENT_LINK);
	if (is_up && slot_is_present(slot) && slot_card_answers(task, slot) &&
		slot->ops->plugged(task, slot) == 0) {
		slot->state = SLOT_ON;
		slot_command(task, slot, INDICATOR_ON);
		return task_check(task);
	}
	return slot_power_off(task, slot);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static int slot_end_card(struct task *task, struct slot *slot, bool is_gone)
{
	slot->ops->unplugged(task, slot, is_gone);
	return slot_power_off(task, slot);
}

/* A card that was out for a moment may be another one. */
static int slot_changed(struct task *task, struct slot *slot)
{
	int error = slot_end_card(task, slot, true);

	return error == 0 && slot_is_present(slot) ? slot_power_on(task, slot) : error;
}

static int slot_pressed(struct task *task, struct slot *slot)
{
	bool is_leaving = slot->state == SLOT_ON;

	slot->state = is_leaving ? SLOT_LEAVING : SLOT_ON;
	slot->leaving_ns = task_now_ns(task) + SLOT_ABORT_NS;
	slot_command(task, slot, is_leaving ? INDICATOR_BLINKS : INDICATOR_ON);
	return task_check(task);
}

static int slot_handle(struct task *task, struct slot *slot, uint32_t events)
{
	if (slot->state == SLOT_OFF) {
		bool is_wanted = (events & (EVENT_PRESENCE | EVENT_BUTTON)) != 0;

		return is_wanted && slot_is_present(slot) ? slot_power_on(task, slot) : 0;
	}
	if ((events & (EVENT_PRESENCE | EVENT_LINK)) != 0) {
		return slot_changed(task, slot);
	}
	if ((events & EVENT_BUTTON) != 0) {
		return slot_pressed(task, slot);
	}
	if (slot->state == SLOT_LEAVING && task_now_ns(task) >= slot->leaving_ns) {
		return slot_end_card(task, slot, false);
	}
	return 0;
}

/* Until the slot says something, or the time has come. */
static int slot_wait(struct task *task, struct slot *slot)
{
	uint64_t now_ns = task_now_ns(task);
	struct scope scope;

	if (slot->irq == HEL_NULL) {
		return task_sleep_until(task, now_ns + SLOT_LOOK_NS);
	}
	scope_begin(task, &scope);
	if (slot->state == SLOT_LEAVING) {
		scope_set_deadline(&scope, slot->leaving_ns);
	}
	if (helix_await_event(task, slot->irq, &slot->irq_sequence, NULL) == 0) {
		(void)!hel_irq_acknowledge(slot->irq, HEL_IRQ_ACK, slot->irq_sequence);
	}
	(void)!scope_join(&scope);
	return task_check(task);
}

/* As the firmware has left it. */
static int slot_begin(struct task *task, struct slot *slot)
{
	bool is_off = (slot->capabilities & HAS_POWER_CONTROL) != 0 &&
		(slot_get(slot, SLOT_CONTROL, 2) & CONTROL_POWER_OFF) != 0;

	if (!slot_is_present(slot) && slot_has_card(slot)) {
		return -ERR_UNSUPPORTED; /* turning it off would take the card away */
	}
	if (slot_is_present(slot) && !is_off) {
		slot->state = SLOT_ON;
		slot_clear(slot, EVENTS);
		slot_command(task, slot, INDICATOR_ON);
		return 0;
	}
	slot->state = SLOT_OFF;
	slot_clear(slot, EVENTS);
	if (slot_is_present(slot)) {
		return slot_power_on(task, slot);
	}
	slot_command(task, slot, CONTROL_POWER_OFF | INDICATOR_OFF);
	return 0;
}

int slot_run(struct task *task, struct slot *slot)
{
	int error = slot_begin(task, slot);

	while (error == 0) {
		uint32_t events = slot_take_events(slot);

		if (events == NOTHING) {
			return -ERR_END_OF_LANE;
		}
		bool is_time = slot->state == SLOT_LEAVING && task_now_ns(task) >= slot->leaving_ns;

		error = events != 0 || is_time ? slot_handle(task, slot, events)
					       : slot_wait(task, slot);
		if (error == 0 && events != 0) {
			/* registers that say the same for ever leave time for others */
			error = task_sleep_until(task, task_now_ns(task) + STEP_NS);
		}
	}
	return error;
}
