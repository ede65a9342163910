/* SPDX-License-Identifier: MIT */
/*
 * The early console: COM1, output only, polled.
 *
 * The transmitter has a FIFO of 16 bytes, so its state is looked at once per 16 bytes.  A port
 * that does not exist reads as all ones and swallows everything.
 */
#include <thor/arch.h>

#include "machine.h"
#include "registers.h"

#define COM1            0x3f8
#define COM1_DATA       (COM1 + 0)
#define COM1_INTERRUPTS (COM1 + 1)
#define COM1_FIFO       (COM1 + 2)
#define COM1_LINE       (COM1 + 3)
#define COM1_MODEM      (COM1 + 4)
#define COM1_STATUS     (COM1 + 5)

#define LINE_DIVISOR      0x80
#define LINE_8N1          0x03
#define FIFO_ENABLE_CLEAR 0x07
#define MODEM_DTR_RTS     0x03
#define STATUS_EMPTY      0x20
#define FIFO_SIZE         16
#define TRIES_MAX         100000

void serial_init(void)
{
	port_write_u8(COM1_INTERRUPTS, 0);
	port_write_u8(COM1_LINE, LINE_DIVISOR);
	port_write_u8(COM1_DATA, 1);
	port_write_u8(COM1_INTERRUPTS, 0);
	port_write_u8(COM1_LINE, LINE_8N1);
	port_write_u8(COM1_FIFO, FIFO_ENABLE_CLEAR);
	port_write_u8(COM1_MODEM, MODEM_DTR_RTS);
}

void arch_early_write(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		for (unsigned tries = 0; i % FIFO_SIZE == 0 && tries < TRIES_MAX; tries++) {
			if ((port_read_u8(COM1_STATUS) & STATUS_EMPTY) != 0) {
				break;
			}
		}
		port_write_u8(COM1_DATA, (uint8_t)text[i]);
	}
}
