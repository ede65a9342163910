/* SPDX-License-Identifier: MIT */
/*
 * acpi: interprets the machine's ACPI bytecode for hw, with ACPICA.
 *
 * It is a server of its own because bytecode comes from the machine's vendor and may loop, ask for
 * nonsense or bring the interpreter down: hw goes on without, as on a machine that has none. It is
 * started when hw asks for the first time. It has the authority, as hw has: what bytecode touches,
 * nobody knows before.
 */
#include "aml.h"
#include "osl.h"

#include <base/errors.h>
#include <base/string.h>
#include <protocols/svrctl/provide.h>
#include <protocols/transport/service.h>

#define STACK_SLOT_SIZE KIB(256)
#define ARENA_SIZE      KIB(64)

static struct helix_loop loop;
static bool is_open;

static int serve_open(struct bragi_call *call, const struct acpi_open_request *request UNUSED,
	struct acpi_open_reply *out_reply UNUSED)
{
	hel_handle lane = bragi_handles_take(&call->received, 0);

	if (is_open || lane == HEL_NULL) {
		if (lane != HEL_NULL) {
			hel_close(HEL_THIS, lane);
		}
		return is_open ? -ERR_ILLEGAL_STATE : -ERR_ILLEGAL_ARGS;
	}
	is_open = true;
	osl_set_config(lane);
	osl_enter(call->task);
	return aml_open();
}

static int serve_bridges(struct bragi_call *call, const struct acpi_bridges_request *request UNUSED,
	struct acpi_bridges_reply *out_reply)
{
	if (!is_open) {
		return -ERR_ILLEGAL_STATE;
	}
	osl_enter(call->task);
	return aml_bridges(&call->arena, &out_reply->bridges);
}

static int serve_routes(struct bragi_call *call, const struct acpi_routes_request *request,
	struct acpi_routes_reply *out_reply)
{
	struct aml_routes routes;

	if (!is_open) {
		return -ERR_ILLEGAL_STATE;
	}
	osl_enter(call->task);
	int error = aml_routes(&routes);
	uint32_t first = request->first < routes.count ? request->first : routes.count;
	uint32_t count = routes.count - first < ACPI_LIMITS_ROUTES_MAX ? routes.count - first
								       : ACPI_LIMITS_ROUTES_MAX;
	struct acpi_route *items = bragi_arena_allocate(&call->arena, count * sizeof(*items));

	if (error == 0 && items == NULL) {
		error = -ERR_NO_MEMORY;
	}
	if (error == 0) {
		memcpy(items, routes.items + first, count * sizeof(*items));
		out_reply->routes = (struct acpi_route_span){ .items = items, .count = count };
		out_reply->is_last = first + count == routes.count;
	}
	helix_free(routes.items);
	return error;
}

static int serve_prepare_off(struct bragi_call *call,
	const struct acpi_prepare_off_request *request UNUSED,
	struct acpi_prepare_off_reply *out_reply)
{
	if (!is_open) {
		return -ERR_ILLEGAL_STATE;
	}
	osl_enter(call->task);
	return aml_prepare_off(&out_reply->pm1a_type, &out_reply->pm1b_type);
}

static const struct acpi_aml_ops aml_ops = {
	.open = serve_open,
	.bridges = serve_bridges,
	.routes = serve_routes,
	.prepare_off = serve_prepare_off,
};

static void client_dispatch(struct bragi_call *call)
{
	(void)!acpi_aml_dispatch(&aml_ops, call);
}

static void client_connected(const char *name UNUSED, hel_handle lane)
{
	const struct transport_service_config config = {
		.loop = &loop.loop,
		.lane = lane,
		.name = "acpi call",
		.dispatch = client_dispatch,
		.n_calls_max = 1,
		.request_size_max = ACPI_LIMITS_MESSAGE_MAX,
		.reply_size_max = ACPI_LIMITS_MESSAGE_MAX,
		.arena_size = ARENA_SIZE,
	};

	transport_serve(&config);
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	const struct helix_loop_config config = { .stack_slot_size = STACK_SLOT_SIZE };
	int error = osl_init(&loop.loop, helix_start_handle("authority"), helix_start()->rsdp_phys);

	return error != 0 ? error : provide_run(&loop, &config, client_connected);
}
