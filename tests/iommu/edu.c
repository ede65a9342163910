/* SPDX-License-Identifier: MIT */
/* QEMU's `edu` device: see edu.h. */
#include "edu.h"

#include "../kernel/test.h"

#define CONFIG_PORTS   0xcf8
#define CONFIG_ENABLE  (1u << 31)
#define CONFIG_COMMAND 0x04
#define CONFIG_BAR     0x10
#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u

#define EDU_ID             0x11e81234u
#define EDU_REGISTERS_SIZE 0x100000
#define EDU_BUFFER         0x40000 /* the device's address of its buffer */

/* Registers, in words of eight bytes. */
#define EDU_DMA_SOURCE      (0x80 / 8)
#define EDU_DMA_DESTINATION (0x88 / 8)
#define EDU_DMA_COUNT       (0x90 / 8)
#define EDU_DMA_COMMAND     (0x98 / 8)

#define EDU_START       1u
#define EDU_FROM_BUFFER 2u

constexpr uint64_t EDU_PATIENCE_MS = 20'000;

static hel_handle config_io;
static uint32_t edu_devfn;
static volatile uint64_t *edu_registers;

static uint32_t config_read(uint32_t devfn, uint32_t offset)
{
	uint32_t value = UINT32_MAX;

	hel_io_write(config_io, 0, 4, CONFIG_ENABLE | devfn << 8 | offset);
	(void)hel_io_read(config_io, 4, 4, &value);
	return value;
}

static void config_write(uint32_t devfn, uint32_t offset, uint32_t value)
{
	hel_io_write(config_io, 0, 4, CONFIG_ENABLE | devfn << 8 | offset);
	hel_io_write(config_io, 4, 4, value);
}

static bool edu_map_registers(void)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = EDU_REGISTERS_SIZE,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t phys = config_read(edu_devfn, CONFIG_BAR) & ~0xfu;
	uint64_t address;

	if (hel_memory_physical(test_authority, phys, EDU_REGISTERS_SIZE, HEL_CACHE_UNCACHED,
		    &args.memory) != 0 ||
		hel_space_map(&args, &address) != 0) {
		return false;
	}
	edu_registers = (volatile uint64_t *)address;
	config_write(edu_devfn, CONFIG_COMMAND,
		config_read(edu_devfn, CONFIG_COMMAND) | COMMAND_MEMORY | COMMAND_MASTER);
	return true;
}

/* The hw server changes the registers of all functions when it looks for them: let it finish. */
static bool edu_wait_for_hw(void)
{
	static char text[64 * 1024 + 1];
	uint64_t deadline_ns = test_deadline_ms(EDU_PATIENCE_MS);

	while (test_now() < deadline_ns) {
		uint64_t offset = 0;
		size_t size;

		if (hel_log_read(test_authority, &offset, text, sizeof(text) - 1, &size) != 0) {
			return false;
		}
		text[size] = '\0';
		if (strstr(text, "PCI functions published") != NULL) {
			return true;
		}
		hel_thread_yield();
	}
	return false;
}

bool edu_open(void)
{
	if (!edu_wait_for_hw() || hel_io_create(test_authority, CONFIG_PORTS, 8, &config_io) != 0) {
		return false;
	}
	for (edu_devfn = 0; edu_devfn < 256; edu_devfn++) {
		if (config_read(edu_devfn, 0) == EDU_ID) {
			return edu_map_registers();
		}
	}
	return false;
}

struct hel_dma_device edu_device(void)
{
	return (struct hel_dma_device){ .devfn = (uint8_t)edu_devfn };
}

static bool edu_transfer(
	uint64_t source, uint64_t destination, uint64_t size_bytes, uint64_t command)
{
	uint64_t deadline_ns = test_deadline_ms(EDU_PATIENCE_MS);

	edu_registers[EDU_DMA_SOURCE] = source;
	edu_registers[EDU_DMA_DESTINATION] = destination;
	edu_registers[EDU_DMA_COUNT] = size_bytes;
	edu_registers[EDU_DMA_COMMAND] = command | EDU_START;
	while ((edu_registers[EDU_DMA_COMMAND] & EDU_START) != 0) {
		if (test_now() > deadline_ns) {
			return false;
		}
		hel_thread_yield();
	}
	return true;
}

bool edu_read(uint64_t address, uint64_t size_bytes)
{
	return edu_transfer(address, EDU_BUFFER, size_bytes, 0);
}

bool edu_write(uint64_t address, uint64_t size_bytes)
{
	return edu_transfer(EDU_BUFFER, address, size_bytes, EDU_FROM_BUFFER);
}
