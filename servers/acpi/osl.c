/* SPDX-License-Identifier: MIT */
/* The layer below ACPICA: see osl.h. The functions are declared and described in its headers. */
#include "osl.h"

#include <acpi/acpi.h>

#include <async/sync.h>
#include <base/errors.h>
#include <base/format.h>
#include <protocols/acpi/acpi.gen.h>
#include <protocols/transport/client.h>

constexpr uint32_t PORTS = 0x10000;
constexpr size_t LINE_SIZE = 256;
constexpr uint64_t NS_PER_MS = 1'000'000;
constexpr uint64_t NS_PER_TICK = 100; /* of the ACPI timer, as AML sees it */

static struct {
	struct loop *loop;
	struct task *current;
	hel_handle authority;
	hel_handle ports;
	uint64_t rsdp_phys;
	struct transport_client config;
	bool has_config;
	char line[LINE_SIZE]; /* of the log, until its end comes */
	size_t line_length;
} osl;

int osl_init(struct loop *loop, hel_handle authority, uint64_t rsdp_phys)
{
	osl.loop = loop;
	osl.authority = authority;
	osl.rsdp_phys = rsdp_phys;
	return hel_io_create(authority, 0, PORTS, &osl.ports);
}

void osl_set_config(hel_handle lane)
{
	transport_client_init(&osl.config, lane, 0);
	osl.has_config = true;
}

void osl_enter(struct task *task)
{
	osl.current = task;
}

acpi_status acpi_os_initialize(void)
{
	return AE_OK;
}

acpi_status acpi_os_terminate(void)
{
	return AE_OK;
}

acpi_physical_address acpi_os_get_root_pointer(void)
{
	return osl.rsdp_phys;
}

/* ---- nothing is overridden ------------------------------------------------------------------- */

acpi_status acpi_os_predefined_override(
	const struct acpi_predefined_names *name UNUSED, acpi_string *out_value)
{
	*out_value = NULL;
	return AE_OK;
}

acpi_status acpi_os_table_override(
	struct acpi_table_header *table UNUSED, struct acpi_table_header **out_table)
{
	*out_table = NULL;
	return AE_OK;
}

acpi_status acpi_os_physical_table_override(struct acpi_table_header *table UNUSED,
	acpi_physical_address *out_address, u32 *out_size UNUSED)
{
	*out_address = 0;
	return AE_OK;
}

/* ---- memory ---------------------------------------------------------------------------------- */

void *acpi_os_allocate(acpi_size size)
{
	return helix_malloc(size);
}

void acpi_os_free(void *memory)
{
	helix_free(memory);
}

void *acpi_os_map_memory(acpi_physical_address where, acpi_size length)
{
	uint64_t start = align_down(where, HEL_PAGE_SIZE);
	uint64_t size = align_up(where + length, HEL_PAGE_SIZE) - start;
	hel_handle memory;
	void *mapped = NULL;

	/* Tables are memory, and the registers of devices are not known to be any. */
	if (hel_memory_physical(osl.authority, start, size, HEL_CACHE_WRITE_BACK, &memory) != 0) {
		return NULL;
	}
	int error = helix_map(memory, 0, size, HEL_MAP_READ | HEL_MAP_WRITE, &mapped);

	hel_close(HEL_THIS, memory);
	return error == 0 ? (uint8_t *)mapped + (where - start) : NULL;
}

void acpi_os_unmap_memory(void *address, acpi_size size)
{
	uint64_t start = align_down((uint64_t)address, HEL_PAGE_SIZE);

	helix_unmap((void *)start, align_up((uint64_t)address + size, HEL_PAGE_SIZE) - start);
}

static uint64_t place_read(const volatile void *place, u32 width)
{
	switch (width) {
	case 8: return *(const volatile uint8_t *)place;
	case 16: return *(const volatile uint16_t *)place;
	case 32: return *(const volatile uint32_t *)place;
	default: return *(const volatile uint64_t *)place;
	}
}

static void place_write(volatile void *place, uint64_t value, u32 width)
{
	switch (width) {
	case 8: *(volatile uint8_t *)place = (uint8_t)value; break;
	case 16: *(volatile uint16_t *)place = (uint16_t)value; break;
	case 32: *(volatile uint32_t *)place = (uint32_t)value; break;
	default: *(volatile uint64_t *)place = value;
	}
}

acpi_status acpi_os_read_memory(acpi_physical_address address, u64 *out_value, u32 width)
{
	void *place = acpi_os_map_memory(address, width / 8);

	if (place == NULL) {
		return AE_NO_MEMORY;
	}
	*out_value = place_read(place, width);
	acpi_os_unmap_memory(place, width / 8);
	return AE_OK;
}

acpi_status acpi_os_write_memory(acpi_physical_address address, u64 value, u32 width)
{
	void *place = acpi_os_map_memory(address, width / 8);

	if (place == NULL) {
		return AE_NO_MEMORY;
	}
	place_write(place, value, width);
	acpi_os_unmap_memory(place, width / 8);
	return AE_OK;
}

