/* SPDX-License-Identifier: MIT */
/*
 * Who drives a device. The first client that asks for something that changes the device is its
 * driver, until its lane ends; others may look, and wait in vain for the rest.
 *
 *	      owner_claim()             its lane ends                the device is quiet
 *	FREE ---------------> OWNED ------------------> STOPPING ---------------------------> FREE
 *	                                                    |
 *	                                    claims wait here, in the order of their coming
 *
 * Whoever restarts a driver may see its end before hw does. So a claim of a client that has the
 * owner's name waits for that, too, until the client is OWNER_SUCCESSION_NS old; others are refused
 * at once.
 *
 * Stopping is what makes it safe to start a driver again after it has died: the device must not
 * write to memory that is somebody else's by then. It takes as long as its dma-space is there, of
 * which hw has a descriptor, and as long as what the driver had it hold: only when the device is
 * quiet (reset.h) are they closed. The driver's memory may be gone long before; its pages are not.
 *
 * While a device is driven its mbus object has the property `driver`.
 */
#ifndef HW_OWNER_H
#define HW_OWNER_H

#include <async/sync.h>
#include <helix/helix.h>
#include <protocols/hw/hw.gen.h>

constexpr uint32_t OWNER_HELD_MAX = 64;
constexpr uint64_t OWNER_SUCCESSION_NS = 3'000'000'000;

struct hw_client;
struct hw_object;

struct ownership {
	struct wait_queue freed;
	bool is_stopping;
	struct job stop_job;
	hel_handle dma_space; /* of the owner; HEL_NULL: none */
	enum hw_interrupt_kind told_kind; /* what mbus says of its interrupts; ANY: nothing */
	hel_handle *held;     /* memory; OWNER_HELD_MAX of them */
	uint32_t n_held;
};

/** owner_init() - nobody drives @object */
void owner_init(struct hw_object *object);

/**
 * owner_claim() - make @client the driver, or see that it is
 *
 * Waits while the device is being stopped, and for the end of an owner of the same name. Return: 0,
 * -ERR_BUSY (somebody else is), -ERR_NOT_FOUND (it is taken out), the reason if the task is
 * cancelled.
 */
MUST_USE int owner_claim(
	struct task *task, struct hw_object *object, const struct hw_client *client);

/** owner_tell_interrupts() - a vector of the kind was set up: say so on mbus, if it is the first */
void owner_tell_interrupts(
	struct task *task, struct hw_object *object, enum hw_interrupt_kind kind);

/** owner_client_gone() - a client's lane has ended; if it was the driver, the device is stopped */
void owner_client_gone(struct hw_object *object, const struct hw_client *client);

/** owner_hold() - keep @memory until the device is quiet; taken on success; 0, -ERR_NO_SPACE */
MUST_USE int owner_hold(struct hw_object *object, hel_handle memory);

#endif
