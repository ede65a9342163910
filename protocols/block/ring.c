/* SPDX-License-Identifier: MIT */
/* Both sides of a block device's queue: see ring.h. */
#include <protocols/block/ring.h>

#include <base/string.h>

static uint8_t *ring_bytes(struct block_ring *ring)
{
	return (uint8_t *)ring;
}

static struct block_completion *ring_completions(struct block_ring *ring, uint32_t n_slots)
{
	return (struct block_completion *)(ring_bytes(ring) +
		block_ring_completions_offset(n_slots));
}

/* The other side sleeps, and is told once: what was written before is seen when it wakes. */
static bool must_wake(_Atomic uint32_t *sleeps)
{
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(sleeps, memory_order_relaxed) != 0 &&
		atomic_exchange_explicit(sleeps, 0, memory_order_relaxed) != 0;
}

/* Says that we sleep; false: the other side has moved on from what we know. */
static bool may_sleep(_Atomic uint32_t *sleeps, _Atomic uint32_t *index, uint32_t known)
{
	atomic_store_explicit(sleeps, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(index, memory_order_acquire) == known) {
		return true;
	}
	atomic_store_explicit(sleeps, 0, memory_order_relaxed);
	return false;
}

/* ---- the client's side ----------------------------------------------------------------------- */

void block_ring_client_init(
	struct block_ring_client *client, void *memory, uint32_t n_slots, uint32_t n_segments)
{
	*client = (struct block_ring_client){
		.ring = memory,
		.n_slots = n_slots,
		.n_segments = n_segments,
	};
}

struct block_slot *block_ring_client_slot(const struct block_ring_client *client, uint32_t slot)
{
	return (struct block_slot *)(ring_bytes(client->ring) +
		block_ring_slot_offset(client->n_slots, client->n_segments, slot));
}

struct block_segment *block_ring_client_segments(
	const struct block_ring_client *client, uint32_t slot)
{
	return (struct block_segment *)(block_ring_client_slot(client, slot) + 1);
}

void block_ring_client_submit(struct block_ring_client *client, uint32_t slot)
{
	struct block_ring *ring = client->ring;

	ring->submissions[client->n_submitted % client->n_slots] = slot;
	client->n_submitted++;
	atomic_store_explicit(&ring->client.submitted, client->n_submitted, memory_order_release);
}

bool block_ring_client_must_notify(const struct block_ring_client *client)
{
	return must_wake(&client->ring->driver.sleeps);
}

bool block_ring_client_take(
	struct block_ring_client *client, struct block_completion *out_completion)
{
	struct block_ring *ring = client->ring;
	uint32_t n_ready = atomic_load_explicit(&ring->driver.completed, memory_order_acquire) -
		client->n_taken;

	if (n_ready == 0 || client->is_broken) {
		return false;
	}
	*out_completion =
		ring_completions(ring, client->n_slots)[client->n_taken % client->n_slots];
	if (n_ready > client->n_slots || out_completion->slot >= client->n_slots) {
		client->is_broken = true;
		return false;
	}
	client->n_taken++;
	atomic_store_explicit(&ring->client.taken, client->n_taken, memory_order_release);
	return true;
}

bool block_ring_client_sleep(struct block_ring_client *client)
{
	struct block_ring *ring = client->ring;

	return client->is_broken ||
		may_sleep(&ring->client.sleeps, &ring->driver.completed, client->n_taken);
}

/* ---- the driver's side ----------------------------------------------------------------------- */

void block_ring_driver_init(
	struct block_ring_driver *driver, void *memory, uint32_t n_slots, uint32_t n_segments)
{
	*driver = (struct block_ring_driver){
		.ring = memory,
		.n_slots = n_slots,
		.n_segments = n_segments,
	};
}

bool block_ring_driver_take(struct block_ring_driver *driver, uint32_t *out_slot,
	struct block_slot *out_request, struct block_segment *out_segments)
{
	struct block_ring *ring = driver->ring;
	uint32_t n_ready = atomic_load_explicit(&ring->client.submitted, memory_order_acquire) -
		driver->n_taken;

	if (n_ready == 0 || driver->is_broken) {
		return false;
	}
	uint32_t slot = *(volatile uint32_t *)&ring->submissions[driver->n_taken % driver->n_slots];

	if (n_ready > driver->n_slots || slot >= driver->n_slots) {
		driver->is_broken = true;
		return false;
	}
	const uint8_t *from = ring_bytes(ring) +
		block_ring_slot_offset(driver->n_slots, driver->n_segments, slot);
	size_t n_segments;

	memcpy(out_request, from, sizeof(*out_request));
	/* what was copied is looked at, never what may change */
	n_segments = min_size(*(volatile uint16_t *)&out_request->n_segments, driver->n_segments);
	memcpy(out_segments, from + sizeof(*out_request), n_segments * sizeof(*out_segments));
	*out_slot = slot;
	driver->n_taken++;
	atomic_store_explicit(&ring->driver.taken, driver->n_taken, memory_order_release);
	return true;
}

void block_ring_driver_answer(
	struct block_ring_driver *driver, uint32_t slot, int error, uint64_t n_bytes)
{
	struct block_ring *ring = driver->ring;

	ring_completions(ring, driver->n_slots)[driver->n_completed % driver->n_slots] =
		(struct block_completion){ .slot = slot, .error = error, .n_bytes = n_bytes };
	driver->n_completed++;
	atomic_store_explicit(&ring->driver.completed, driver->n_completed, memory_order_release);
}

bool block_ring_driver_must_notify(const struct block_ring_driver *driver)
{
	return must_wake(&driver->ring->client.sleeps);
}

bool block_ring_driver_sleep(struct block_ring_driver *driver)
{
	struct block_ring *ring = driver->ring;

	return driver->is_broken ||
		may_sleep(&ring->driver.sleeps, &ring->client.submitted, driver->n_taken);
}
