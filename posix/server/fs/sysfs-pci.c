/* SPDX-License-Identifier: MIT */
/* PCI devices in sysfs: see sysfs-pci.h. */
#include <base/errors.h>
#include <base/list.h>
#include <base/string.h>
#include <helix/helix.h>
#include <posix/server/fs/sysfs-pci.h>
#include <posix/server/fs/sysfs.h>
#include <posix/server/tty/channel-loop.h>
#include <protocols/hw/hw-client.h>
#include <protocols/mbus/mbus-client.h>

#include <stdarg.h>

constexpr size_t PATH_MAX_BYTES = 256;
constexpr size_t ADDRESS_SIZE = 16;
constexpr size_t DRIVER_NAME_MAX = 64;
constexpr size_t CONFIG_MAX = 4096;
constexpr size_t BUFFER_SIZE = 2048;
constexpr uint32_t IRQ_REGISTER = 0x3c;
constexpr uint32_t RESOURCES = 13; /* BARs, ROM, windows of bridges: as many lines as Linux has */

/* What Linux says of a resource besides the register's own bits. */
constexpr uint64_t RESOURCE_IO = 0x100;
constexpr uint64_t RESOURCE_MEMORY = 0x200;
constexpr uint64_t RESOURCE_PREFETCH = 0x2000;
constexpr uint64_t RESOURCE_SIZE_ALIGNED = 0x40000;
constexpr uint64_t RESOURCE_WIDE = 0x100000;
constexpr uint32_t BAR_WIDE = 4;

/* A device that there is. */
struct sysfs_pci_device {
	struct list_node node;
	uint64_t id; /* of its object */
	char address[ADDRESS_SIZE];
	char path[PATH_MAX_BYTES]; /* of its folder, below sysfs */
	char driver[DRIVER_NAME_MAX]; /* "": none */
};

struct sysfs_pci {
	struct job job;
	hel_handle mbus;
	struct list devices;
};

static struct sysfs_pci known = { .devices = LIST_INIT(known.devices) };

/* What hw tells of a device. */
struct facts {
	struct hw_info_reply info;
	uint8_t buffer[BUFFER_SIZE]; /* that info borrows from */
	uint8_t config[CONFIG_MAX];
	uint32_t config_size;
};

/* ---- asking hw ------------------------------------------------------------------------------- */

static int facts_read_config(struct task *task, struct transport_client *hw, struct facts *facts)
{
	uint32_t space = HW_LIMITS_CONFIG_BLOCK_MAX / 2; /* of a device without more */
	int error = 0;

	facts->config_size = 0;
	while (error == 0 && facts->config_size < space) {
		uint32_t size =
			(uint32_t)min_u64(space - facts->config_size, HW_LIMITS_CONFIG_BLOCK_MAX);

		error = hw_client_config_block(task, hw, facts->config_size, size,
			facts->config + facts->config_size, &space);
		facts->config_size += size;
		space = (uint32_t)min_u64(space, CONFIG_MAX);
	}
	return error;
}

static int facts_read(
	struct task *task, const struct sysfs_pci *pci, uint64_t id, struct facts *facts)
{
	struct transport_client hw;
	struct bragi_exchange exchange;
	hel_handle lane;
	int error = mbus_bind(task, pci->mbus, id, &lane);

