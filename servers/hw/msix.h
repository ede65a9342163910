/* SPDX-License-Identifier: MIT */
/*
 * The table of a device's MSI-X: which vector raises which interrupt, and for whom.
 *
 *	client --owns--> vector --raises--> target (an irq object) --message--> a CPU's vector
 *
 * A vector belongs to the client that set it up, until that client's lane ends. Several vectors of
 * a client may have one target.
 *
 * What keeps drivers apart, whatever they ask for:
 * - Addresses and data come from the kernel and go into the table; no client names them.
 * - hw keeps the irq of each target as long as an entry of the table names it. So the CPU's vector
 *   is not given to anybody else while the device may still send there, even if the driver closes
 *   its irq or dies.
 * - A client's irq lacks WRITE: it cannot move the interrupt behind hw's back.
 *
 * An entry is changed while it is masked; the device keeps one interrupt meanwhile. Reading it back
 * afterwards also waits for what the device has sent under the old entry.
 */
#ifndef HW_MSIX_H
#define HW_MSIX_H

#include "irq-target.h"

#include <base/types.h>

struct hw_client;

struct msix_vector {
	const struct hw_client *owner; /* NULL: it is free, masked, and has no target */
	struct irq_target *target;
	bool is_masked;
};

/* All zero: MSI-X is off. */
struct msix {
	hel_handle authority;
	volatile uint32_t *table; /* four words for each vector */
	struct msix_vector *vectors;
	uint32_t n_vectors;
};

/**
 * msix_init() - mask all vectors; the device may be allowed to use them then
 * @authority: borrowed
 * @table: mapped until msix_deinit()
 *
 * Return: 0, -ERR_NO_MEMORY.
 */
MUST_USE int msix_init(
	struct msix *msix, hel_handle authority, volatile uint32_t *table, uint32_t n_vectors);

/** msix_deinit() - nobody has a vector; the table may be unmapped */
void msix_deinit(struct msix *msix);

/** msix_is_initialized() - whether msix_init() has been called */
static inline bool msix_is_initialized(const struct msix *msix)
{
	return msix->table != NULL;
}

/** msix_mask_all() - mask all vectors, which nobody has: the device may have been reset */
void msix_mask_all(struct msix *msix);

/**
 * msix_set_up() - let vector @index raise a new interrupt, unmasked
 * @out_irq: for the client: may await, answer and send it on, but not move it
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS, -ERR_BUSY (another client has the vector), what
 * hel_irq_create_msi() says.
 */
MUST_USE int msix_set_up(
	struct msix *msix, const struct hw_client *client, uint32_t index, hel_handle *out_irq);

/**
 * msix_mask() - mask or unmask a vector
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS, -ERR_NOT_FOUND (it is not the client's).
 */
MUST_USE int msix_mask(
	struct msix *msix, const struct hw_client *client, uint32_t index, bool is_masked);

/**
 * msix_move() - let the interrupt of a vector arrive at a CPU of @cpu_mask
 *
 * Vectors with the same target move along. Return: as msix_mask(), and -ERR_ILLEGAL_ARGS (no such
 * CPU), -ERR_NO_SPACE (no vector is free there).
 */
MUST_USE int msix_move(
	struct msix *msix, const struct hw_client *client, uint32_t index, uint64_t cpu_mask);

/** msix_retarget() - let vector @index raise what vector @to_index raises; as msix_mask() */
MUST_USE int msix_retarget(
	struct msix *msix, const struct hw_client *client, uint32_t index, uint32_t to_index);

/** msix_restore() - the device has been reset: write the table as it was */
void msix_restore(struct msix *msix);

/** msix_release() - mask and free all vectors of a client that has gone */
void msix_release(struct msix *msix, const struct hw_client *client);

#endif
