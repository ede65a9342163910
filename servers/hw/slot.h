/* SPDX-License-Identifier: MIT */
/*
 * Slots of PCI Express whose cards come and go while the machine runs (PCI Express Base
 * Specification 5.0, sections 6.7 and 7.5.3.9): a bridge's slot registers, driven by one task.
 *
 *	OFF --a card, or its button--> ON --button--> LEAVING --SLOT_ABORT_NS--> OFF
 *	 ^                             |  ^             | |
 *	 |                             |  '---button----' |
 *	 '-------- the card is out, or the link is down --'
 *
 * A card is not taken out without asking, if the one who does it is polite: the attention button
 * says so, the indicator blinks as long as that can be taken back, and goes out when the slot has
 * no power any more. What is just pulled out is gone before anybody was told.
 *
 * The slot's user is told when there is a card with power, and before it has none any more. All
 * is said by the registers; no firmware is asked (_OSC).
 */
#ifndef HW_SLOT_H
#define HW_SLOT_H

#include "pci.h"

#include <helix/helix.h>

constexpr uint64_t SLOT_ABORT_NS = 5'000'000'000;   /* to press the button again */
constexpr uint64_t SLOT_OFF_NS = 1'000'000'000;     /* until power is really off */
constexpr uint64_t SLOT_SETTLE_NS = 100'000'000;    /* from power, or the link, to the card */
constexpr uint64_t SLOT_ANSWER_NS = 1'000'000'000;  /* for a link, a card, and commands */
constexpr uint64_t SLOT_LOOK_NS = 500'000'000;      /* without an interrupt */

struct slot;

struct slot_ops {
	/* A card has power and answers. May suspend; an error: it gets none. */
	int (*plugged)(struct task *task, struct slot *slot);
	/* It loses its power, or is_gone already. May suspend: nobody uses it afterwards. */
	void (*unplugged)(struct task *task, struct slot *slot, bool is_gone);
};

enum slot_state { SLOT_OFF, SLOT_ON, SLOT_LEAVING };

struct slot {
	const struct slot_ops *ops;
	const struct pci_access *access;
	struct pci_address bridge;
	uint8_t secondary_bus;
	uint8_t express; /* offset of the capability */
	uint32_t vector; /* of MSI-X */
	uint32_t capabilities;
	bool tells_link; /* whether the link is up */
	enum slot_state state;
	uint64_t leaving_ns; /* when, if LEAVING */
	hel_handle irq; /* of messages; HEL_NULL: registers are looked at now and then */
	uint64_t irq_sequence;
};

/**
 * slot_init() - see whether a function is a bridge to such a slot
 * @ops: borrowed for ever
 * @irq: set afterwards, before slot_run()
 *
 * Return: false: it is not.
 */
MUST_USE bool slot_init(struct slot *slot, const struct slot_ops *ops,
	const struct pci_access *access, const struct pci_function *function);

/**
 * slot_run() - drive the slot; a card that has power when this begins is known already
 *
 * It may be cancelled, as when the bridge is taken out itself.
 *
 * Return: -ERR_END_OF_LANE (the bridge is gone), -ERR_UNSUPPORTED (there is a card of which the
 * registers say nothing: only the firmware knows how this slot works), or why the task is
 * cancelled.
 */
int slot_run(struct task *task, struct slot *slot);

#endif