	if (error != 0) {
		return error;
	}
	transport_client_init(&hw, lane, 0);
	bragi_exchange_init(&exchange, facts->buffer, sizeof(facts->buffer));
	error = hw_client_info(task, &hw, &exchange, &facts->info);
	if (error == 0) {
		error = facts_read_config(task, &hw, facts);
	}
	hel_close(HEL_THIS, lane);
	return error;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void device_write(const struct sysfs_pci_device *device, const char *name, const void *data,
	size_t size, uint32_t mode)
{
	char path[PATH_MAX_BYTES + 32];

	format_to(path, sizeof(path), "%s/%s", device->path, name);
	int64_t error = sysfs_make_file(path, data, size, mode);

	if (error < 0) {
		helix_log(HEL_LOG_WARNING, "sysfs: %s cannot be made: %d", path, (int)error);
	}
}

PRINTF_LIKE(3, 4)
static void device_print(
	const struct sysfs_pci_device *device, const char *name, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	size_t length = vformat_to(text, sizeof(text), format, arguments);

	va_end(arguments);
	device_write(device, name, text, min_size(length, sizeof(text) - 1), 0444);
}

static uint64_t resource_flags(const struct hw_bar *bar)
{
	uint64_t flags = bar->flags | RESOURCE_SIZE_ALIGNED;

	if (bar->kind == HW_BAR_KIND_IO) {
		return flags | RESOURCE_IO;
	}
	return flags | RESOURCE_MEMORY | (bar->is_prefetchable != 0 ? RESOURCE_PREFETCH : 0) |
		((bar->flags & BAR_WIDE) != 0 ? RESOURCE_WIDE : 0);
}

static void device_write_resources(
	const struct sysfs_pci_device *device, const struct hw_bar_span *bars)
{
	char text[RESOURCES * 64];
	size_t used = 0;

	for (uint32_t i = 0; i < RESOURCES; i++) {
		const struct hw_bar none = {};
		const struct hw_bar *bar = i < bars->count ? &bars->items[i] : &none;
		bool is_there = bar->kind != HW_BAR_KIND_NONE && bar->size_bytes != 0;

		used += format_to(text + used, sizeof(text) - used,
			"0x%016llx 0x%016llx 0x%016llx\n",
			(unsigned long long)(is_there ? bar->address : 0),
			(unsigned long long)(is_there ? bar->address + bar->size_bytes - 1 : 0),
			(unsigned long long)(is_there ? resource_flags(bar) : 0));
	}
	device_write(device, "resource", text, used, 0444);
}

/* What udev and busybox' lspci read. */
static void device_write_event(
	const struct sysfs_pci_device *device, const struct hw_info_reply *info, const char *alias)
{
	char driver[DRIVER_NAME_MAX + 16] = "";

	if (device->driver[0] != '\0') {
		format_to(driver, sizeof(driver), "DRIVER=%s\n", device->driver);
	}
	device_print(device, "uevent",
		"%sPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\nPCI_SLOT_NAME=%s\n"
		"MODALIAS=%s\n",
		driver, info->class, info->id & 0xffff, info->id >> 16, info->subsystem_id & 0xffff,
		info->subsystem_id >> 16, device->address, alias);
}

static void device_write_files(const struct sysfs_pci_device *device, const struct facts *facts)
{
	const struct hw_info_reply *info = &facts->info;
	char alias[96];

	format_to(alias, sizeof(alias), "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X",
		info->id & 0xffff, info->id >> 16, info->subsystem_id & 0xffff,
		info->subsystem_id >> 16, info->class >> 16, info->class >> 8 & 0xff,
		info->class & 0xff);
	device_print(device, "vendor", "0x%04x\n", info->id & 0xffff);
	device_print(device, "device", "0x%04x\n", info->id >> 16);
	device_print(device, "subsystem_vendor", "0x%04x\n", info->subsystem_id & 0xffff);
	device_print(device, "subsystem_device", "0x%04x\n", info->subsystem_id >> 16);
	device_print(device, "class", "0x%06x\n", info->class);
	device_print(device, "revision", "0x%02x\n", info->revision);
	device_print(device, "irq", "%u\n", facts->config[IRQ_REGISTER]);
	device_print(device, "modalias", "%s\n", alias);
	device_print(device, "numa_node", "-1\n");
	device_write_resources(device, &info->bars);
	device_write(device, "config", facts->config, facts->config_size, 0644);
	device_write_event(device, info, alias);
}

/* ---- who drives it --------------------------------------------------------------------------- */

static void driver_link_path(const struct sysfs_pci_device *device, char *out_path, size_t size)
{
	format_to(out_path, size, "bus/pci/drivers/%s/%s", device->driver, device->address);
}

static void device_set_driver(struct sysfs_pci_device *device, const char *driver)
{
	char path[PATH_MAX_BYTES], own[PATH_MAX_BYTES + 16];

	format_to(own, sizeof(own), "%s/driver", device->path);
	if (device->driver[0] != '\0') {
		driver_link_path(device, path, sizeof(path));
		sysfs_remove(path);
		sysfs_remove(own);
	}
	str_copy(device->driver, sizeof(device->driver), driver);
	if (device->driver[0] == '\0' || strchr(driver, '/') != NULL) {
		device->driver[0] = '\0';
		return;
	}
	driver_link_path(device, path, sizeof(path));
	(void)sysfs_link(path, device->path);
	format_to(path, sizeof(path), "bus/pci/drivers/%s", device->driver);
	(void)sysfs_link(own, path);
}

/* ---- devices --------------------------------------------------------------------------------- */

static struct sysfs_pci_device *pci_find_id(const struct sysfs_pci *pci, uint64_t id)
{
	LIST_FOR_EACH(device, &pci->devices, struct sysfs_pci_device, node) {
		if (device->id == id) {
			return device;
		}
	}
	return NULL;
}

/* Where its folder is: below its bridge's, else below that of the host bridge. */
static void device_find_path(
	const struct sysfs_pci *pci, struct sysfs_pci_device *device, const char *parent)
{
	LIST_FOR_EACH(other, &pci->devices, struct sysfs_pci_device, node) {
		if (parent != NULL && str_equal(other->address, parent)) {
			format_to(device->path, sizeof(device->path), "%s/%s", other->path,
				device->address);
			return;
		}
	}
	format_to(device->path, sizeof(device->path), "devices/pci%.7s/%s", device->address,
		device->address);
}

static struct sysfs_pci_device *pci_add(struct sysfs_pci *pci, const struct mbus_object *object)
{
	const char *address = mbus_object_property(object, "pci-address");
	struct sysfs_pci_device *device = NULL;

