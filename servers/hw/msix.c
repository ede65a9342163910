/* SPDX-License-Identifier: MIT */
/* Tables of MSI-X: see msix.h. */
#include "msix.h"

#include <base/errors.h>
#include <helix/memory.h>

/* The words of an entry. */
enum msix_word {
	MSIX_ADDRESS_LOW,
	MSIX_ADDRESS_HIGH,
	MSIX_DATA,
	MSIX_CONTROL,
	MSIX_WORDS,
};

constexpr uint32_t MSIX_CONTROL_MASKED = 1;

/* ---- the table ------------------------------------------------------------------------------- */

/* Read back: when this returns, the device knows, and what it sent before has arrived. */
static void entry_set_masked(struct msix *msix, uint32_t index, bool is_masked)
{
	volatile uint32_t *control = &msix->table[index * MSIX_WORDS + MSIX_CONTROL];

	*control = is_masked ? MSIX_CONTROL_MASKED : 0;
	(void)*control;
}

/* Have the device use what the vector's target says now. */
static void entry_write(struct msix *msix, uint32_t index)
{
	const struct msix_vector *vector = &msix->vectors[index];
	const struct hel_msi_info *message = &vector->target->message;
	volatile uint32_t *entry = &msix->table[index * MSIX_WORDS];

	entry_set_masked(msix, index, true);
	entry[MSIX_ADDRESS_LOW] = (uint32_t)message->address;
	entry[MSIX_ADDRESS_HIGH] = (uint32_t)(message->address >> 32);
	entry[MSIX_DATA] = message->data;
	entry_set_masked(msix, index, vector->is_masked);
}

int msix_init(struct msix *msix, hel_handle authority, volatile uint32_t *table, uint32_t n_vectors)
{
	struct msix_vector *vectors = helix_calloc(n_vectors, sizeof(*vectors));

	if (vectors == NULL) {
		return -ERR_NO_MEMORY;
	}
	*msix = (struct msix){
		.authority = authority,
		.table = table,
		.vectors = vectors,
		.n_vectors = n_vectors,
	};
	msix_mask_all(msix);
	return 0;
}

void msix_deinit(struct msix *msix)
{
	helix_free(msix->vectors);
	*msix = (struct msix){};
}

void msix_mask_all(struct msix *msix)
{
	for (uint32_t i = 0; i < msix->n_vectors; i++) {
		entry_set_masked(msix, i, true);
	}
}

/* ---- vectors --------------------------------------------------------------------------------- */

/* Give vector @index, whose owner is set, another target, and drop the one that it had. */
static void vector_set_target(struct msix *msix, uint32_t index, struct irq_target *target)
{
	struct msix_vector *vector = &msix->vectors[index];
	struct irq_target *old = vector->target;

	target->n_vectors++;
	vector->target = target;
	entry_write(msix, index);
	if (old != NULL && --old->n_vectors == 0) {
		irq_target_destroy(old);
	}
}

/* ---- what clients ask for -------------------------------------------------------------------- */

static int msix_find(const struct msix *msix, const struct hw_client *client, uint32_t index,
	struct msix_vector **out_vector)
{
	if (index >= msix->n_vectors) {
		return -ERR_OUT_OF_BOUNDS;
	}
	if (msix->vectors[index].owner != client) {
		return -ERR_NOT_FOUND;
	}
	*out_vector = &msix->vectors[index];
	return 0;
}

int msix_set_up(
	struct msix *msix, const struct hw_client *client, uint32_t index, hel_handle *out_irq)
{
	struct irq_target *target;

	if (index >= msix->n_vectors) {
		return -ERR_OUT_OF_BOUNDS;
	}
	struct msix_vector *vector = &msix->vectors[index];

	if (vector->owner != NULL && vector->owner != client) {
		return -ERR_BUSY;
	}
	int error = irq_target_create(msix->authority, &target);

	if (error != 0) {
		return error;
	}
	error = irq_share(target->irq, out_irq);
	if (error != 0) {
		irq_target_destroy(target);
		return error;
	}
	vector->owner = client;
	vector->is_masked = false;
	vector_set_target(msix, index, target);
	return 0;
}

int msix_mask(struct msix *msix, const struct hw_client *client, uint32_t index, bool is_masked)
{
	struct msix_vector *vector;
	int error = msix_find(msix, client, index, &vector);

	if (error == 0) {
		vector->is_masked = is_masked;
		entry_set_masked(msix, index, is_masked);
	}
	return error;
}

int msix_move(struct msix *msix, const struct hw_client *client, uint32_t index, uint64_t cpu_mask)
{
	struct msix_vector *vector;
	int error = msix_find(msix, client, index, &vector);

	if (error == 0) {
		error = irq_target_move(vector->target, cpu_mask);
	}
	for (uint32_t i = 0; error == 0 && i < msix->n_vectors; i++) {
		if (msix->vectors[i].target == vector->target) {
			entry_write(msix, i);
		}
	}
	return error;
}

int msix_retarget(
	struct msix *msix, const struct hw_client *client, uint32_t index, uint32_t to_index)
{
	struct msix_vector *vector, *to;
	int error = msix_find(msix, client, index, &vector);

	if (error == 0) {
		error = msix_find(msix, client, to_index, &to);
	}
	if (error == 0 && vector->target != to->target) {
		vector_set_target(msix, index, to->target);
	}
	return error;
}

void msix_restore(struct msix *msix)
{
	for (uint32_t i = 0; i < msix->n_vectors; i++) {
		if (msix->vectors[i].target != NULL) {
			entry_write(msix, i);
		} else {
			entry_set_masked(msix, i, true);
		}
	}
}

void msix_release(struct msix *msix, const struct hw_client *client)
{
	for (uint32_t i = 0; i < msix->n_vectors; i++) {
		struct msix_vector *vector = &msix->vectors[i];
		struct irq_target *target = vector->target;

		if (vector->owner != client) {
			continue;
		}
		entry_set_masked(msix, i, true);
		*vector = (struct msix_vector){};
		if (--target->n_vectors == 0) {
			irq_target_destroy(target);
		}
	}
}
