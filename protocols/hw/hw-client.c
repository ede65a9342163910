/* SPDX-License-Identifier: MIT */
/* What drivers ask of hw: see hw-client.h. */
#include <protocols/hw/hw-client.h>

#include <base/errors.h>
#include <base/string.h>
#include <base/string.h>
#include <helix/helix.h>

#define INFO_BYTES 2048

/* Room for any reply but that of hw_client_info(). */
struct small_call {
	struct bragi_exchange exchange;
	uint8_t buffer[128];
};

static struct bragi_exchange *small_call_begin(struct small_call *call)
{
	bragi_exchange_init(&call->exchange, call->buffer, sizeof(call->buffer));
	return &call->exchange;
}

/* The descriptor that comes with a reply: @error, or -ERR_PROTOCOL if it is missing. */
static int small_call_take(struct small_call *call, int error, hel_handle *out_handle)
{
	*out_handle = bragi_handles_take(&call->exchange.received, 0);
	return error == 0 && *out_handle == HEL_NULL ? -ERR_PROTOCOL : error;
}

int hw_client_info(struct task *task, struct transport_client *hw, struct bragi_exchange *exchange,
	struct hw_info_reply *out_reply)
{
	struct hw_info_request request;

	hw_info_request_init(&request);
	int error = hw_device_info(task, &hw->client, exchange, &request, out_reply);

	return error == 0 && out_reply->bars.count < HW_LIMITS_BARS_MAX ? -ERR_PROTOCOL : error;
}

int hw_client_address(
	struct task *task, struct transport_client *hw, char out_address[HW_CLIENT_ADDRESS_SIZE])
{
	uint8_t buffer[INFO_BYTES];
	struct bragi_exchange exchange;
	struct hw_info_reply info;

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	int error = hw_client_info(task, hw, &exchange, &info);

	if (error == 0 && info.address.length >= HW_CLIENT_ADDRESS_SIZE) {
		error = -ERR_PROTOCOL;
	}
	if (error == 0) {
		memcpy(out_address, info.address.text, info.address.length);
		out_address[info.address.length] = '\0';
	}
	return error;
}

int hw_client_bar(struct task *task, struct transport_client *hw, uint32_t index,
	struct hw_bar_reply *out_reply, hel_handle *out_handle)
{
	struct small_call call;
	struct hw_bar_request request;

	hw_bar_request_init(&request);
	request.index = index;
	int error = hw_device_bar(task, &hw->client, small_call_begin(&call), &request, out_reply);

	return small_call_take(&call, error, out_handle);
}

int hw_client_map_bar(struct task *task, struct transport_client *hw, uint32_t index,
	size_t size_bytes, volatile void **out_registers)
{
	struct hw_bar_reply reply;
	hel_handle memory;
	void *mapped;
	int error = hw_client_bar(task, hw, index, &reply, &memory);

	if (error == 0 &&
		(reply.kind != HW_BAR_KIND_MEMORY || reply.size_bytes < size_bytes ||
			reply.offset >= HEL_PAGE_SIZE)) {
		error = -ERR_PROTOCOL;
	}
	if (error == 0) {
		error = helix_map(memory, 0, reply.offset + size_bytes,
			HEL_MAP_READ | HEL_MAP_WRITE, &mapped);
	}
	if (memory != HEL_NULL) {
		hel_close(HEL_THIS, memory);
	}
	if (error == 0) {
		*out_registers = (uint8_t *)mapped + reply.offset;
	}
	return error;
}

void hw_client_unmap_bar(volatile void *registers, size_t size_bytes)
{
	uint64_t start = align_down((uint64_t)registers, HEL_PAGE_SIZE);

	helix_unmap((void *)start, (uint64_t)registers - start + size_bytes);
}

int hw_client_bus_master(struct task *task, struct transport_client *hw, bool is_enabled)
{
	struct small_call call;
	struct hw_bus_master_request request;
	struct hw_bus_master_reply reply;

	hw_bus_master_request_init(&request);
	request.is_enabled = is_enabled;
	return hw_device_bus_master(task, &hw->client, small_call_begin(&call), &request, &reply);
}

int hw_client_interrupt(
	struct task *task, struct transport_client *hw, uint32_t vector, hel_handle *out_irq)
{
	enum hw_interrupt_kind kind = HW_INTERRUPT_KIND_ANY;

	return hw_client_interrupt_of(task, hw, vector, &kind, out_irq);
}

int hw_client_interrupt_of(struct task *task, struct transport_client *hw, uint32_t vector,
	enum hw_interrupt_kind *in_out_kind, hel_handle *out_irq)
{
	struct small_call call;
	struct hw_interrupt_request request;
	struct hw_interrupt_reply reply;

	hw_interrupt_request_init(&request);
	request.vector = vector;
	request.kind = *in_out_kind;
	int error =
		hw_device_interrupt(task, &hw->client, small_call_begin(&call), &request, &reply);

	if (error == 0) {
		*in_out_kind = reply.kind;
	}
	return small_call_take(&call, error, out_irq);
}

