/* SPDX-License-Identifier: MIT */
/* PCI functions and the machine's power as objects on mbus. */
#ifndef HW_DEVICE_H
#define HW_DEVICE_H

#include "interrupts.h"
#include "machine.h"
#include "owner.h"
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
	/* of a device */
	hel_handle mbus; /* by which it is published */
	uint64_t id;     /* its object's */
	char name[16];   /* ssss:bb:dd.f */
	char parent[16]; /* of the bridge that it is behind; "": none */
	const struct pci_access *access;
	struct pci_function function;
	struct interrupts interrupts;
	const struct hw_client *owner; /* its driver; NULL: none */
	struct ownership ownership;
};

/**
 * device_publish() - make an object of a PCI function
 * @object: in use for ever; loop, machine, access and function are filled in
 */
MUST_USE int device_publish(struct task *task, hel_handle mbus, struct hw_object *object);

/** power_publish() - make the object that turns the machine off; loop and machine are filled in */
MUST_USE int power_publish(struct task *task, hel_handle mbus, struct hw_object *object);

/** hw_client_start() - serve one client of @object; @name: copied; @lane: taken */
void hw_client_start(struct hw_object *object, const char *name, hel_handle lane,
	void (*dispatch)(struct bragi_call *call));

/** hw_object_of_call() - the object that a call is about */
struct hw_object *hw_object_of_call(const struct bragi_call *call);

/** hw_client_of_call() - the client that made it; by its address only: it owns the device */
const struct hw_client *hw_client_of_call(const struct bragi_call *call);

/** hw_client_name() - what mbus calls it */
const char *hw_client_name(const struct hw_client *client);

/** hw_client_since_ns() - when it has come */
uint64_t hw_client_since_ns(const struct hw_client *client);

/** device_read() - read a register of the device's configuration space */
uint32_t device_read(const struct hw_object *object, uint32_t offset, uint32_t width);

/** device_write() - write one */
void device_write(const struct hw_object *object, uint32_t offset, uint32_t width, uint32_t value);

/** device_set_command() - set and clear bits of the command register */
void device_set_command(const struct hw_object *object, uint32_t set, uint32_t clear);

/** hw_control_ended() - for connect_listener_ops: mbus is gone */
void hw_control_ended(struct connect_listener *listener);

#endif
