/* SPDX-License-Identifier: MIT */
/*
 * svrctl: the first program. It starts the servers of the boot archive, each with exactly the
 * handles that its manifest names, introduces them to each other, and watches them.
 *
 * A service is a control stream (protocols/svrctl): svrctl keeps one end, the server that provides
 * it has the other as "control". For every server that needs the service, svrctl makes a stream,
 * gives one end to the client under the service's name and introduces the other one to the
 * provider.
 *
 * A service on demand (demand.h) has no server at first. Besides those whose manifests need it,
 * anybody can ask for it through mbus, where svrctl publishes it in the server's place.
 *
 * A driver (driver.h) has no server at first, either: it is started when a device appears on mbus
 * that its manifest names. Of several that serve an object, the first one gets it. One that is
 * wanted once for `each` value of a property becomes a server of its own when the first object with
 * a value appears, with the same manifest, and stays.
 *
 * When a server dies it is logged with its registers, and its clients see their lanes end. Only
 * servers on demand and drivers are started again.
 */
#include "boot.h"
#include "control.h"
#include "demand.h"
#include "driver.h"
#include "power.h"
#include "servers.h"
#include "spawn.h"

#include <base/cpio.h>
#include <base/errors.h>
#include <base/string.h>
#include <helix/helix.h>
#include <protocols/mbus/mbus-client.h>
#include <protocols/svrctl/connect.h>

/** EACH_MAX - processes of drivers that have several */
constexpr size_t EACH_MAX = 64;

struct server {
	const struct manifest *manifest;
	/* our end of its control stream; HEL_NULL: it provides nothing, or the demand has it */
	hel_handle control;
	hel_handle thread; /* HEL_NULL: it does not run */
	uint32_t n_starts;
	struct job watch;
	struct driver driver; /* of a driver */
	char *value; /* of a driver for `each` value of a property; NULL: of none */
	/* of a server on demand */
	struct demand demand;
	struct connect_listener asked; /* through mbus */
	hel_handle asked_control;
};

/* At the start all servers may need the same one, which is started when they have been. */
static_assert(DEMAND_CLIENTS_MAX >= BOOT_SERVERS_MAX);

static struct helix_loop loop;
static const void *archive;
static size_t archive_size;
static struct server servers[BOOT_SERVERS_MAX + EACH_MAX];
static size_t n_servers;

/* ---- handles --------------------------------------------------------------------------------- */

/* What one server is going to get. */
struct grants {
	struct svrctl_grant items[MANIFEST_NEEDS_MAX + 1];
	size_t count;
	hel_handle to_close[MANIFEST_NEEDS_MAX + 1]; /* our copies, once the server has its own */
	size_t n_to_close;
};

static void grants_add(struct grants *grants, const char *name, hel_handle handle, uint32_t rights)
{
	grants->items[grants->count++] = (struct svrctl_grant){
		.name = name,
		.handle = handle,
		.rights = rights,
		.value = helix_start_value(name),
	};
}

static void grants_close(struct grants *grants)
{
	for (size_t i = 0; i < grants->n_to_close; i++) {
		hel_close(HEL_THIS, grants->to_close[i]);
	}
}

static void grant_builtin(struct grants *grants, const char *name)
{
	hel_handle authority = helix_start_handle("authority");

	if (str_equal(name, "log")) {
		grants_add(grants, name, authority, HEL_RIGHT_WRITE);
	} else if (str_equal(name, "statistics")) {
		grants_add(grants, name, authority, HEL_RIGHT_READ);
	} else if (str_equal(name, "clock")) {
		grants_add(grants, name, authority, HEL_RIGHT_SIGNAL);
	} else if (str_equal(name, "authority")) {
		grants_add(grants, name, authority, HEL_RIGHTS_ALL);
	} else {
		grants_add(grants, name, helix_start_handle(name),
			HEL_RIGHT_READ | HEL_RIGHT_MAP | HEL_RIGHT_DERIVE);
	}
}

static struct server *server_find(const char *service)
{
	for (size_t i = 0; i < n_servers; i++) {
		if (str_equal(servers[i].manifest->provides, service)) {
			return &servers[i];
		}
	}
	return NULL;
}

