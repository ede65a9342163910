/* SPDX-License-Identifier: MIT */
/*
 * Pins: what interrupts arrive at. A line of an interrupt controller, or a message's vector.
 *
 * A pin has *sinks*, one for each irq object: what one driver sees of it. An interrupt puts the pin
 * in service and is delivered to all sinks; each owes an answer. The last answer ends the service:
 *
 *	           interrupt, KICK               last answer, one of them ACK
 *	  IDLE ------------------> IN SERVICE ------------------------------> IDLE
 *	   ^                        |      ^                        (or at once IN SERVICE
 *	   |                        |      | an edge or KICK:        again: what was buffered)
 *	   |                        |      | buffered, one
 *	   |     KICK, a new sink   |      '---.
 *	   '------------- STALLED <-'  all answers NACK, on a line
 *
 * Besides, a pin may be THROTTLED, whatever else it is: a storm, see pin_is_storming(). Nothing is
 * delivered then until a timer has run.
 *
 * A line is masked at its controller while it is level-triggered and in service, or stalled, or
 * throttled, or without sinks. That is computed from the state when an operation on the pin ends
 * (pin_update_mask()), so an interrupt that is answered in interrupt context costs no access to the
 * controller. A message cannot be masked by thor: it does not stall, and while throttled it is
 * buffered.
 *
 * What one may rely on: no edge is lost (one is buffered; a deliberate gap, as when an edge line
 * moves to another CPU, is filled by a delivery that thor makes up); a level that is still asserted
 * when its line is unmasked interrupts again; a delivery that was made up by software never stalls
 * a line, nor does one whose service a KICK or a leaving sink fell into.
 *
 * Interrupt context: nothing here allocates or waits; a delivery is bounded by IRQ_SINKS_MAX.
 *
 * Locks: irq.c's configuration lock > a CPU's vectors > a pin > what raising an event takes.
 */
#ifndef THOR_IRQ_PIN_H
#define THOR_IRQ_PIN_H

#include <base/list.h>
#include <thor/arch.h>
#include <thor/spinlock.h>
#include <thor/time/timer-heap.h>

struct irq;

constexpr uint32_t IRQ_SINKS_MAX = 32; /* on one pin */
/* Without a driver's ACK, so many interrupts back to back, or in a window, are a storm. */
constexpr uint32_t IRQ_RUN_MAX = 50;
constexpr uint64_t IRQ_BACK_TO_BACK_NS = 1000; /* at least */
constexpr uint32_t IRQ_WINDOW_MAX = 200;
constexpr uint64_t IRQ_WINDOW_NS = 1'000'000;
constexpr uint64_t IRQ_THROTTLE_NS = 1'000'000;

/* Where a pin's interrupts arrive. */
struct irq_route {
	struct cpu *cpu; /* NULL: none */
	uint32_t vector;
};

struct irq_pin {
	/* immutable */
	struct account *account; /* of who made it; pays for it as long as it is there */
	bool is_line, is_level;
	uint32_t gsi;        /* of a line */
	uint32_t line_flags; /* enum hel_irq_line_flags: LEVEL, ACTIVE_LOW */

	_Atomic uint32_t references; /* one for each sink's object, one while throttled */
	/* guarded by the configuration lock */
	struct list_node line_node;
	struct irq_route former; /* before the last move; both deliver until it is settled */
	struct hel_msi_info message;

	struct spinlock lock; /* rank IRQ_PIN */
	/* guarded by lock, as all below; written with the configuration lock held, too */
	struct irq_route route;
	bool is_moving;   /* nothing has come by `route` since the last move */
	struct list sinks; /* irqs by sink_node */
	uint32_t n_sinks;
	uint32_t n_due; /* sinks that have not answered */
	bool is_in_service;
	bool is_acknowledged; /* by some answer to what is in service */
	bool is_progress;     /* by a driver's */
	bool is_lenient;      /* what is in service does not stall the line */
	bool is_buffered;     /* one more interrupt came */
	bool is_kicked;       /* one more delivery was asked for */
	bool is_stalled, is_throttled, is_masked;
	bool has_complained; /* in the log */
	uint64_t ended_ns, took_ns; /* when thor was done with the last interrupt, and how long */
	uint32_t n_run; /* that came back to back, until the last one */
	uint64_t window_start_ns;
	uint32_t n_window;
	uint64_t n_interrupts, n_spurious, n_storms, n_stalls;
	struct timer timer; /* the end of throttling; owned by who set is_throttled */
};

/** pin_init() - an idle pin without sinks and route; one reference. @gsi and flags: of a line */
void pin_init(struct irq_pin *pin, bool is_line, uint32_t gsi, uint32_t line_flags);

/**
 * pin_join() - add a sink, which gets the next interrupt; lock held
 *
 * A stalled line works again: the new driver may be the one whose device was not recognised.
 *
 * Return: 0, -ERR_NO_SPACE.
 */
MUST_USE int pin_join(struct irq_pin *pin, struct irq *irq);

/** pin_leave() - remove a sink; an answer that it owes counts as ACK; lock held */
void pin_leave(struct irq_pin *pin, struct irq *irq);

/**
 * pin_fire() - an interrupt has arrived
 * @is_by_route: at the current route, not at the former one
 *
 * Context: interrupt, lock held.
 */
void pin_fire(struct irq_pin *pin, bool is_by_route);

/** pin_answer() - ACK or NACK of a sink that owes an answer; pin_advance() later; lock held */
void pin_answer(struct irq_pin *pin, struct irq *irq, bool is_ack);

/** pin_kick() - make up one more delivery, end a stall; pin_advance() later; lock held */
void pin_kick(struct irq_pin *pin);

/** pin_advance() - go on as far as answers and buffers allow, set the mask; lock held */
void pin_advance(struct irq_pin *pin);

/** pin_ref(), pin_unref() - references; no lock that ranks from IRQ_CONFIG on is held at unref */
void pin_ref(struct irq_pin *pin);
void pin_unref(struct irq_pin *pin);

/** pin_end() - for pin_unref() (in irq.c): the last reference is gone */
void pin_end(struct irq_pin *pin);

#endif
