/* SPDX-License-Identifier: MIT */
/* Asking the firmware's bytecode: see firmware.h. */
#include "firmware.h"

#include <base/errors.h>
#include <base/string.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/transport/service.h>

constexpr uint64_t OPEN_TIMEOUT_NS = 20'000'000'000;
constexpr uint64_t FIND_TIMEOUT_NS = 3'000'000'000; /* svrctl publishes it before hw is asked */
constexpr uint64_t CALL_TIMEOUT_NS = 5'000'000'000;
constexpr size_t BUFFER_SIZE = 3 * ACPI_LIMITS_MESSAGE_MAX;
constexpr uint32_t CONFIG_MESSAGE_MAX = 256;
constexpr uint32_t CONFIG_SIZE = 4096;

/* ---- the configuration space, for bytecode --------------------------------------------------- */

struct config_service {
	struct transport_service service;
	const struct pci_access *access;
};

static bool config_decode(uint32_t segment, uint32_t address, uint32_t offset, uint32_t width,
	struct pci_address *out_address)
{
	bool is_valid = segment <= UINT16_MAX && address <= UINT16_MAX &&
		(width == 1 || width == 2 || width == 4) && offset % width == 0 &&
		offset < CONFIG_SIZE;

	*out_address = (struct pci_address){
		.segment = (uint16_t)segment,
		.bus = (uint8_t)(address >> 8),
		.device = address >> 3 & 31,
		.function = address & 7,
	};
	return is_valid;
}

static const struct pci_access *config_access(const struct bragi_call *call)
{
	return container_of(transport_service_of_call(call), struct config_service, service)
		->access;
}

static int serve_config_read(struct bragi_call *call,
	const struct acpi_config_read_request *request, struct acpi_config_read_reply *out_reply)
{
	const struct pci_access *access = config_access(call);
	struct pci_address address;

	if (!config_decode(request->segment, request->address, request->offset,
		    request->width_bytes, &address)) {
		return -ERR_ILLEGAL_ARGS;
	}
	out_reply->value = access->read(access, address, request->offset, request->width_bytes);
	return 0;
}

static int serve_config_write(struct bragi_call *call,
	const struct acpi_config_write_request *request,
	struct acpi_config_write_reply *out_reply UNUSED)
{
	const struct pci_access *access = config_access(call);
	struct pci_address address;

	if (!config_decode(request->segment, request->address, request->offset,
		    request->width_bytes, &address)) {
		return -ERR_ILLEGAL_ARGS;
	}
	access->write(access, address, request->offset, request->width_bytes, request->value);
	return 0;
}

static const struct acpi_config_ops config_ops = {
	.config_read = serve_config_read,
	.config_write = serve_config_write,
};

static void config_dispatch(struct bragi_call *call)
{
	(void)!acpi_config_dispatch(&config_ops, call);
}

static void config_closed(struct transport_service *service)
{
	helix_free(container_of(service, struct config_service, service));
}

/* Serve it on a new lane; the other end is the caller's. */
static int config_serve(const struct firmware *firmware, hel_handle *out_lane)
{
	struct config_service *service = helix_calloc(1, sizeof(*service));
	struct hel_stream_lanes lanes;
	int error = service == NULL ? -ERR_NO_MEMORY : hel_stream_create(&lanes);

	if (error != 0) {
		helix_free(service);
		return error;
	}
	const struct transport_service_config config = {
		.loop = firmware->loop,
		.lane = lanes.lane[0],
		.name = "config call",
		.dispatch = config_dispatch,
		.closed = config_closed,
		.n_calls_max = 1,
		.request_size_max = CONFIG_MESSAGE_MAX,
		.reply_size_max = CONFIG_MESSAGE_MAX,
	};

	service->access = firmware->access;
	error = transport_service_start(&service->service, &config);
	if (error != 0) {
		hel_close(HEL_THIS, lanes.lane[0]);
		hel_close(HEL_THIS, lanes.lane[1]);
		helix_free(service);
		return error;
	}
	*out_lane = lanes.lane[1];
	return 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int firmware_find(struct task *task, const struct firmware *firmware, hel_handle *out_lane)
{
	struct scope scope;

	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + FIND_TIMEOUT_NS);
	int error = mbus_open_service(task, firmware->mbus, "acpi", out_lane);
	int scope_error = scope_join(&scope);

	return error != 0 ? error : scope_error;
}

static int firmware_call_open(struct task *task, struct firmware *firmware)
{
	struct acpi_open_request request;
	struct acpi_open_reply reply;
	struct bragi_exchange exchange;
	uint8_t buffer[128];
	hel_handle lane;
	int error = config_serve(firmware, &lane);

	if (error != 0) {
		return error;
	}
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	acpi_open_request_init(&request);
	error = bragi_handles_add(&exchange.to_send, lane)
		? acpi_aml_open(task, &firmware->client.client, &exchange, &request, &reply)
		: -ERR_NO_SPACE;
	hel_close(HEL_THIS, lane);
	return error;
}