int svrctl_connect_service(const char *service, const char *client, hel_handle *out_lane)
{
	struct server *server = server_find(service);
	struct hel_stream_lanes lanes;

	if (server == NULL) {
		return -ERR_NOT_FOUND;
	}
	int error = hel_stream_create(&lanes);

	if (error != 0) {
		return error;
	}
	error = server->manifest->is_on_demand
		? demand_connect(&server->demand, client, lanes.lane[0])
		: connect_send(&loop.loop, server->control, client, lanes.lane[0]);
	if (error != 0) {
		hel_close(HEL_THIS, lanes.lane[0]);
		hel_close(HEL_THIS, lanes.lane[1]);
		return error;
	}
	*out_lane = lanes.lane[1];
	return 0;
}

static int grant_service(struct grants *grants, const char *service, const char *client)
{
	hel_handle lane;
	int error = svrctl_connect_service(service, client, &lane);

	if (error == 0) {
		grants->to_close[grants->n_to_close++] = lane;
		grants_add(grants, service, lane, HEL_RIGHTS_ALL);
	}
	return error;
}

static int grant_control(struct grants *grants, struct server *server)
{
	struct hel_stream_lanes lanes;
	int error = hel_stream_create(&lanes);

	if (error == 0) {
		server->control = lanes.lane[0];
		grants->to_close[grants->n_to_close++] = lanes.lane[1];
		grants_add(grants, "control", lanes.lane[1], HEL_RIGHTS_ALL);
	}
	return error;
}

static int server_collect_grants(struct server *server, struct grants *grants)
{
	const struct manifest *manifest = server->manifest;
	int error = 0;

	*grants = (struct grants){};
	for (size_t i = 0; error == 0 && i < manifest->n_needs; i++) {
		if (boot_is_builtin(manifest->needs[i])) {
			grant_builtin(grants, manifest->needs[i]);
		} else {
			error = grant_service(grants, manifest->needs[i], manifest->name);
		}
	}
	if (error == 0 && (manifest->provides[0] != '\0' || manifest_is_driver(manifest))) {
		error = grant_control(grants, server);
	}
	return error;
}

/* ---- watching -------------------------------------------------------------------------------- */

static const char *observation_name(const struct hel_observe_result *result)
{
	switch (result->observation) {
	case HEL_OBSERVE_TERMINATED: return "has ended";
	case HEL_OBSERVE_FAULT: return "faulted";
	case HEL_OBSERVE_BAD_CALL: return "made an unknown call";
	default: return "was stopped";
	}
}

static void server_log_registers(const struct server *server)
{
	struct hel_registers registers;
	size_t size;

	if (hel_thread_read_registers(server->thread, HEL_REGISTERS_GENERAL, &registers,
		    sizeof(registers), &size) != 0) {
		return;
	}
	helix_log(HEL_LOG_ERROR, "%s: rip %016llx rsp %016llx rbp %016llx", server->manifest->name,
		(unsigned long long)registers.rip, (unsigned long long)registers.rsp,
		(unsigned long long)registers.rbp);
	helix_log(HEL_LOG_ERROR, "%s: rax %016llx rbx %016llx rcx %016llx rdx %016llx",
		server->manifest->name, (unsigned long long)registers.rax,
		(unsigned long long)registers.rbx, (unsigned long long)registers.rcx,
		(unsigned long long)registers.rdx);
	helix_log(HEL_LOG_ERROR, "%s: rsi %016llx rdi %016llx r8 %016llx r9 %016llx",
		server->manifest->name, (unsigned long long)registers.rsi,
		(unsigned long long)registers.rdi, (unsigned long long)registers.r8,
		(unsigned long long)registers.r9);
}

static void server_log_death(const struct server *server, const struct hel_observe_result *result)
{
	helix_log(HEL_LOG_ERROR, "%s %s: vector %u, error code %llx, address %llx, ip %llx",
		server->manifest->name, observation_name(result), result->vector,
		(unsigned long long)result->error_code, (unsigned long long)result->address,
		(unsigned long long)result->ip);
	server_log_registers(server);
}