int hw_client_interrupt_mask(
	struct task *task, struct transport_client *hw, uint32_t vector, bool is_masked)
{
	struct small_call call;
	struct hw_interrupt_mask_request request;
	struct hw_interrupt_mask_reply reply;

	hw_interrupt_mask_request_init(&request);
	request.vector = vector;
	request.is_masked = is_masked;
	return hw_device_interrupt_mask(
		task, &hw->client, small_call_begin(&call), &request, &reply);
}

int hw_client_interrupt_move(
	struct task *task, struct transport_client *hw, uint32_t vector, uint64_t cpu_mask)
{
	struct small_call call;
	struct hw_interrupt_move_request request;
	struct hw_interrupt_move_reply reply;

	hw_interrupt_move_request_init(&request);
	request.vector = vector;
	request.cpu_mask = cpu_mask;
	return hw_device_interrupt_move(
		task, &hw->client, small_call_begin(&call), &request, &reply);
}

int hw_client_interrupt_retarget(
	struct task *task, struct transport_client *hw, uint32_t vector, uint32_t to_vector)
{
	struct small_call call;
	struct hw_interrupt_retarget_request request;
	struct hw_interrupt_retarget_reply reply;

	hw_interrupt_retarget_request_init(&request);
	request.vector = vector;
	request.to_vector = to_vector;
	return hw_device_interrupt_retarget(
		task, &hw->client, small_call_begin(&call), &request, &reply);
}

int hw_client_config_read(struct task *task, struct transport_client *hw, uint32_t offset,
	uint32_t width_bytes, uint32_t *out_value)
{
	struct small_call call;
	struct hw_config_read_request request;
	struct hw_config_read_reply reply;

	hw_config_read_request_init(&request);
	request.offset = offset;
	request.width_bytes = width_bytes;
	int error =
		hw_device_config_read(task, &hw->client, small_call_begin(&call), &request, &reply);

	if (error == 0) {
		*out_value = reply.value;
	}
	return error;
}

int hw_client_dma_space(struct task *task, struct transport_client *hw, hel_handle *out_dma_space)
{
	struct small_call call;
	struct hw_dma_space_request request;
	struct hw_dma_space_reply reply;

	hw_dma_space_request_init(&request);
	int error =
		hw_device_dma_space(task, &hw->client, small_call_begin(&call), &request, &reply);

	return small_call_take(&call, error, out_dma_space);
}

int hw_client_hold(struct task *task, struct transport_client *hw, hel_handle memory)
{
	struct small_call call;
	struct hw_hold_request request;
	struct hw_hold_reply reply;
	struct bragi_exchange *exchange = small_call_begin(&call);

	hw_hold_request_init(&request);
	return bragi_handles_add(&exchange->to_send, memory)
		? hw_device_hold(task, &hw->client, exchange, &request, &reply)
		: -ERR_NO_SPACE;
}

int hw_client_reset(struct task *task, struct transport_client *hw)
{
	struct small_call call;
	struct hw_reset_device_request request;
	struct hw_reset_device_reply reply;

	hw_reset_device_request_init(&request);
	return hw_device_reset_device(task, &hw->client, small_call_begin(&call), &request, &reply);
}

int hw_client_config_block(struct task *task, struct transport_client *hw, uint32_t offset,
	uint32_t size_bytes, void *out_data, uint32_t *out_space_bytes)
{
	uint8_t buffer[HW_LIMITS_CONFIG_BLOCK_MAX + 128];
	struct hw_config_block_request request;
	struct hw_config_block_reply reply;
	struct bragi_exchange exchange;

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	hw_config_block_request_init(&request);
	request.offset = offset;
	request.size_bytes = size_bytes;
	int error = hw_device_config_block(task, &hw->client, &exchange, &request, &reply);

	if (error == 0 && reply.data.size != size_bytes) {
		error = -ERR_PROTOCOL;
	}
	if (error == 0) {
		memcpy(out_data, reply.data.data, size_bytes);
		*out_space_bytes = reply.space_bytes;
	}
	return error;
}

/* ---- removal --------------------------------------------------------------------------------- */

static int removal_wait(struct task *task, void *argument)
{
	struct hw_removal *removal = argument;
	struct small_call call;
	struct hw_removal_request request;
	struct hw_removal_reply reply;

	hw_removal_request_init(&request);
	int error = hw_device_removal(
		task, &removal->hw->client, small_call_begin(&call), &request, &reply);

	removal->is_waiting = false;
	task->job = NULL; /* the one who is told may free it */
	if (error == 0) {
		removal->told(removal, reply.is_gone != 0);
	}
	return 0;
}

void hw_removal_watch(struct hw_removal *removal, struct loop *loop, struct transport_client *hw,
	void (*told)(struct hw_removal *removal, bool is_gone))
{
	*removal = (struct hw_removal){ .hw = hw, .told = told, .is_waiting = true };
	job_init(&removal->job, "removal", removal_wait, removal);
	job_submit(loop, &removal->job);
}