	if (address != NULL && strlen(address) < ADDRESS_SIZE && strchr(address, '/') == NULL) {
		device = helix_calloc(1, sizeof(*device));
	}
	if (device == NULL) {
		return NULL;
	}
	device->id = object->id;
	str_copy(device->address, sizeof(device->address), address);
	device_find_path(pci, device, mbus_object_property(object, "pci-parent"));
	list_push_back(&pci->devices, &device->node);
	return device;
}

static void device_link(const struct sysfs_pci_device *device)
{
	char path[PATH_MAX_BYTES + 16];

	format_to(path, sizeof(path), "bus/pci/devices/%s", device->address);
	(void)sysfs_link(path, device->path);
	format_to(path, sizeof(path), "%s/subsystem", device->path);
	(void)sysfs_link(path, "bus/pci");
}

static int pci_appeared(struct task *task, void *context, const struct mbus_object *object)
{
	struct sysfs_pci *pci = context;
	struct sysfs_pci_device *device = pci_find_id(pci, object->id);
	const char *driver = mbus_object_property(object, "driver");
	bool is_new = device == NULL;

	if (is_new) {
		device = pci_add(pci, object);
	}
	struct facts *facts = device == NULL ? NULL : helix_calloc(1, sizeof(*facts));

	if (facts == NULL) {
		return 0;
	}
	int error = facts_read(task, pci, object->id, facts);

	if (error == 0) {
		device_set_driver(device, driver != NULL ? driver : "");
		device_write_files(device, facts);
		if (is_new) {
			device_link(device); /* now it is whole */
		}
	} else {
		helix_log(HEL_LOG_WARNING, "sysfs: nothing is known of %s: %s", device->address,
			error_text(error));
	}
	helix_free(facts);
	return 0;
}

static int pci_vanished(struct task *task UNUSED, void *context, uint64_t id)
{
	struct sysfs_pci *pci = context;
	struct sysfs_pci_device *device = pci_find_id(pci, id);
	char path[PATH_MAX_BYTES];

	if (device != NULL) {
		device_set_driver(device, "");
		format_to(path, sizeof(path), "bus/pci/devices/%s", device->address);
		sysfs_remove(path);
		list_remove(&device->node);
		helix_free(device);
	}
	return 0;
}

static int pci_run(struct task *task, void *argument)
{
	static const struct mbus_pair filter = { "class", "pci" };
	static const struct mbus_watch_ops ops = {
		.appeared = pci_appeared,
		.vanished = pci_vanished,
	};
	struct sysfs_pci *pci = argument;
	int error = mbus_watch(task, pci->mbus, &filter, 1, &ops, pci);

	helix_log(HEL_LOG_WARNING, "sysfs: no more PCI devices: %s", error_text(error));
	return 0;
}

bool sysfs_pci_path(const char *address, char *out_path, size_t size)
{
	LIST_FOR_EACH(device, &known.devices, struct sysfs_pci_device, node) {
		if (str_equal(device->address, address)) {
			return !str_copy(out_path, size, device->path);
		}
	}
	return false;
}

int64_t sysfs_pci_start(void)
{
	int64_t error = sysfs_make_folder("bus/pci/devices");

	if (error == 0) {
		error = sysfs_make_folder("bus/pci/drivers");
	}
	if (error == 0) {
		known.mbus = helix_start_handle("mbus");
		job_init(&known.job, "PCI devices", pci_run, &known);
		job_submit(posix_loop(), &known.job);
	}
	return error;
}
