/* SPDX-License-Identifier: MIT */
/* Making functions quiet: see reset.h. */
#include "reset.h"

#include <base/errors.h>

/* Registers of the PCI Express capability, and of Advanced Features. */
enum express_register {
	EXPRESS_DEVICE_CAPABILITIES = 4,
	EXPRESS_DEVICE_CONTROL = 8,
	EXPRESS_DEVICE_STATUS = 10,
	EXPRESS_LINK_CONTROL = 16,
	EXPRESS_SIZE = 20,
};

enum features_register {
	FEATURES_CAPABILITIES = 3,
	FEATURES_CONTROL = 4,
	FEATURES_STATUS = 5,
};

constexpr uint32_t EXPRESS_CAN_RESET = 1u << 28;
constexpr uint32_t EXPRESS_RESET = 1u << 15;
constexpr uint32_t EXPRESS_PENDING = 1u << 5;
constexpr uint32_t FEATURES_HAS_PENDING = 1u << 0;
constexpr uint32_t FEATURES_CAN_RESET = 1u << 1;
constexpr uint32_t FEATURES_RESET = 1u << 0;
constexpr uint32_t FEATURES_PENDING = 1u << 0;

constexpr uint64_t STEP_NS = 1'000'000;
constexpr uint32_t HEADER_WORDS = 16;
constexpr uint32_t FIRST_BAR_WORD = PCI_BARS / 4;

/* What a reset forgets and is written back. */
struct saved {
	uint32_t header[HEADER_WORDS];
	uint32_t device_control, link_control;
};

struct function_view {
	const struct pci_access *access;
	struct pci_address address;
	uint8_t express, features; /* offsets, 0: none */
};

static struct function_view view_of(
	const struct pci_access *access, const struct pci_function *function)
{
	struct function_view view = {
		.access = access,
		.address = function->address,
		.express = pci_find_capability(function, PCI_CAPABILITY_EXPRESS),
		.features = pci_find_capability(function, PCI_CAPABILITY_ADVANCED_FEATURES),
	};

	if (view.express > PCI_CONFIG_SIZE - EXPRESS_SIZE) {
		view.express = 0;
	}
	return view;
}

static uint32_t view_get(const struct function_view *view, uint32_t offset, uint32_t width)
{
	return view->access->read(view->access, view->address, offset, width);
}

static void view_put(
	const struct function_view *view, uint32_t offset, uint32_t width, uint32_t value)
{
	view->access->write(view->access, view->address, offset, width, value);
}

/* ---- stopping -------------------------------------------------------------------------------- */

static bool view_has_pending(const struct function_view *view)
{
	if (view->express != 0) {
		return (view_get(view, view->express + EXPRESS_DEVICE_STATUS, 2) &
			       EXPRESS_PENDING) != 0;
	}
	return view->features != 0 &&
		(view_get(view, view->features + FEATURES_CAPABILITIES, 1) &
			FEATURES_HAS_PENDING) != 0 &&
		(view_get(view, view->features + FEATURES_STATUS, 1) & FEATURES_PENDING) != 0;
}

void reset_stop(
	struct task *task, const struct pci_access *access, const struct pci_function *function)
{
	struct function_view view = view_of(access, function);
	uint32_t command = view_get(&view, PCI_COMMAND, 2);
	uint64_t deadline_ns = task_now_ns(task) + RESET_DRAIN_NS;
	int error = 0;

	view_put(&view, PCI_COMMAND, 2, command & ~PCI_COMMAND_BUS_MASTER);
	/* Read back: when this has come, so has what the function wrote before. */
	(void)view_get(&view, PCI_COMMAND, 2);
	while (error == 0 && view_has_pending(&view) && task_now_ns(task) < deadline_ns) {
		error = task_sleep_until(task, task_now_ns(task) + STEP_NS);
	}
}

/* ---- resetting ------------------------------------------------------------------------------- */

static bool view_can_reset(const struct function_view *view)
{
	if (view->express != 0 &&
		(view_get(view, view->express + EXPRESS_DEVICE_CAPABILITIES, 4) &
			EXPRESS_CAN_RESET) != 0) {
		return true;
	}
	return view->features != 0 &&
		(view_get(view, view->features + FEATURES_CAPABILITIES, 1) & FEATURES_CAN_RESET) !=
		0;
}

bool reset_is_possible(const struct pci_access *access, const struct pci_function *function)
{
	struct function_view view = view_of(access, function);

	return view_can_reset(&view);
}

static void view_save(const struct function_view *view, struct saved *out_saved)
{
	*out_saved = (struct saved){};
	for (uint32_t i = 0; i < HEADER_WORDS; i++) {
		out_saved->header[i] = view_get(view, 4 * i, 4);
	}
	if (view->express != 0) {
		out_saved->device_control =
			view_get(view, view->express + EXPRESS_DEVICE_CONTROL, 2);
		out_saved->link_control = view_get(view, view->express + EXPRESS_LINK_CONTROL, 2);
	}
}

/* The command comes last: not before the BARs are right does the function answer to addresses. */
static void view_restore(const struct function_view *view, const struct saved *saved)
{
	if (view->express != 0) {
		view_put(view, view->express + EXPRESS_DEVICE_CONTROL, 2,
			saved->device_control & ~EXPRESS_RESET);
		view_put(view, view->express + EXPRESS_LINK_CONTROL, 2, saved->link_control);
	}
	for (uint32_t i = HEADER_WORDS - 1; i >= FIRST_BAR_WORD; i--) {
		view_put(view, 4 * i, 4, saved->header[i]);
	}
	view_put(view, 12, 4, saved->header[3]);
	view_put(view, PCI_COMMAND, 2, saved->header[1] & 0xffff & ~PCI_COMMAND_BUS_MASTER);
}

static void view_start_reset(const struct function_view *view)
{
	uint32_t can_express = view->express != 0
		? view_get(view, view->express + EXPRESS_DEVICE_CAPABILITIES, 4) & EXPRESS_CAN_RESET
		: 0;

	if (can_express != 0) {
		uint32_t offset = view->express + EXPRESS_DEVICE_CONTROL;

		view_put(view, offset, 2, view_get(view, offset, 2) | EXPRESS_RESET);
	} else {
		view_put(view, view->features + FEATURES_CONTROL, 1, FEATURES_RESET);
	}
}

static int view_await_ready(struct task *task, const struct function_view *view)
{
	uint64_t deadline_ns = task_now_ns(task) + RESET_READY_NS;
	int error = 0;

	while (error == 0 && view_get(view, PCI_VENDOR, 2) == 0xffff) {
		if (task_now_ns(task) >= deadline_ns) {
			return -ERR_IO;
		}
		error = task_sleep_until(task, task_now_ns(task) + STEP_NS);
	}
	return error;
}

int reset_function(
	struct task *task, const struct pci_access *access, const struct pci_function *function)
{
	struct function_view view = view_of(access, function);
	struct saved saved;

	if (!view_can_reset(&view)) {
		return -ERR_UNSUPPORTED;
	}
	reset_stop(task, access, function);
	view_save(&view, &saved);
	view_start_reset(&view);
	int error = task_sleep_until(task, task_now_ns(task) + RESET_TIME_NS);

	if (error == 0) {
		error = view_await_ready(task, &view);
	}
	if (error == 0) {
		view_restore(&view, &saved);
	}
	return error;
}
