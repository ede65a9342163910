/* SPDX-License-Identifier: MIT */
/* The state machine of pins: see pin.h. */
#include <thor/irq/pin.h>

#include <base/assert.h>
#include <thor/cpu.h>
#include <thor/irq/irq.h>
#include <thor/panic.h>

static void pin_throttle_done(struct timer *timer);

void pin_init(struct irq_pin *pin, bool is_line, uint32_t gsi, uint32_t line_flags)
{
	*pin = (struct irq_pin){
		.account = pin->account,
		.is_line = is_line,
		.is_level = (line_flags & HEL_IRQ_LINE_LEVEL) != 0,
		.gsi = gsi,
		.line_flags = line_flags,
		.is_masked = is_line,
	};
	atomic_init(&pin->references, 1);
	list_node_init(&pin->line_node);
	spinlock_init(&pin->lock, LOCK_RANK_IRQ_PIN);
	list_init(&pin->sinks);
	timer_init(&pin->timer, NULL, pin_throttle_done);
}

void pin_ref(struct irq_pin *pin)
{
	atomic_fetch_add_explicit(&pin->references, 1, memory_order_relaxed);
}

void pin_unref(struct irq_pin *pin)
{
	uint32_t references = atomic_load_explicit(&pin->references, memory_order_relaxed);

	while (references > 1) {
		if (atomic_compare_exchange_weak_explicit(&pin->references, &references,
			    references - 1, memory_order_release, memory_order_relaxed)) {
			return;
		}
	}
	pin_end(pin);
}

/* ---- masking and storms */

static void pin_update_mask(struct irq_pin *pin)
{
	bool is_masked = (pin->is_level && pin->is_in_service) || pin->is_stalled ||
		pin->is_throttled || pin->n_sinks == 0;

	if (pin->is_line && is_masked != pin->is_masked) {
		pin->is_masked = is_masked;
		arch_line_set_mask(pin->gsi, is_masked);
	}
}

static void pin_complain(struct irq_pin *pin, const char *what)
{
	if (pin->has_complained) {
		return;
	}
	pin->has_complained = true;
	if (pin->is_line) {
		klog("thor: irq: line %u %s", pin->gsi, what);
	} else {
		klog("thor: irq: vector %u of CPU %u %s", pin->route.vector, pin->route.cpu->index,
			what);
	}
}

/*
 * Interrupts that a driver acknowledges pass through the scheduler, which shares the CPU out. Those
 * that nobody answers in time, or a handler at once, do not, and may leave nothing for user mode.
 * How many that takes depends on the machine; it is the case when little lies between them: less
 * than twice what it takes to deal with one. And there is a number that no device needs.
 */
static bool pin_is_storming(struct irq_pin *pin, uint64_t now_ns)
{
	uint64_t short_ns = max_u64(2 * pin->took_ns, IRQ_BACK_TO_BACK_NS);

	pin->n_run = now_ns - pin->ended_ns < short_ns ? pin->n_run + 1 : 0;
	if (now_ns - pin->window_start_ns >= IRQ_WINDOW_NS) {
		pin->window_start_ns = now_ns;
		pin->n_window = 0;
	}
	return pin->n_run >= IRQ_RUN_MAX || ++pin->n_window > IRQ_WINDOW_MAX;
}

static void pin_forget_storm(struct irq_pin *pin)
{
	pin->n_run = 0;
	pin->n_window = 0;
}

static void pin_throttle(struct irq_pin *pin, uint64_t now_ns)
{
	pin->is_throttled = true;
	pin->n_storms++;
	pin_complain(pin, "fires without end, throttled");
	pin_ref(pin);
	timer_arm(&pin->timer, now_ns + IRQ_THROTTLE_NS);
}

static void pin_throttle_done(struct timer *timer)
{
	struct irq_pin *pin = container_of(timer, struct irq_pin, timer);

	spinlock_acquire(&pin->lock);
	pin->is_throttled = false;
	pin_forget_storm(pin);
	pin_advance(pin);
	spinlock_release(&pin->lock);
	pin_unref(pin);
}

/* ---- service */

static void pin_take_answer(struct irq_pin *pin, struct irq *irq, bool is_ack)
{
	ASSERT(pin->is_in_service && irq->is_due);
	irq->is_due = false;
	pin->n_due--;
	pin->is_acknowledged |= is_ack;
}

