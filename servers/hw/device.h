/* SPDX-License-Identifier: MIT */
/* PCI functions and the machine's power as objects on mbus. */
#ifndef HW_DEVICE_H
#define HW_DEVICE_H

#include "machine.h"
#include "msix.h"
#include "pci.h"

#include <helix/helix.h>
#include <bragi-rt/call.h>
#include <protocols/svrctl/connect.h>

/* A published object of hw. */
struct hw_object {
	struct list_node node;
	struct helix_loop *loop;
	struct machine *machine;
	struct connect_listener listener;
	hel_handle control;
	struct pci_function function; /* of a device */
	volatile uint32_t *msix_table; /* mapped when the first vector is set up, for ever */
	struct msix msix; /* of a device, on from the first vector that is set up */
};

struct hw_client;

/**
 * device_publish() - make an object of a PCI function
 * @object: in use for ever; loop, machine and function are filled in
 */
MUST_USE int device_publish(struct task *task, hel_handle mbus, struct hw_object *object);

/** power_publish() - make the object that turns the machine off; loop and machine are filled in */
MUST_USE int power_publish(struct task *task, hel_handle mbus, struct hw_object *object);

/** hw_client_start() - serve one client of @object; @lane is taken */
void hw_client_start(
	struct hw_object *object, hel_handle lane, void (*dispatch)(struct bragi_call *call));

/** hw_object_of_call() - the object that a call is about */
struct hw_object *hw_object_of_call(const struct bragi_call *call);

/** hw_client_of_call() - the client that made it; by its address only: it owns vectors */
const struct hw_client *hw_client_of_call(const struct bragi_call *call);

/** hw_control_ended() - for connect_listener_ops: mbus is gone */
void hw_control_ended(struct connect_listener *listener);

#endif
