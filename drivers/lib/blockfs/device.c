/* SPDX-License-Identifier: MIT */
/* Requests and slices: see device.h. */
#include <base/assert.h>
#include <base/errors.h>
#include <drivers/lib/blockfs/device.h>

static bool request_is_in_range(const struct device_request *request)
{
	const struct device *device = request->device;

	return is_aligned(request->offset | request->length, device->block_size) &&
		request->length <= device->size &&
		request->offset <= device->size - request->length;
}

static enum op_result request_start(struct op *op)
{
	struct device_request *request = container_of(op, struct device_request, op);

	if (request->action != DEVICE_FLUSH && !request_is_in_range(request)) {
		return op_finish_inline(op, -ERR_OUT_OF_BOUNDS);
	}
	if (request->action != DEVICE_READ && request->device->is_read_only) {
		return op_finish_inline(op, -ERR_NO_RIGHTS);
	}
	return request->device->ops->start(request);
}

static void request_cancel(struct op *op)
{
	struct device_request *request = container_of(op, struct device_request, op);

	request->device->ops->cancel(request);
}

static const struct op_class request_class = {
	.name = "device-request",
	.start = request_start,
	.cancel = request_cancel,
};

void device_request_init(struct device_request *request, struct device *device,
	enum device_action action, uint64_t offset, uint64_t length)
{
	*request = (struct device_request){
		.device = device,
		.action = action,
		.offset = offset,
		.length = length,
		.owner = device->owner,
	};
	op_init(&request->op, &request_class);
}

int device_transfer(struct task *task, struct device *device, enum device_action action,
	uint64_t offset, const struct device_buffer *buffer, uint32_t flags)
{
	struct device_request request;

	device_request_init(&request, device, action, offset, buffer->length);
	request.flags = flags;
	device_request_set_buffers(&request, buffer, 1);
	return await(task, &request.op);
}

int device_flush(struct task *task, struct device *device)
{
	struct device_request request;

	device_request_init(&request, device, DEVICE_FLUSH, 0, 0);
	return await(task, &request.op);
}

static enum op_result slice_start(struct device_request *request)
{
	struct device_slice *slice = container_of(request->device, struct device_slice, device);

	request->device = slice->whole;
	request->offset += slice->start;
	return slice->whole->ops->start(request);
}

/* A request in flight has become the whole device's own. */
static void slice_cancel(UNUSED struct device_request *request)
{
	UNREACHABLE();
}

static const struct device_ops slice_ops = { .start = slice_start, .cancel = slice_cancel };

void device_slice_init(
	struct device_slice *slice, struct device *whole, uint64_t start, uint64_t size)
{
	ASSERT(start <= whole->size);
	ASSERT(size <= whole->size - start);
	*slice = (struct device_slice){ .device = *whole, .whole = whole, .start = start };
	slice->device.ops = &slice_ops;
	slice->device.size = size;
}