void pin_answer(struct irq_pin *pin, struct irq *irq, bool is_ack)
{
	pin_take_answer(pin, irq, is_ack);
	pin->is_progress |= is_ack;
}

static void pin_deliver(struct irq_pin *pin, struct irq *irq)
{
	enum irq_verdict verdict = irq->handler != NULL
		? irq->handler->run(irq->handler, irq->sequence + 1)
		: IRQ_VERDICT_NONE;

	if (verdict == IRQ_VERDICT_NONE) {
		irq->sequence++;
		event_source_raise(&irq->source, 1);
	} else {
		pin_take_answer(pin, irq, verdict == IRQ_VERDICT_ACK);
	}
}

static void pin_begin_service(struct irq_pin *pin, bool is_lenient)
{
	pin->is_in_service = true;
	pin->is_acknowledged = false;
	pin->is_progress = false;
	pin->is_lenient = is_lenient;
	pin->n_due = pin->n_sinks;
	LIST_FOR_EACH(irq, &pin->sinks, struct irq, sink_node) {
		irq->is_due = true;
	}
	LIST_FOR_EACH(irq, &pin->sinks, struct irq, sink_node) {
		pin_deliver(pin, irq);
	}
}

static void pin_end_service(struct irq_pin *pin)
{
	pin->is_in_service = false;
	if (pin->is_progress) {
		pin_forget_storm(pin);
	}
	if (pin->is_acknowledged) {
		return;
	}
	pin->n_spurious++;
	if (pin->is_line && !pin->is_lenient) {
		pin->is_stalled = true;
		pin->n_stalls++;
		pin_complain(pin, "is nobody's, stalled");
	}
}

/* Handlers may answer all at once, so this goes round: twice, for nobody fills the buffers. */
void pin_advance(struct irq_pin *pin)
{
	for (;;) {
		if (pin->is_in_service && pin->n_due == 0) {
			pin_end_service(pin);
		}
		if (pin->is_in_service || pin->is_stalled || pin->is_throttled ||
			!(pin->is_buffered || pin->is_kicked)) {
			break;
		}
		bool is_kicked = pin->is_kicked;

		pin->is_buffered = false;
		pin->is_kicked = false;
		pin_begin_service(pin, is_kicked);
	}
	pin_update_mask(pin);
}

void pin_fire(struct irq_pin *pin, bool is_by_route)
{
	uint64_t now_ns = arch_clock_ns();
	/* On its way when the pin was moved: it may have come twice, and be done with already. */
	bool is_lenient = pin->is_moving || !is_by_route;

	pin->n_interrupts++;
	if (is_by_route) {
		pin->is_moving = false;
	}
	if (!pin->is_throttled && pin_is_storming(pin, now_ns)) {
		pin_throttle(pin, now_ns);
	}
	if (pin->n_sinks == 0) {
		pin->n_spurious++;
	} else if (!pin->is_level) {
		pin->is_buffered = true;
	} else if (!pin->is_in_service && !pin->is_stalled && !pin->is_throttled) {
		pin_begin_service(pin, is_lenient);
	}
	/* Else it was on its way when the line was masked; it comes again if it is still there. */
	pin_advance(pin);
	pin->ended_ns = arch_clock_ns();
	pin->took_ns = pin->ended_ns - now_ns;
}

void pin_kick(struct irq_pin *pin)
{
	pin->is_stalled = false;
	pin->is_lenient = true;
	pin->is_kicked = true;
}

/* ---- sinks */

int pin_join(struct irq_pin *pin, struct irq *irq)
{
	if (pin->n_sinks == IRQ_SINKS_MAX) {
		return -ERR_NO_SPACE;
	}
	list_push_back(&pin->sinks, &irq->sink_node);
	pin->n_sinks++;
	irq->is_joined = true;
	irq->is_due = false;
	if (pin->is_stalled) {
		/* An asserted level comes by itself; edges have been lost meanwhile. */
		pin->is_stalled = false;
		pin->is_kicked = !pin->is_level;
	}
	pin_advance(pin);
	return 0;
}

void pin_leave(struct irq_pin *pin, struct irq *irq)
{
	if (irq->is_due) {
		pin_answer(pin, irq, true);
	}
	list_remove(&irq->sink_node);
	irq->is_joined = false;
	pin->n_sinks--;
	if (pin->n_sinks == 0) {
		pin->is_buffered = false;
		pin->is_kicked = false;
		pin->is_stalled = false;
	}
	pin_advance(pin);
}
