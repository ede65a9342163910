/* SPDX-License-Identifier: MIT */
/*
 * Registers of devices in memory, mapped uncached.
 *
 * Each access is exactly one load or store of the given width; the compiler neither merges nor
 * moves them among each other. Values are little-endian, as on PCI.
 */
#ifndef MMIO_MMIO_H
#define MMIO_MMIO_H

#include <base/types.h>

/* A block of registers. */
struct mmio {
	volatile uint8_t *base;
	size_t size;
};

static inline uint8_t mmio_read8(struct mmio mmio, size_t offset)
{
	return mmio.base[offset];
}

static inline uint16_t mmio_read16(struct mmio mmio, size_t offset)
{
	return *(volatile uint16_t *)(mmio.base + offset);
}

static inline uint32_t mmio_read32(struct mmio mmio, size_t offset)
{
	return *(volatile uint32_t *)(mmio.base + offset);
}

static inline void mmio_write8(struct mmio mmio, size_t offset, uint8_t value)
{
	mmio.base[offset] = value;
}

static inline void mmio_write16(struct mmio mmio, size_t offset, uint16_t value)
{
	*(volatile uint16_t *)(mmio.base + offset) = value;
}

static inline void mmio_write32(struct mmio mmio, size_t offset, uint32_t value)
{
	*(volatile uint32_t *)(mmio.base + offset) = value;
}

/** mmio_write64() - two stores of 32 bits, the low half first */
static inline void mmio_write64(struct mmio mmio, size_t offset, uint64_t value)
{
	mmio_write32(mmio, offset, (uint32_t)value);
	mmio_write32(mmio, offset + 4, (uint32_t)(value >> 32));
}

/** mmio_part() - @size bytes of a block from @offset on, which lie in it */
static inline struct mmio mmio_part(struct mmio mmio, size_t offset, size_t size)
{
	return (struct mmio){ .base = mmio.base + offset, .size = size };
}

#endif