/* Wait for the server's end, whatever it is. */
static int server_watch(struct task *task, void *argument)
{
	struct server *server = argument;
	struct hel_observe_result result = {};
	uint64_t sequence = 0;
	int error;

	do {
		error = helix_observe(task, server->thread, &sequence, &result);
		if (error == 0 && result.observation != HEL_OBSERVE_TERMINATED) {
			server_log_death(server, &result);
			hel_thread_kill(server->thread);
		}
	} while (error == 0 && result.observation != HEL_OBSERVE_TERMINATED);
	helix_log(HEL_LOG_WARNING, "%s has ended", server->manifest->name);
	hel_close(HEL_THIS, server->thread);
	server->thread = HEL_NULL;
	if (server->manifest->is_final || server->manifest->is_critical) {
		svrctl_power_off(task);
	}
	if (server->manifest->is_on_demand || manifest_is_driver(server->manifest)) {
		task->job = NULL; /* the next life has the same job */
	}
	if (server->manifest->is_on_demand) {
		demand_ended(&server->demand);
	} else if (manifest_is_driver(server->manifest)) {
		driver_ended(&server->driver);
	}
	return 0;
}

/* ---- starting -------------------------------------------------------------------------------- */

static int server_spawn(struct server *server, const struct grants *grants)
{
	const struct manifest *manifest = server->manifest;
	const char *arguments[MANIFEST_ARGUMENTS_MAX + 2] = { manifest->binary };
	size_t n_arguments = manifest->n_arguments + 1;
	struct cpio_entry file;

	if (!cpio_find(archive, archive_size, manifest->binary, &file)) {
		return -ERR_NOT_FOUND;
	}
	for (size_t i = 0; i < manifest->n_arguments; i++) {
		arguments[i + 1] = manifest->arguments[i];
	}
	if (server->value != NULL) {
		arguments[n_arguments++] = server->value;
	}
	const struct svrctl_program program = {
		.image = file.data,
		.image_size = file.size,
		.arguments = arguments,
		.n_arguments = n_arguments,
		.grants = grants->items,
		.n_grants = grants->count,
		.command_line = (const char *)helix_start()->command_line,
		.n_cpus = helix_start()->n_cpus,
		.rsdp_phys = manifest_needs(manifest, "authority") ? helix_start()->rsdp_phys : 0,
	};

	return svrctl_spawn(&program, &server->thread);
}

/* For the tools that give the kernel's trace names. */
static void server_log_thread(const struct server *server)
{
	struct hel_descriptor_info info;

	if (hel_descriptor_info(HEL_THIS, server->thread, &info) == 0) {
		helix_log(HEL_LOG_DEBUG, "thread %llx is %s", (unsigned long long)info.identity,
			server->manifest->name);
	}
}

static int server_try_to_start(struct server *server)
{
	struct grants grants;
	int error = server_collect_grants(server, &grants);

	if (error == 0) {
		error = server_spawn(server, &grants);
	}
	grants_close(&grants);
	if (error != 0) {
		return error;
	}
	server_log_thread(server);
	error = hel_thread_start(server->thread);
	if (error != 0) {
		hel_close(HEL_THIS, server->thread);
		server->thread = HEL_NULL;
		return error;
	}
	server->n_starts++;
	job_init(&server->watch, server->manifest->name, server_watch, server);
	job_submit(&loop.loop, &server->watch);
	return 0;
}

static int server_start(struct server *server)
{
	int error = server_try_to_start(server);

	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "%s cannot be started: %s", server->manifest->name,
			error_text(error));
	}
	return error;
}

/* ---- on demand ------------------------------------------------------------------------------- */

/* Start a server whose control stream somebody else has. */
static int server_start_for(struct server *server, hel_handle *out_control)
{
	int error = server_start(server);

	if (error == 0) {
		*out_control = server->control;
	} else if (server->control != HEL_NULL) {
		hel_close(HEL_THIS, server->control);
	}
	server->control = HEL_NULL;
	return error;
}

static int server_start_on_demand(struct demand *demand, hel_handle *out_control)
{
	return server_start_for(container_of(demand, struct server, demand), out_control);
}

static const struct demand_ops server_demand_ops = { .start = server_start_on_demand };

static void server_asked(struct connect_listener *listener, const char *client, hel_handle lane)
{
	struct server *server = container_of(listener, struct server, asked);
	int error = demand_connect(&server->demand, client, lane);

	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "%s does not get %s: %s", client,
			server->manifest->provides, error_text(error));
		hel_close(HEL_THIS, lane);
	}
}

