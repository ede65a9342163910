/* SPDX-License-Identifier: MIT */
/* Ranges of a process' memory for direct transfers: see loan.h. */
#include "loan.h"

#include <base/errors.h>

void loans_init(struct loans *loans, struct io *io)
{
	*loans = (struct loans){ .io = io };
	wait_queue_init(&loans->changed);
	for (size_t i = 0; i < FS_DIRECT_LOANS; i++) {
		loans->loans[i].memory.handle = HEL_NULL;
	}
}

struct loan *loans_find(struct loans *loans, uint32_t number)
{
	struct loan *loan = &loans->loans[number % FS_DIRECT_LOANS];

	return number != 0 && loan->number == number ? loan : NULL;
}

void loan_put(struct loans *loans, struct loan *loan)
{
	loan->n_users--;
	if (loan->n_users == 0 && loan->is_changing) {
		wait_queue_wake(&loans->changed);
	}
}

/* ---- changing -------------------------------------------------------------------------------- */

/* That it is a loan, and may be used and shown to the driver. */
static int check_memory(hel_handle memory, uint64_t *out_size)
{
	constexpr uint32_t rights =
		HEL_RIGHT_READ | HEL_RIGHT_WRITE | HEL_RIGHT_PIN | HEL_RIGHT_DERIVE;
	struct hel_descriptor_info descriptor;
	struct hel_memory_info info;
	int error = hel_descriptor_info(HEL_THIS, memory, &descriptor);

	if (error == 0 && descriptor.type != HEL_TYPE_MEMORY) {
		return -ERR_UNSUPPORTED;
	}
	if (error == 0 && (descriptor.rights & rights) != rights) {
		return -ERR_NO_RIGHTS;
	}
	error = error != 0 ? error : hel_memory_info(memory, &info);
	if (error != 0) {
		return error;
	}
	*out_size = info.size_bytes;
	return info.kind == HEL_MEMORY_LOAN ? 0 : -ERR_UNSUPPORTED;
}

static void loan_drop(struct task *task, struct loans *loans, struct loan *loan)
{
	if (loan->memory.handle != HEL_NULL) {
		io_memory_detach(task, loans->io, &loan->memory);
		hel_close(HEL_THIS, loan->memory.handle);
		loan->memory.handle = HEL_NULL;
	}
}

/* @memory is taken if there is no error. */
static int loan_change(struct task *task, struct loans *loans, struct loan *loan, hel_handle memory)
{
	struct io_memory attached;
	int error;

	while (loan->n_users > 0) {
		(void)!wait_on(task, &loans->changed);
	}
	loan_drop(task, loans, loan);
	if (loans->is_closing) {
		return -ERR_NOT_FOUND;
	}
	if (memory == HEL_NULL) {
		return 0;
	}
	error = check_memory(memory, &loan->size_bytes);
	error = error != 0 ? error : io_memory_attach(task, loans->io, memory, &attached);
	if (error == 0) {
		loan->memory = attached;
	}
	return error;
}

int loans_lend(struct task *task, struct loans *loans, uint32_t number, hel_handle memory)
{
	struct loan *loan = &loans->loans[number % FS_DIRECT_LOANS];
	int error = -ERR_BUSY;

	if (!loan->is_changing) {
		loan->is_changing = true;
		loan->number = 0;
		loans->n_changing++;
		error = loan_change(task, loans, loan, memory);
		if (error == 0 && memory != HEL_NULL) {
			loan->number = number;
		}
		loan->is_changing = false;
		loans->n_changing--;
		wait_queue_wake(&loans->changed); /* whoever closes may free them from now on */
	}
	if (error != 0 && memory != HEL_NULL) {
		hel_close(HEL_THIS, memory);
	}
	return error;
}

void loans_close(struct task *task, struct loans *loans)
{
	loans->is_closing = true;
	while (loans->n_changing > 0) {
		(void)!wait_on(task, &loans->changed);
	}
	for (size_t i = 0; i < FS_DIRECT_LOANS; i++) {
		loan_drop(task, loans, &loans->loans[i]);
	}
}
