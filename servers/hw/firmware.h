/* SPDX-License-Identifier: MIT */
/*
 * What hw asks the firmware's bytecode, which the server acpi interprets.
 *
 *	UNKNOWN --first question--> OPENING ----> READY
 *	                               |
 *	                               '----------> ABSENT, if it dies or does not answer in time:
 *	                                            nobody knows anything
 *
 * Nothing of it is needed to find devices, and interpreting takes a while, so the server is started
 * by the first question that needs it. There may be no such server at all.
 */
#ifndef HW_FIRMWARE_H
#define HW_FIRMWARE_H

#include "pci.h"

#include <acpi-tables/acpi-tables.h>
#include <async/sync.h>
#include <helix/helix.h>
#include <protocols/acpi/acpi.gen.h>
#include <protocols/transport/client.h>

enum firmware_state {
	FIRMWARE_UNKNOWN,
	FIRMWARE_OPENING,
	FIRMWARE_READY,
	FIRMWARE_ABSENT,
};

struct firmware {
	enum firmware_state state;
	struct wait_queue opened;
	struct loop *loop;
	const struct pci_access *access;
	hel_handle mbus;
	struct transport_client client;
	struct acpi_route *routes;
	uint32_t n_routes;
};

/** firmware_init() - nobody has asked yet; @access and @mbus: borrowed for ever */
void firmware_init(struct firmware *firmware, struct loop *loop, const struct pci_access *access,
	hel_handle mbus);

/**
 * firmware_find_route() - the line of a pin of a device that is on a bus with routes
 * @pin: 1 to 4
 *
 * Return: borrowed until the next question; NULL: nobody knows.
 */
const struct acpi_route *firmware_find_route(
	struct task *task, struct firmware *firmware, struct pci_address device, uint32_t pin);

/** firmware_prepare_off() - what S5 wants; false: nobody knows */
bool firmware_prepare_off(
	struct task *task, struct firmware *firmware, struct acpi_sleep_type *out_type);

#endif
