/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of real devices: QEMU's `edu` twice on one line (INTx) or with messages (MSI), and the
 * interval timer (ISA). The suite puts the two into slots that q35 wires to the same line.
 *
 * edu asserts its line while its status is not zero: RAISE sets bits of it, ANSWER clears them.
 */
#include "test.h"

constexpr uint32_t EDU_ID = 0x11e8'1234;
constexpr uint32_t EDU_STATUS = 0x24, EDU_RAISE = 0x60, EDU_ANSWER = 0x64;

constexpr uint32_t PCI_COMMAND = 4, PCI_BAR0 = 0x10, PCI_CAPABILITIES = 0x34;
constexpr uint32_t COMMAND_MEMORY = 2, COMMAND_MASTER = 4, COMMAND_NO_INTX = 1u << 10;
constexpr uint32_t CAPABILITY_MSI = 5;
constexpr uint32_t MSI_ENABLE = 1u << 16; /* in the capability's first word */

constexpr uint32_t Q35_LINE = 20; /* of slot 0's INTA; the next slots take the next of four */
constexpr uint32_t PIT_PORT = 0x40;

static struct completion completion;
static hel_handle config_ports;

/* One device and its driver. */
struct edu {
	uint32_t address; /* of its configuration space, as port 0xcf8 wants it */
	uint32_t line;
	volatile uint32_t *registers;
	uint32_t msi_offset;
	hel_handle irq;
	uint64_t sequence;
	uint64_t awaited; /* context of the operation that waits for `sequence` to change */
	uint32_t n_served;
};

/* ---- the devices */

static uint32_t config_read(uint32_t address, uint32_t offset)
{
	uint32_t value = 0;

	hel_io_write(config_ports, 0, 4, address | offset);
	return hel_io_read(config_ports, 4, 4, &value) == 0 ? value : 0;
}

static void config_write(uint32_t address, uint32_t offset, uint32_t value)
{
	hel_io_write(config_ports, 0, 4, address | offset);
	hel_io_write(config_ports, 4, 4, value);
}

static uint32_t edu_read(const struct edu *edu, uint32_t offset)
{
	return edu->registers[offset / 4];
}

static void edu_write(const struct edu *edu, uint32_t offset, uint32_t value)
{
	edu->registers[offset / 4] = value;
}

static bool edu_map(struct edu *edu)
{
	struct hel_map_args args = {
		.space = HEL_THIS,
		.size_bytes = 4096,
		.flags = HEL_MAP_READ | HEL_MAP_WRITE,
	};
	uint64_t address;
	uint64_t phys = config_read(edu->address, PCI_BAR0) & ~0xfu;

	if (hel_memory_physical(test_authority, phys, 4096, HEL_CACHE_UNCACHED, &args.memory) !=
			0 ||
		hel_space_map(&args, &address) != 0) {
		return false;
	}
	hel_close(HEL_THIS, args.memory);
	edu->registers = (volatile uint32_t *)address;
	return true;
}

static uint32_t edu_find_msi(const struct edu *edu)
{
	uint32_t offset = config_read(edu->address, PCI_CAPABILITIES) & 0xfc;

	while (offset != 0 && (config_read(edu->address, offset) & 0xff) != CAPABILITY_MSI) {
		offset = config_read(edu->address, offset) >> 8 & 0xfc;
	}
	return offset;
}

/* The device in one of the slots from *slot on; false: there is none, or it cannot be used. */
static bool edu_open(uint32_t *slot, struct edu *out_edu)
{
	struct edu edu = {};

	if (test_authority == HEL_NULL ||
		(config_ports == HEL_NULL &&
			hel_io_create(test_authority, 0xcf8, 8, &config_ports) != 0)) {
		return false;
	}
	for (; *slot < 32; ++*slot) {
		edu.address = 1u << 31 | *slot << 11;
		if (config_read(edu.address, 0) == EDU_ID) {
			break;
		}
	}
	if (*slot == 32) {
		return false;
	}
	edu.line = Q35_LINE + *slot % 4;
	++*slot;
	config_write(edu.address, PCI_COMMAND, COMMAND_MEMORY | COMMAND_MASTER);
	edu.msi_offset = edu_find_msi(&edu);
	if (!edu_map(&edu)) {
		return false;
	}
	edu_write(&edu, EDU_ANSWER, edu_read(&edu, EDU_STATUS));
	*out_edu = edu;
	return true;
}

