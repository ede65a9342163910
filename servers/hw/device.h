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

struct pci_tree_slot;

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
	struct pci_tree_slot *slot; /* of a bridge that has one, while it is driven; NULL */
	/* its end */
	struct list clients; /* who has a lane */
	bool is_new;       /* it is still to be published */
	bool is_published; /* and mbus may introduce more */
	bool is_leaving;   /* it is taken out */
	bool is_gone;      /* it is out */
	struct wait_queue departed; /* it is to be taken out, or somebody has gone */
};

/** device_init() - a function that was found; the object is zeroed */
void device_init(
	struct hw_object *object, struct machine *machine, const struct pci_function *function);

/**
 * device_publish() - make an object of a PCI function
 * @object: in use for ever, or until device_withdraw()
 */
MUST_USE int device_publish(struct task *task, hel_handle mbus, struct hw_object *object);

/**
 * device_withdraw() - a device is taken out: end its object, and free it
 * @is_gone: it is out already
 *
 * Its driver has DEVICE_LEAVE_NS to end by itself. When this returns nobody uses the device, and it
 * is quiet.
 */
void device_withdraw(struct task *task, struct hw_object *object, bool is_gone);

constexpr uint64_t DEVICE_LEAVE_NS = 1'000'000'000;

/** power_publish() - make the object that turns the machine off; loop and machine are filled in */
MUST_USE int power_publish(struct task *task, hel_handle mbus, struct hw_object *object);

/** hw_client_start() - serve one client of @object; @name: copied; @lane: taken */
void hw_client_start(struct hw_object *object, const char *name, hel_handle lane,
	void (*dispatch)(struct bragi_call *call));

/** hw_clients_close() - end the lanes of all clients of @object, which have not gone yet */
void hw_clients_close(struct hw_object *object);

/** hw_client_self() - hw, which drives bridges */
const struct hw_client *hw_client_self(void);

/** hw_object_of_call() - the object that a call is about */
struct hw_object *hw_object_of_call(const struct bragi_call *call);

/** hw_client_of_call() - the client that made it; by its address only: it owns the device */
const struct hw_client *hw_client_of_call(const struct bragi_call *call);

/** hw_client_name() - what mbus calls it */
const char *hw_client_name(const struct hw_client *client);

/**
 * hw_client_await_removal() - in a call: until the object is taken out
 *
 * Return: 0, -ERR_BUSY (another call of this client waits already), the reason if it is cancelled.
 */
MUST_USE int hw_client_await_removal(const struct bragi_call *call);

/** hw_client_since_ns() - when it has come */
uint64_t hw_client_since_ns(const struct hw_client *client);

/** device_read() - read a register of the device's configuration space */
uint32_t device_read(const struct hw_object *object, uint32_t offset, uint32_t width);

/** device_write() - write one */
void device_write(const struct hw_object *object, uint32_t offset, uint32_t width, uint32_t value);

/** device_set_command() - set and clear bits of the command register */
void device_set_command(const struct hw_object *object, uint32_t set, uint32_t clear);

#endif