static void server_asked_ended(struct connect_listener *listener UNUSED)
{
	helix_log(HEL_LOG_WARNING, "mbus is gone, nobody can ask for services any more");
}

static const struct connect_listener_ops server_asked_ops = {
	.connected = server_asked,
	.ended = server_asked_ended,
};

static int server_publish(struct task *task, hel_handle mbus, struct server *server)
{
	const struct mbus_pair properties[] = {
		{ "class", "service" },
		{ "name", server->manifest->provides },
	};
	int error = mbus_publish(
		task, mbus, properties, ARRAY_SIZE(properties), &server->asked_control);

	if (error == 0) {
		connect_listen(
			&server->asked, &server_asked_ops, &loop.loop, server->asked_control);
	}
	return error;
}

static int publish_services(struct task *task, void *argument UNUSED)
{
	hel_handle mbus;
	int error = svrctl_connect_service("mbus", "svrctl", &mbus);

	if (error == 0) {
		error = control_publish(task, mbus);
	}
	for (size_t i = 0; error == 0 && i < n_servers; i++) {
		if (servers[i].manifest->is_on_demand) {
			error = server_publish(task, mbus, &servers[i]);
		}
	}
	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "services cannot be published: %s", error_text(error));
	}
	return 0;
}

/* ---- drivers --------------------------------------------------------------------------------- */

static hel_handle device_mbus;

static int server_start_driver(struct driver *driver, hel_handle *out_control)
{
	return server_start_for(container_of(driver, struct server, driver), out_control);
}

static int server_bind_device(
	struct task *task, struct driver *driver, uint64_t id, hel_handle *out_lane)
{
	const struct server *server = container_of(driver, struct server, driver);
	int error = mbus_bind_for(task, device_mbus, id, server->manifest->name, out_lane);

	if (error != 0) {
		helix_log(HEL_LOG_WARNING, "%s does not get object %llu: %s",
			server->manifest->name, (unsigned long long)id, error_text(error));
	}
	return error;
}

static const struct driver_ops server_driver_ops = {
	.start = server_start_driver,
	.bind = server_bind_device,
};

static const char *device_property(const void *object, const char *name)
{
	return mbus_object_property(object, name);
}

/* The server for an object with that value, which may be a new one: 0, -ERR_X. */
static int find_server_for(
	const struct manifest *manifest, const char *value, struct server **out_server)
{
	if (value == NULL) {
		return -ERR_NOT_FOUND;
	}
	for (size_t i = 0; i < n_servers; i++) {
		if (servers[i].manifest == manifest && servers[i].value != NULL &&
			str_equal(servers[i].value, value)) {
			*out_server = &servers[i];
			return 0;
		}
	}
	if (n_servers == ARRAY_SIZE(servers)) {
		return -ERR_NO_SPACE;
	}
	size_t size = strlen(value) + 1;
	char *copy = helix_malloc(size);

	if (copy == NULL) {
		return -ERR_NO_MEMORY;
	}
	struct server *server = &servers[n_servers++];

	memcpy(copy, value, size);
	server->manifest = manifest;
	server->value = copy;
	driver_init(&server->driver, &server_driver_ops, &loop.loop, manifest->name);
	*out_server = server;
	return 0;
}

static int add_device(struct server *server, const struct mbus_object *object)
{
	const struct manifest *manifest = server->manifest;
	const char *class = mbus_object_property(object, "class");
	int error = 0;

	if (manifest->each[0] != '\0') {
		error = find_server_for(
			manifest, mbus_object_property(object, manifest->each), &server);
	}
	return error != 0
		? error
		: driver_add(&server->driver, object->id, class != NULL ? class : "object");
}

static int device_appeared(
	struct task *task UNUSED, void *context UNUSED, const struct mbus_object *object)
{
	for (size_t i = 0; object->is_known == 0 && i < n_servers; i++) {
		struct server *server = &servers[i];

		if (!manifest_serves(server->manifest, device_property, object)) {
			continue;
		}
		int error = add_device(server, object);

		if (error != 0) {
			helix_log(HEL_LOG_WARNING, "%s does not get object %llu: %s",
				server->manifest->name, (unsigned long long)object->id,
				error_text(error));
		}
		break;
	}
	return 0;
}