static void edu_await(struct edu *edu)
{
	struct hel_await_event_record *record = submit(HEL_SUBMIT_AWAIT_EVENT, sizeof(*record));

	record->event = edu->irq;
	record->sequence = edu->sequence;
	edu->awaited = record->header.context;
	commit();
}

/* Wait for the next interrupt of the one that was awaited; false: it does not come. */
static bool edu_wait(struct edu *edu)
{
	struct hel_event_result result;

	if (!await(edu->awaited, &completion) || completion.error != 0) {
		return false;
	}
	memcpy(&result, completion.data, sizeof(result));
	edu->sequence++;
	return result.sequence == edu->sequence;
}

/* What a driver does: was it us? Then clear it. Answer in any case. */
static bool edu_serve(struct edu *edu)
{
	uint32_t status = edu_read(edu, EDU_STATUS);

	if (status != 0) {
		edu_write(edu, EDU_ANSWER, status);
		edu->n_served++;
	}
	edu_await(edu);
	return hel_irq_acknowledge(
		       edu->irq, status != 0 ? HEL_IRQ_ACK : HEL_IRQ_NACK, edu->sequence) == 0;
}

/* Take the last completion, whether the interrupt came or not. */
static void edu_cancel(struct edu *edu)
{
	struct hel_cancel_record *cancel = submit(HEL_SUBMIT_CANCEL, sizeof(*cancel));

	cancel->header.context = edu->awaited;
	commit();
	(void)await(edu->awaited, &completion);
}

static void edu_close(struct edu *edu)
{
	edu_write(edu, EDU_ANSWER, ~0u);
	config_write(edu->address, PCI_COMMAND, COMMAND_MEMORY | COMMAND_NO_INTX);
	if (edu->irq != HEL_NULL) {
		edu_cancel(edu);
		hel_close(HEL_THIS, edu->irq);
	}
	unmap_pages((uint64_t)edu->registers, 4096);
}

/* Both devices as sinks of one line; false: the machine does not have them. */
static bool edu_open_pair(struct edu edus[2])
{
	uint32_t slot = 0;

	if (!edu_open(&slot, &edus[0])) {
		return false;
	}
	if (!edu_open(&slot, &edus[1])) {
		edu_close(&edus[0]);
		return false;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (hel_irq_create_line(
			    test_authority, edus[i].line, HEL_IRQ_LINE_LEVEL, &edus[i].irq) == 0) {
			edu_await(&edus[i]);
		}
	}
	return edus[0].line == edus[1].line && edus[1].irq != HEL_NULL;
}

static uint32_t n_cpus(void)
{
	struct hel_kernel_stats stats;

	return hel_kernel_stats(test_authority, &stats) == 0 ? stats.n_cpus : 1;
}

/* ---- lines */

TEST(irq_line_is_shared)
{
	struct hel_irq_info info;
	struct edu edus[2];

	if (!edu_open_pair(edus)) {
		return;
	}
	for (uint32_t round = 0; round < 100; round++) {
		struct edu *first = &edus[round % 2];
		struct edu *second = &edus[1 - round % 2];

		edu_write(&edus[round / 2 % 2], EDU_RAISE, 1);
		CHECK(edu_wait(first));
		CHECK(edu_wait(second));
		CHECK(edu_serve(first));
		CHECK_EQ(hel_irq_info(first->irq, &info), 0);
		CHECK_EQ(info.state & (HEL_IRQ_STATE_IN_SERVICE | HEL_IRQ_STATE_DUE),
			HEL_IRQ_STATE_IN_SERVICE);
		CHECK(edu_serve(second));
	}
	CHECK_EQ(edus[0].n_served, 50);
	CHECK_EQ(edus[1].n_served, 50);
	CHECK_EQ(hel_irq_info(edus[0].irq, &info), 0);
	CHECK_EQ(info.n_interrupts, 100);
	CHECK_EQ(info.n_stalls, 0);
	CHECK_EQ(info.n_spurious, 0);
	CHECK_EQ(info.gsi, edus[0].line);
	CHECK_EQ(info.state, HEL_IRQ_STATE_LINE | HEL_IRQ_STATE_LEVEL);
	edu_close(&edus[0]);
	edu_close(&edus[1]);
}