/* ---- ports and configuration space ----------------------------------------------------------- */

acpi_status acpi_os_read_port(acpi_io_address address, u32 *out_value, u32 width)
{
	uint32_t value = UINT32_MAX;
	int error = hel_io_read(osl.ports, (uint32_t)address, width / 8, &value);

	*out_value = value;
	return error == 0 ? AE_OK : AE_BAD_PARAMETER;
}

acpi_status acpi_os_write_port(acpi_io_address address, u32 value, u32 width)
{
	return hel_io_write(osl.ports, (uint32_t)address, width / 8, value) == 0 ? AE_OK
										 : AE_BAD_PARAMETER;
}

static uint32_t config_address(const struct acpi_pci_id *id)
{
	return (uint32_t)id->bus << 8 | (uint32_t)id->device << 3 | id->function;
}

static int config_read(struct task *task, const struct acpi_pci_id *id, u32 offset, u32 width_bytes,
	uint32_t *out_value)
{
	struct acpi_config_read_request request;
	struct acpi_config_read_reply reply;
	struct bragi_exchange exchange;
	uint8_t buffer[128];

	if (!osl.has_config) {
		return -ERR_UNSUPPORTED;
	}
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	acpi_config_read_request_init(&request);
	request.segment = id->segment;
	request.address = config_address(id);
	request.offset = offset;
	request.width_bytes = width_bytes;
	int error = acpi_config_config_read(task, &osl.config.client, &exchange, &request, &reply);

	if (error == 0) {
		*out_value = reply.value;
	}
	return error;
}

static int config_write(
	struct task *task, const struct acpi_pci_id *id, u32 offset, u32 width_bytes, u32 value)
{
	struct acpi_config_write_request request;
	struct acpi_config_write_reply reply;
	struct bragi_exchange exchange;
	uint8_t buffer[128];

	if (!osl.has_config) {
		return -ERR_UNSUPPORTED;
	}
	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	acpi_config_write_request_init(&request);
	request.segment = id->segment;
	request.address = config_address(id);
	request.offset = offset;
	request.width_bytes = width_bytes;
	request.value = value;
	return acpi_config_config_write(task, &osl.config.client, &exchange, &request, &reply);
}

/* Accesses are of at most four bytes. */
acpi_status acpi_os_read_pci_configuration(
	struct acpi_pci_id *id, u32 offset, u64 *out_value, u32 width)
{
	struct task *task = osl.current;
	uint32_t low = 0, high = 0;
	int error = config_read(task, id, offset, min_u64(width / 8, 4), &low);

	if (error == 0 && width == 64) {
		error = config_read(task, id, offset + 4, 4, &high);
	}
	osl.current = task;
	*out_value = (u64)high << 32 | low;
	return error == 0 ? AE_OK : AE_ERROR;
}

acpi_status acpi_os_write_pci_configuration(
	struct acpi_pci_id *id, u32 offset, u64 value, u32 width)
{
	struct task *task = osl.current;
	int error = config_write(task, id, offset, min_u64(width / 8, 4), (u32)value);

	if (error == 0 && width == 64) {
		error = config_write(task, id, offset + 4, 4, (u32)(value >> 32));
	}
	osl.current = task;
	return error == 0 ? AE_OK : AE_ERROR;
}

/* ---- time ------------------------------------------------------------------------------------ */

void acpi_os_sleep(u64 milliseconds)
{
	struct task *task = osl.current;

	(void)!task_sleep_until(task, task_now_ns(task) + milliseconds * NS_PER_MS);
	osl.current = task;
}

void acpi_os_stall(u32 microseconds)
{
	uint64_t end_ns = helix_now_ns() + microseconds * UINT64_C(1000);

	while (helix_now_ns() < end_ns) {
		hel_thread_yield();
	}
}

u64 acpi_os_get_timer(void)
{
	return helix_now_ns() / NS_PER_TICK;
}

/* ---- waiting --------------------------------------------------------------------------------- */

struct osl_semaphore {
	struct wait_queue changes;
	u32 n_units, n_units_max;
};

acpi_status acpi_os_create_semaphore(u32 n_units_max, u32 n_units, acpi_semaphore *out_handle)
{
	struct osl_semaphore *semaphore = helix_calloc(1, sizeof(*semaphore));

	if (semaphore == NULL) {
		return AE_NO_MEMORY;
	}
	wait_queue_init(&semaphore->changes);
	semaphore->n_units = n_units;
	semaphore->n_units_max = n_units_max;
	*out_handle = semaphore;
	return AE_OK;
}

acpi_status acpi_os_delete_semaphore(acpi_semaphore handle)
{
	helix_free(handle);
	return AE_OK;
}

