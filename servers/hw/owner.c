/* SPDX-License-Identifier: MIT */
/* Who drives a device: see owner.h. */
#include "owner.h"
#include "device.h"
#include "reset.h"

#include <base/errors.h>
#include <base/string.h>
#include <protocols/mbus/mbus-client.h>

void owner_init(struct hw_object *object)
{
	wait_queue_init(&object->ownership.freed);
}

/* Say on mbus what has changed; "": it is not so any more. */
static void owner_tell(
	struct task *task, struct hw_object *object, const char *property, const char *value)
{
	int error = 0;

	if (!object->is_leaving) {
		error = mbus_set(task, object->mbus, object->id, property, value);
	}
	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "%s: its %s cannot be told: %s", object->name, property,
			error_text(error));
	}
}

void owner_tell_interrupts(struct task *task, struct hw_object *object, enum hw_interrupt_kind kind)
{
	static const char *const names[] = {
		[HW_INTERRUPT_KIND_MSIX] = "msix",
		[HW_INTERRUPT_KIND_MSI] = "msi",
		[HW_INTERRUPT_KIND_LINE] = "line",
	};

	if (kind != object->ownership.told_kind) {
		object->ownership.told_kind = kind;
		owner_tell(task, object, "pci-interrupt", names[kind]);
	}
}

/*
 * Whether the driver may have ended, and @client be the next one: who starts drivers can know of an
 * end before the lane's has come here.
 */
static bool owner_may_be_succeeded(const struct hw_object *object, const struct hw_client *client)
{
	return str_equal(hw_client_name(object->owner), hw_client_name(client));
}

/* Wait until nobody but @client drives the device. */
static int owner_await_turn(
	struct task *task, struct hw_object *object, const struct hw_client *client)
{
	struct ownership *ownership = &object->ownership;
	uint64_t deadline_ns = hw_client_since_ns(client) + OWNER_SUCCESSION_NS;
	int error = 0;

	while (error == 0 && object->owner != client) {
		struct wait_op freed;

		if (object->is_leaving) {
			return -ERR_NOT_FOUND;
		}
		if (ownership->is_stopping) {
			error = wait_on(task, &ownership->freed);
		} else if (object->owner == NULL) {
			break;
		} else if (!owner_may_be_succeeded(object, client) ||
			task_now_ns(task) >= deadline_ns) {
			return -ERR_BUSY;
		} else {
			wait_op_init(&freed, &ownership->freed);
			error = await_until(task, &freed.op, deadline_ns);
			error = error == -ERR_TIMED_OUT ? 0 : error;
		}
	}
	return error;
}

int owner_claim(struct task *task, struct hw_object *object, const struct hw_client *client)
{
	int error = owner_await_turn(task, object, client);

	if (error == 0 && object->owner == NULL) {
		object->owner = client;
		owner_tell(task, object, "driver", hw_client_name(client));
	}
	return error;
}

int owner_hold(struct hw_object *object, hel_handle memory)
{
	struct ownership *ownership = &object->ownership;

	if (ownership->held == NULL) {
		ownership->held = helix_calloc(OWNER_HELD_MAX, sizeof(*ownership->held));
	}
	if (ownership->held == NULL) {
		return -ERR_NO_MEMORY;
	}
	if (ownership->n_held == OWNER_HELD_MAX) {
		return -ERR_NO_SPACE;
	}
	ownership->held[ownership->n_held++] = memory;
	return 0;
}

static void owner_let_go(struct ownership *ownership)
{
	for (uint32_t i = 0; i < ownership->n_held; i++) {
		hel_close(HEL_THIS, ownership->held[i]);
	}
	helix_free(ownership->held);
	ownership->held = NULL;
	ownership->n_held = 0;
	if (ownership->dma_space != HEL_NULL) {
		hel_close(HEL_THIS, ownership->dma_space);
		ownership->dma_space = HEL_NULL;
	}
}

static int owner_stop(struct task *task, void *argument)
{
	struct hw_object *object = argument;
	const struct pci_function *function = &object->function;
	int error = 0;

	if (!object->is_gone) {
		reset_stop(task, object->access, function);
	}
	/* What loses its power needs no reset. */
	if (!object->is_leaving && reset_is_possible(object->access, function)) {
		error = reset_function(task, object->access, function);
		interrupts_restore(object);
	}
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s cannot be reset: %s", object->name, error_text(error));
	}
	owner_let_go(&object->ownership);
	if (object->ownership.told_kind != HW_INTERRUPT_KIND_ANY) {
		object->ownership.told_kind = HW_INTERRUPT_KIND_ANY;
		owner_tell(task, object, "pci-interrupt", "");
	}
	owner_tell(task, object, "driver", "");
	task->job = NULL; /* the next driver's end has the same job */
	object->ownership.is_stopping = false;
	wait_queue_wake(&object->ownership.freed);
	wait_queue_wake(&object->departed);
	return 0;
}

void owner_client_gone(struct hw_object *object, const struct hw_client *client)
{
	struct ownership *ownership = &object->ownership;

	if (object->owner != client) {
		return;
	}
	/* At once: the vectors may be given to others. */
	interrupts_release(object, client);
	object->owner = NULL;
	ownership->is_stopping = true;
	job_init(&ownership->stop_job, "stop device", owner_stop, object);
	job_submit(&object->loop->loop, &ownership->stop_job);
}