TEST(irq_line_stalls_and_recovers)
{
	struct hel_irq_info info;
	struct edu edus[2];

	if (!edu_open_pair(edus)) {
		return;
	}
	edu_write(&edus[0], EDU_RAISE, 4);
	for (unsigned i = 0; i < 2; i++) {
		CHECK(edu_wait(&edus[i]));
		edu_await(&edus[i]);
		CHECK_EQ(hel_irq_acknowledge(edus[i].irq, HEL_IRQ_NACK, edus[i].sequence), 0);
	}
	CHECK_EQ(hel_irq_info(edus[0].irq, &info), 0);
	CHECK_EQ(info.n_stalls, 1);
	CHECK_EQ(info.state & HEL_IRQ_STATE_STALLED, HEL_IRQ_STATE_STALLED);
	edu_write(&edus[1], EDU_RAISE, 1);
	CHECK(!is_complete(edus[0].awaited));
	/* The kick delivers to both, who now look properly. */
	CHECK_EQ(hel_irq_acknowledge(edus[1].irq, HEL_IRQ_KICK, 0), 0);
	CHECK(edu_wait(&edus[0]));
	CHECK(edu_wait(&edus[1]));
	CHECK(edu_serve(&edus[0]));
	CHECK(edu_serve(&edus[1]));
	CHECK_EQ(edus[0].n_served, 1);
	CHECK_EQ(edus[1].n_served, 1);
	CHECK_EQ(hel_irq_info(edus[0].irq, &info), 0);
	CHECK_EQ(info.state, HEL_IRQ_STATE_LINE | HEL_IRQ_STATE_LEVEL);
	/* Acknowledged before it was cleared: it comes again. */
	edu_write(&edus[0], EDU_RAISE, 1);
	CHECK(edu_wait(&edus[0]));
	edu_await(&edus[0]);
	CHECK_EQ(hel_irq_acknowledge(edus[0].irq, HEL_IRQ_ACK, edus[0].sequence), 0);
	CHECK(edu_wait(&edus[1]));
	CHECK(edu_serve(&edus[1]));
	CHECK(edu_wait(&edus[0]));
	CHECK(edu_serve(&edus[0]));
	CHECK(edu_wait(&edus[1]));
	CHECK(edu_serve(&edus[1]));
	edu_close(&edus[0]);
	edu_close(&edus[1]);
}

/* The line goes round all CPUs while both devices raise it as fast as it is served. */
TEST(irq_line_moves_under_load)
{
	struct hel_msi_info message;
	struct hel_irq_info info;
	struct edu edus[2];
	uint32_t n_raised = 0;

	if (!edu_open_pair(edus)) {
		return;
	}
	for (uint32_t round = 0; round < 1000; round++) {
		edu_write(&edus[round % 2], EDU_RAISE, 1);
		n_raised++;
		if (round % 4 == 0) {
			uint64_t mask = UINT64_C(1) << round / 4 % n_cpus();

			CHECK_EQ(hel_irq_set_affinity(edus[0].irq, mask, &message), 0);
			CHECK_EQ(message.address, 0);
		}
		do {
			CHECK(edu_wait(&edus[0]));
			CHECK(edu_wait(&edus[1]));
			CHECK(edu_serve(&edus[0]));
			CHECK(edu_serve(&edus[1]));
		} while (edus[0].n_served + edus[1].n_served < n_raised);
	}
	CHECK_EQ(hel_irq_info(edus[0].irq, &info), 0);
	CHECK_EQ(info.n_stalls, 0);
	CHECK_EQ(info.cpu, 249 % n_cpus());
	CHECK_EQ(hel_irq_settle(edus[0].irq), 0);
	edu_close(&edus[0]);
	edu_close(&edus[1]);
}

/* ---- messages */

static void edu_set_message(const struct edu *edu, const struct hel_msi_info *message)
{
	uint32_t control = config_read(edu->address, edu->msi_offset);

	config_write(edu->address, edu->msi_offset, control & ~MSI_ENABLE);
	config_write(edu->address, edu->msi_offset + 4, (uint32_t)message->address);
	config_write(edu->address, edu->msi_offset + 8, (uint32_t)(message->address >> 32));
	config_write(edu->address, edu->msi_offset + 12, message->data);
	config_write(edu->address, edu->msi_offset, control | MSI_ENABLE);
}

