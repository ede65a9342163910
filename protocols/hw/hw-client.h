/* SPDX-License-Identifier: MIT */
/*
 * What drivers ask of hw, a function for each call: see hw.bragi. They suspend, and return besides
 * what is said below what the transport says.
 */
#ifndef PROTOCOLS_HW_HW_CLIENT_H
#define PROTOCOLS_HW_HW_CLIENT_H

#include <protocols/hw/hw.gen.h>
#include <protocols/transport/client.h>

/**
 * hw_client_info() - what the device has
 * @exchange: with a buffer for the reply, which borrows from it
 * @out_reply: has at least HW_LIMITS_BARS_MAX BARs
 *
 * Return: 0, -ERR_PROTOCOL (the reply is none).
 */
MUST_USE int hw_client_info(struct task *task, struct transport_client *hw,
	struct bragi_exchange *exchange, struct hw_info_reply *out_reply);

/** HW_CLIENT_ADDRESS_SIZE - of a device's address as text: ssss:bb:dd.f */
#define HW_CLIENT_ADDRESS_SIZE 16

/** hw_client_address() - where the device is: the same each time that somebody drives it */
MUST_USE int hw_client_address(
	struct task *task, struct transport_client *hw, char out_address[HW_CLIENT_ADDRESS_SIZE]);

/**
 * hw_client_bar() - get a base address register
 * @out_reply: what it is
 * @out_handle: the caller's, HEL_NULL on errors
 *
 * Return: 0, -ERR_NOT_FOUND (no such BAR), -ERR_NO_RIGHTS (it is all hw's).
 */
MUST_USE int hw_client_bar(struct task *task, struct transport_client *hw, uint32_t index,
	struct hw_bar_reply *out_reply, hel_handle *out_handle);

/**
 * hw_client_map_bar() - map the registers at the start of a BAR of memory
 * @size_bytes: how many are wanted
 * @out_registers: until hw_client_unmap_bar()
 *
 * Return: 0, -ERR_PROTOCOL (the BAR is none of memory, or smaller), as hw_client_bar(),
 * -ERR_NO_MEMORY.
 */
MUST_USE int hw_client_map_bar(struct task *task, struct transport_client *hw, uint32_t index,
	size_t size_bytes, volatile void **out_registers);

/** hw_client_unmap_bar() - undo hw_client_map_bar() of as many bytes */
void hw_client_unmap_bar(volatile void *registers, size_t size_bytes);

/** hw_client_bus_master() - let the device read and write memory, or no more */
MUST_USE int hw_client_bus_master(struct task *task, struct transport_client *hw, bool is_enabled);

/**
 * hw_client_interrupt() - set up a vector of the best kind of interrupts that the device has
 * @out_irq: the caller's, HEL_NULL on errors
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS (the device has fewer), -ERR_BUSY (another client drives it),
 * -ERR_UNSUPPORTED (it has no interrupts).
 */
MUST_USE int hw_client_interrupt(
	struct task *task, struct transport_client *hw, uint32_t vector, hel_handle *out_irq);

/**
 * hw_client_interrupt_of() - set up a vector of a kind
 * @in_out_kind: which is wanted, or HW_INTERRUPT_KIND_ANY, and which it is; one of the kind LINE
 *	may come from other devices, too
 *
 * Return: as above; -ERR_UNSUPPORTED (it has none of this kind, or uses another one).
 */
MUST_USE int hw_client_interrupt_of(struct task *task, struct transport_client *hw, uint32_t vector,
	enum hw_interrupt_kind *in_out_kind, hel_handle *out_irq);

/**
 * hw_client_interrupt_mask() - let the device keep a vector's interrupts to itself, or send them
 *
 * Return: 0, -ERR_OUT_OF_BOUNDS, -ERR_NOT_FOUND (the caller has not set it up), -ERR_UNSUPPORTED
 * (it is MSI without a mask).
 */
MUST_USE int hw_client_interrupt_mask(
	struct task *task, struct transport_client *hw, uint32_t vector, bool is_masked);

/**
 * hw_client_interrupt_move() - let a vector's interrupts arrive at a CPU of @cpu_mask
 *
 * Return: 0, as hw_client_interrupt_mask(), -ERR_ILLEGAL_ARGS (no such CPU), -ERR_NO_SPACE.
 */
MUST_USE int hw_client_interrupt_move(
	struct task *task, struct transport_client *hw, uint32_t vector, uint64_t cpu_mask);

/** hw_client_interrupt_retarget() - let @vector raise what @to_vector raises; errors as above */
MUST_USE int hw_client_interrupt_retarget(
	struct task *task, struct transport_client *hw, uint32_t vector, uint32_t to_vector);

/**
 * hw_client_config_read() - read the device's configuration space
 * @offset: a multiple of @width_bytes, which is 1, 2 or 4
 */
MUST_USE int hw_client_config_read(struct task *task, struct transport_client *hw, uint32_t offset,
	uint32_t width_bytes, uint32_t *out_value);

/**
 * hw_client_config_block() - read a piece of the configuration space
 * @offset: a multiple of 4
 * @size_bytes: too, at most HW_LIMITS_CONFIG_BLOCK_MAX
 * @out_space_bytes: how large all of it is
 */
MUST_USE int hw_client_config_block(struct task *task, struct transport_client *hw, uint32_t offset,
	uint32_t size_bytes, void *out_data, uint32_t *out_space_bytes);

/**
 * hw_client_dma_space() - put the device into a dma-space
 * @out_dma_space: the caller's, HEL_NULL on errors
 *
 * It lasts until the caller's lane has ended and the device is quiet.
 *
 * Return: 0, -ERR_BUSY (another client drives it), -ERR_UNSUPPORTED (the firmware wants it).
 */
MUST_USE int hw_client_dma_space(
	struct task *task, struct transport_client *hw, hel_handle *out_dma_space);

/**
 * hw_client_hold() - have pages that are pinned without a dma-space last until the device is quiet
 * @memory: borrowed
 *
 * Return: 0, -ERR_BUSY, -ERR_NO_SPACE (too many).
 */
MUST_USE int hw_client_hold(struct task *task, struct transport_client *hw, hel_handle memory);

/* Tells a driver that its device is taken out. */
struct hw_removal {
	struct job job;
	struct transport_client *hw;
	void (*told)(struct hw_removal *removal, bool is_gone);
	bool is_waiting;
};

/**
 * hw_removal_watch() - have @told called once, on @loop, when the device is about to be taken out
 * @removal: in use until told() is called, or the lane has ended
 * @hw: borrowed until then; the driver closes its lane soon after
 * @told: is_gone: the device is out already
 *
 * It is not called if hw itself ends.
 */
void hw_removal_watch(struct hw_removal *removal, struct loop *loop, struct transport_client *hw,
	void (*told)(struct hw_removal *removal, bool is_gone));

/** hw_client_reset() - reset the device; 0, -ERR_BUSY, -ERR_UNSUPPORTED (it has no way), -ERR_IO */
MUST_USE int hw_client_reset(struct task *task, struct transport_client *hw);

#endif