static int firmware_add_routes(struct firmware *firmware, const struct acpi_route_span *routes)
{
	size_t n_routes = (size_t)firmware->n_routes + routes->count;
	struct acpi_route *copy = helix_realloc(firmware->routes, n_routes * sizeof(*copy));

	if (copy == NULL) {
		return routes->count == 0 ? 0 : -ERR_NO_MEMORY;
	}
	memcpy(copy + firmware->n_routes, routes->items, routes->count * sizeof(*copy));
	firmware->routes = copy;
	firmware->n_routes = (uint32_t)n_routes;
	return 0;
}

static int firmware_read_routes(struct task *task, struct firmware *firmware)
{
	struct acpi_routes_request request;
	struct acpi_routes_reply reply = {};
	struct bragi_exchange exchange;
	uint8_t *buffer = helix_malloc(BUFFER_SIZE);
	int error = buffer == NULL ? -ERR_NO_MEMORY : 0;

	while (error == 0 && reply.is_last == 0) {
		bragi_exchange_init(&exchange, buffer, BUFFER_SIZE);
		acpi_routes_request_init(&request);
		request.first = firmware->n_routes;
		error = acpi_aml_routes(
			task, &firmware->client.client, &exchange, &request, &reply);
		if (error == 0 && reply.is_last == 0 && reply.routes.count == 0) {
			error = -ERR_PROTOCOL;
		}
		if (error == 0) {
			error = firmware_add_routes(firmware, &reply.routes);
		}
	}
	helix_free(buffer);
	return error;
}

static int firmware_talk(struct task *task, struct firmware *firmware)
{
	struct scope scope;

	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + OPEN_TIMEOUT_NS);
	int error = firmware_call_open(task, firmware);

	if (error == 0) {
		error = firmware_read_routes(task, firmware);
	}
	int scope_error = scope_join(&scope);

	return error != 0 ? error : scope_error;
}

/* `hati.acpi=off` on the kernel's command line: for bytecode that does harm. */
static bool firmware_is_wanted(void)
{
	char value[8];

	return !helix_command_line_option("hati.acpi", value, sizeof(value)) ||
		!str_equal(value, "off");
}

static void firmware_open(struct task *task, struct firmware *firmware)
{
	uint64_t started_ns = task_now_ns(task);
	hel_handle lane;

	firmware->state = FIRMWARE_OPENING;
	int error = firmware_is_wanted() ? firmware_find(task, firmware, &lane) : -ERR_NOT_FOUND;

	if (error == 0) {
		transport_client_init(&firmware->client, lane, 0);
		error = firmware_talk(task, firmware);
		if (error != 0) {
			hel_close(HEL_THIS, lane);
		}
	}
	firmware->state = error == 0 ? FIRMWARE_READY : FIRMWARE_ABSENT;
	if (error == 0) {
		helix_log(HEL_LOG_INFO, "AML: %u routes of interrupts, after %llu ms",
			firmware->n_routes,
			(unsigned long long)((task_now_ns(task) - started_ns) / 1'000'000));
	} else {
		helix_log(HEL_LOG_WARNING, "no AML: %s", error_text(error));
	}
	wait_queue_wake(&firmware->opened);
}

/* Whether there is somebody to ask; the first one opens it, and others wait for that. */
static bool firmware_is_there(struct task *task, struct firmware *firmware)
{
	if (firmware->state == FIRMWARE_UNKNOWN) {
		firmware_open(task, firmware);
	}
	while (firmware->state == FIRMWARE_OPENING && wait_on(task, &firmware->opened) == 0) {
		continue;
	}
	return firmware->state == FIRMWARE_READY;
}

void firmware_init(struct firmware *firmware, struct loop *loop, const struct pci_access *access,
	hel_handle mbus)
{
	*firmware = (struct firmware){ .loop = loop, .access = access, .mbus = mbus };
	wait_queue_init(&firmware->opened);
}

/* ---- questions ------------------------------------------------------------------------------- */

const struct acpi_route *firmware_find_route(
	struct task *task, struct firmware *firmware, struct pci_address device, uint32_t pin)
{
	if (!firmware_is_there(task, firmware)) {
		return NULL;
	}
	for (uint32_t i = 0; i < firmware->n_routes; i++) {
		const struct acpi_route *route = &firmware->routes[i];

		if (route->segment == device.segment && route->bus == device.bus &&
			route->device == device.device && route->pin == pin) {
			return route;
		}
	}
	return NULL;
}

bool firmware_prepare_off(
	struct task *task, struct firmware *firmware, struct acpi_sleep_type *out_type)
{
	struct acpi_prepare_off_request request;
	struct acpi_prepare_off_reply reply;
	struct bragi_exchange exchange;
	struct scope scope;
	uint8_t buffer[128];

	if (!firmware_is_there(task, firmware)) {
		return false;
	}
	scope_begin(task, &scope);
	scope_set_deadline(&scope, task_now_ns(task) + CALL_TIMEOUT_NS);
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	acpi_prepare_off_request_init(&request);
	int error =
		acpi_aml_prepare_off(task, &firmware->client.client, &exchange, &request, &reply);

	if (scope_join(&scope) != 0 || error != 0) {
		return false;
	}
	*out_type = (struct acpi_sleep_type){
		.pm1a = (uint8_t)reply.pm1a_type,
		.pm1b = (uint8_t)reply.pm1b_type,
	};
	return true;
}