acpi_status acpi_os_wait_semaphore(acpi_semaphore handle, u32 n_units, u16 timeout_ms)
{
	struct osl_semaphore *semaphore = handle;
	struct task *task = osl.current;
	struct scope scope;
	int error = 0;

	if (semaphore->n_units < n_units && timeout_ms == 0) {
		return AE_TIME;
	}
	if (semaphore->n_units < n_units) {
		scope_begin(task, &scope);
		if (timeout_ms != ACPI_WAIT_FOREVER) {
			scope_set_deadline(&scope, task_now_ns(task) + timeout_ms * NS_PER_MS);
		}
		while (error == 0 && semaphore->n_units < n_units) {
			error = wait_on(task, &semaphore->changes);
		}
		(void)!scope_join(&scope);
		osl.current = task;
	}
	if (semaphore->n_units < n_units) {
		return AE_TIME;
	}
	semaphore->n_units -= n_units;
	return AE_OK;
}

acpi_status acpi_os_signal_semaphore(acpi_semaphore handle, u32 n_units)
{
	struct osl_semaphore *semaphore = handle;

	if (n_units > semaphore->n_units_max - semaphore->n_units) {
		return AE_LIMIT;
	}
	semaphore->n_units += n_units;
	wait_queue_wake(&semaphore->changes);
	return AE_OK;
}

/* Held between two awaits only. */
acpi_status acpi_os_create_lock(acpi_spinlock *out_handle)
{
	*out_handle = &osl;
	return AE_OK;
}

void acpi_os_delete_lock(acpi_spinlock handle UNUSED)
{
}

acpi_cpu_flags acpi_os_acquire_lock(acpi_spinlock handle UNUSED)
{
	return 0;
}

void acpi_os_release_lock(acpi_spinlock handle UNUSED, acpi_cpu_flags flags UNUSED)
{
}

/* ---- tasks ----------------------------------------------------------------------------------- */

acpi_thread_id acpi_os_get_thread_id(void)
{
	return (acpi_thread_id)(uintptr_t)osl.current;
}

/* Something that ACPICA has put off. */
struct deferred {
	struct job job;
	acpi_osd_exec_callback function;
	void *context;
};

static int deferred_run(struct task *task, void *argument)
{
	struct deferred deferred = *(struct deferred *)argument;

	helix_free(argument);
	task->job = NULL;
	osl_enter(task);
	deferred.function(deferred.context);
	return 0;
}

acpi_status acpi_os_execute(
	acpi_execute_type type UNUSED, acpi_osd_exec_callback function, void *context)
{
	struct deferred *deferred = helix_calloc(1, sizeof(*deferred));

	if (deferred == NULL) {
		return AE_NO_MEMORY;
	}
	deferred->function = function;
	deferred->context = context;
	job_init(&deferred->job, "deferred AML", deferred_run, deferred);
	job_submit(osl.loop, &deferred->job);
	return AE_OK;
}

void acpi_os_wait_events_complete(void)
{
}

/* ---- no interrupts, no sleep states ---------------------------------------------------------- */

acpi_status acpi_os_install_interrupt_handler(
	u32 number UNUSED, acpi_osd_handler handler UNUSED, void *context UNUSED)
{
	return AE_NOT_IMPLEMENTED;
}

acpi_status acpi_os_remove_interrupt_handler(u32 number UNUSED, acpi_osd_handler handler UNUSED)
{
	return AE_NOT_EXIST;
}

acpi_status acpi_os_enter_sleep(u8 state UNUSED, u32 register_a UNUSED, u32 register_b UNUSED)
{
	return AE_NOT_IMPLEMENTED;
}

acpi_status acpi_os_signal(u32 function, void *info)
{
	const struct acpi_signal_fatal_info *fatal = info;

	if (function == ACPI_SIGNAL_FATAL) {
		helix_log(HEL_LOG_ERROR, "AML says fatal: type %u, code %u, argument %u",
			fatal->type, fatal->code, fatal->argument);
	}
	return AE_OK;
}

/* ---- the log --------------------------------------------------------------------------------- */

static void line_flush(void)
{
	if (osl.line_length > 0) {
		osl.line[osl.line_length] = '\0';
		/* "ACPI: " is how it says what is all right. */
		bool is_fine = str_starts_with(osl.line, "ACPI: ");

		helix_log(is_fine ? HEL_LOG_DEBUG : HEL_LOG_WARNING, "%s", osl.line);
	}
	osl.line_length = 0;
}

/* ACPICA writes lines in pieces. */
void acpi_os_vprintf(const char *format, va_list arguments)
{
	char text[LINE_SIZE];

	vsnprintf(text, sizeof(text), format, arguments);
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '\n' || osl.line_length == LINE_SIZE - 1) {
			line_flush();
		}
		if (*at != '\n') {
			osl.line[osl.line_length++] = *at;
		}
	}
}

void acpi_os_printf(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	acpi_os_vprintf(format, arguments);
	va_end(arguments);
}