TEST(irq_message_moves_under_load)
{
	struct hel_msi_info message, next;
	struct hel_irq_info info;
	struct edu edu;
	uint32_t slot = 0;

	if (!edu_open(&slot, &edu)) {
		return;
	}
	CHECK(edu.msi_offset != 0);
	CHECK_EQ(hel_irq_create_msi(test_authority, &message, &edu.irq), 0);
	edu_set_message(&edu, &message);
	edu_await(&edu);
	for (uint32_t round = 0; round < 1000; round++) {
		uint64_t mask = UINT64_C(1) << round / 4 % n_cpus();

		/* Asked for, interrupted at the old place, told to the device, at the new one. */
		if (round % 4 == 1) {
			CHECK_EQ(hel_irq_set_affinity(edu.irq, mask, &next), 0);
		}
		if (round % 4 == 2) {
			edu_set_message(&edu, &next);
		}
		edu_write(&edu, EDU_RAISE, 1);
		CHECK(edu_wait(&edu));
		CHECK(edu_serve(&edu));
		CHECK_EQ(edu.n_served, round + 1);
	}
	CHECK_EQ(hel_irq_info(edu.irq, &info), 0);
	CHECK_EQ(info.n_interrupts, 1000);
	CHECK_EQ(info.n_spurious, 0);
	CHECK_EQ(info.state, 0);
	CHECK_EQ(info.cpu, 249 % n_cpus());
	config_write(edu.address, edu.msi_offset,
		config_read(edu.address, edu.msi_offset) & ~MSI_ENABLE);
	edu_close(&edu);
}

TEST(irq_moves_are_checked)
{
	struct hel_msi_info message;
	struct hel_irq_info info;
	hel_handle irq, wait_only;

	CHECK_EQ(hel_irq_create_line(test_queue.handle, 4, 0, &irq), -ERR_BAD_TYPE);
	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK_EQ(hel_irq_create_line(test_authority, 4000, 0, &irq), -ERR_NOT_FOUND);
	CHECK_EQ(hel_irq_create_line(test_authority, 4, 64, &irq), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_irq_create_line(test_authority, 16, HEL_IRQ_LINE_ISA, &irq), -ERR_NOT_FOUND);
	CHECK_EQ(hel_irq_create_msi(test_authority, &message, &irq), 0);
	CHECK_EQ(hel_transfer(HEL_THIS, irq, HEL_THIS, HEL_RIGHT_WAIT, &wait_only), 0);
	CHECK_EQ(hel_irq_info(wait_only, &info), 0);
	CHECK_EQ(info.gsi, HEL_IRQ_NO_LINE);
	CHECK_EQ(hel_irq_info(irq, (void *)8), -ERR_FAULT);
	CHECK_EQ(hel_irq_info(test_queue.handle, &info), -ERR_BAD_TYPE);
	CHECK_EQ(hel_irq_settle(wait_only), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_irq_settle(irq), 0);
	CHECK_EQ(hel_irq_set_affinity(wait_only, 1, &message), -ERR_NO_RIGHTS);
	CHECK_EQ(hel_irq_set_affinity(irq, 0, &message), -ERR_ILLEGAL_ARGS);
	CHECK_EQ(hel_irq_set_affinity(irq, 1, (void *)8), -ERR_FAULT);
	if (n_cpus() > 1) {
		uint64_t others = UINT64_C(3) & ~(UINT64_C(1) << info.cpu);

		CHECK_EQ(hel_irq_set_affinity(irq, others, &message), 0);
		CHECK_EQ(hel_irq_set_affinity(irq, UINT64_C(1) << info.cpu, &message), -ERR_BUSY);
		CHECK_EQ(hel_irq_settle(irq), 0);
		CHECK_EQ(hel_irq_set_affinity(irq, UINT64_C(1) << info.cpu, &message), 0);
	}
	hel_close(HEL_THIS, wait_only);
	hel_close(HEL_THIS, irq);
}

/* ---- edges */

/* The interval timer's output rises once, some time after it was started. */
TEST(irq_edge_of_the_timer)
{
	struct edu timer = {};
	hel_handle ports;

	if (test_authority == HEL_NULL) {
		return;
	}
	CHECK_EQ(hel_io_create(test_authority, PIT_PORT, 4, &ports), 0);
	CHECK_EQ(hel_irq_create_line(test_authority, 0, HEL_IRQ_LINE_ISA, &timer.irq), 0);
	hel_io_write(ports, 3, 1, 0x30); /* counter 0, both bytes, once */
	for (uint32_t round = 0; round < 5; round++) {
		edu_await(&timer);
		CHECK(!is_complete(timer.awaited));
		hel_io_write(ports, 0, 1, 0xff);
		hel_io_write(ports, 0, 1, 0x7f); /* 27 ms */
		CHECK(edu_wait(&timer));
		CHECK_EQ(hel_irq_acknowledge(timer.irq, HEL_IRQ_ACK, timer.sequence), 0);
	}
	hel_close(HEL_THIS, timer.irq);
	hel_close(HEL_THIS, ports);
}
