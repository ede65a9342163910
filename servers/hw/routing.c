/* SPDX-License-Identifier: MIT */
/* Lines of devices: see routing.h. */
#include "routing.h"
#include "device.h"

#include <base/errors.h>

constexpr uint32_t PINS = 4;
constexpr uint32_t ISA_IRQ_MAX = 15;
constexpr uint32_t ISA_IRQ_IDE = 14; /* and 15 */

/*
 * Behind a bridge that says nothing of its own, a pin comes out at the bridge as the pin that
 * follows from the device's number.
 */
static const struct acpi_route *routing_find_route(
	struct task *task, const struct hw_object *object)
{
	struct machine *machine = object->machine;
	struct pci_address at = object->function.address;
	uint32_t pin = object->function.interrupt_pin;

	for (uint32_t level = 0; level < PCI_BUSES_MAX; level++) {
		const struct acpi_route *route =
			firmware_find_route(task, &machine->firmware, at, pin);
		const struct pci_function *bridge = machine_find_bridge(machine, &at);

		if (route != NULL || bridge == NULL) {
			return route;
		}
		pin = (pin - 1 + at.device) % PINS + 1;
		at = bridge->address;
	}
	return NULL;
}

int routing_find_line(struct task *task, const struct hw_object *object, uint32_t vector,
	struct interrupt_line *out_line)
{
	if (pci_ide_is_compatible(&object->function, vector)) {
		*out_line = (struct interrupt_line){
			.number = ISA_IRQ_IDE + vector,
			.flags = HEL_IRQ_LINE_ISA,
		};
		return 0;
	}
	const struct acpi_route *route = routing_find_route(task, object);
	int error = task_check(task);

	if (error != 0) {
		return error;
	}
	if (route != NULL) {
		bool is_level = (route->flags & ACPI_LINE_FLAGS_LEVEL) != 0;
		bool is_low = (route->flags & ACPI_LINE_FLAGS_ACTIVE_LOW) != 0;

		*out_line = (struct interrupt_line){
			.number = route->gsi,
			.flags = (is_level ? HEL_IRQ_LINE_LEVEL : 0u) |
				(is_low ? HEL_IRQ_LINE_ACTIVE_LOW : 0u),
		};
		return 0;
	}
	/* What the firmware wrote for the ISA interrupt controller. */
	uint32_t isa_irq = device_read(object, PCI_INTERRUPT_LINE, 1);

	if (isa_irq == 0 || isa_irq > ISA_IRQ_MAX) {
		return -ERR_UNSUPPORTED;
	}
	*out_line = (struct interrupt_line){ .number = isa_irq, .flags = HEL_IRQ_LINE_ISA };
	return 0;
}