static int device_vanished(struct task *task UNUSED, void *context UNUSED, uint64_t id)
{
	for (size_t i = 0; i < n_servers; i++) {
		if (manifest_is_driver(servers[i].manifest)) {
			driver_remove(&servers[i].driver, id);
		}
	}
	return 0;
}

static int watch_devices(struct task *task, void *argument UNUSED)
{
	static const struct mbus_watch_ops ops = {
		.appeared = device_appeared,
		.vanished = device_vanished,
	};
	int error = svrctl_connect_service("mbus", "svrctl", &device_mbus);

	if (error == 0) {
		error = mbus_watch(task, device_mbus, NULL, 0, &ops, NULL);
	}
	helix_log(HEL_LOG_WARNING, "no more devices get drivers: %s", error_text(error));
	return 0;
}

/* ---- for control.h --------------------------------------------------------------------------- */

bool svrctl_server_status(size_t index, struct server_status *out_status)
{
	if (index >= n_servers) {
		return false;
	}
	const struct server *server = &servers[index];
	bool is_driver = manifest_is_driver(server->manifest);

	*out_status = (struct server_status){
		.name = server->manifest->name,
		.is_running = server->thread != HEL_NULL,
		.n_starts = server->n_starts,
		.n_devices = is_driver ? server->driver.n_devices : 0,
	};
	return true;
}

int svrctl_kill(const char *name)
{
	int result = -ERR_NOT_FOUND;

	/* some have a process for each device */
	for (size_t i = 0; i < n_servers; i++) {
		if (str_equal(servers[i].manifest->name, name) && servers[i].thread != HEL_NULL) {
			int error = hel_thread_kill(servers[i].thread);

			result = result == -ERR_NOT_FOUND || error != 0 ? error : result;
		}
	}
	return result;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static bool has_option(const char *name, const char *value)
{
	char given[HEL_START_NAME_MAX];

	return helix_command_line_option(name, given, sizeof(given)) &&
		(value[0] == '\0' || str_equal(value, given));
}

static void complain(const char *name, const char *reason, unsigned line)
{
	helix_log(HEL_LOG_WARNING, "%s is left out: %s (line %u)", name, reason, line);
}

static int map_archive(void)
{
	void *pointer;
	int error;

	archive_size = helix_start_value("initrd");
	error = helix_map(helix_start_handle("initrd"), 0, archive_size, HEL_MAP_READ, &pointer);
	archive = pointer;
	return error;
}

static void start_servers(const struct boot_plan *plan)
{
	for (size_t i = 0; i < plan->n_servers; i++) {
		struct server *server = &servers[n_servers];

		server->manifest = &plan->servers[i];
		n_servers++;
		if (server->manifest->is_on_demand) {
			demand_init(&server->demand, &server_demand_ops, &loop.loop,
				server->manifest->provides);
		} else if (manifest_is_driver(server->manifest)) {
			driver_init(&server->driver, &server_driver_ops, &loop.loop,
				server->manifest->name);
		} else {
			(void)!server_start(server);
		}
	}
}

int main(int n_arguments UNUSED, char **arguments UNUSED)
{
	/* beside the usual ones: of each that has several, the driver's task and the watch */
	const struct helix_loop_config config = { .n_tasks_max = HELIX_TASKS_MAX + 2 * EACH_MAX };
	static struct job publish, devices;
	struct boot_plan plan;
	int error = helix_loop_init(&loop, &config);

	if (error == 0) {
		error = map_archive();
	}
	if (error == 0) {
		error = boot_read(archive, archive_size, has_option, complain, &plan);
	}
	if (error != 0) {
		helix_log(HEL_LOG_ERROR, "cannot read the boot archive: %s", error_text(error));
		return error;
	}
	start_servers(&plan);
	job_init(&publish, "publish", publish_services, NULL);
	job_submit(&loop.loop, &publish);
	job_init(&devices, "devices", watch_devices, NULL);
	job_submit(&loop.loop, &devices);
	helix_loop_run(&loop);
	return 0;
}
