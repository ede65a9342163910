/* SPDX-License-Identifier: MIT */
/* A controller: its start, its namespaces, and what goes wrong with it. See nvme.h. */
#include "nvme.h"

#include <base/errors.h>
#include <base/format.h>
#include <base/string.h>
#include <protocols/hw/hw-client.h>

#define ADMIN_ENTRIES   32
#define REGISTERS_BYTES KIB(16) /* with the doorbells of all our queues */
#define STEP_NS         UINT64_C(1000000)

enum admin_opcode : uint8_t {
	ADMIN_CREATE_SQ = 0x01,
	ADMIN_CREATE_CQ = 0x05,
	ADMIN_IDENTIFY = 0x06,
	ADMIN_SET_FEATURES = 0x09,
};

enum identify : uint32_t { IDENTIFY_NAMESPACE = 0, IDENTIFY_CONTROLLER = 1, IDENTIFY_LIST = 2 };

#define FEATURE_QUEUES    7
#define CC_ENABLE         (1u | 6u << 16 | 4u << 20) /* entries of 64 and 16 bytes */
#define CSTS_READY        1u
#define CSTS_FATAL        2u
#define CC_SHUT_DOWN      (1u << 14)
#define CSTS_SHUT_DOWN    (3u << 2)
#define CSTS_IS_SHUT_DOWN (2u << 2)
#define GONE              UINT32_MAX
#define QUEUE_CONTIGUOUS  1u
#define QUEUE_INTERRUPTS  2u

/* Offsets in what identify tells (figures "Identify Controller", "Identify Namespace"). */
enum identify_offset {
	CONTROLLER_SERIAL = 4, /* 20 bytes */
	CONTROLLER_MODEL = 24, /* 40 bytes */
	CONTROLLER_MDTS = 77,
	CONTROLLER_ONCS = 520, /* optional commands */
	CONTROLLER_VWC = 525,
	CONTROLLER_SGLS = 536,
	NAMESPACE_SIZE = 0, /* blocks */
	NAMESPACE_FORMAT = 26,
	NAMESPACE_FORMATS = 128,
};

#define ONCS_DSM       (1u << 2)
#define ONCS_ZEROES    (1u << 3)
#define BLOCKS_MAX     UINT64_C(65536) /* of one command */
#define DISCARD_BLOCKS UINT64_C(0x10000000)

/* ---- registers ------------------------------------------------------------------------------- */

static uint64_t read64(const struct nvme *nvme, size_t offset)
{
	return mmio_read32(nvme->registers, offset) |
		(uint64_t)mmio_read32(nvme->registers, offset + 4) << 32;
}

static void write64(const struct nvme *nvme, size_t offset, uint64_t value)
{
	mmio_write32(nvme->registers, offset, (uint32_t)value);
	mmio_write32(nvme->registers, offset + 4, (uint32_t)(value >> 32));
}

static int await_ready(struct task *task, const struct nvme *nvme, bool is_ready)
{
	uint64_t deadline_ns = task_now_ns(task) + nvme->ready_timeout_ns;

	for (;;) {
		uint32_t status = mmio_read32(nvme->registers, NVME_CSTS);

		if (status == GONE) {
			return -ERR_END_OF_LANE;
		}
		if (((status & CSTS_READY) != 0) == is_ready) {
			return 0;
		}
		if ((is_ready && (status & CSTS_FATAL) != 0) || task_now_ns(task) >= deadline_ns) {
			return -ERR_IO;
		}
		int error = task_sleep_until(task, task_now_ns(task) + STEP_NS);

		if (error != 0) {
			return error;
		}
	}
}

/* Section 3.5.1: everything that the controller had is lost. */
static int enable(struct task *task, struct nvme *nvme)
{
	uint32_t n_entries = nvme->admin.n_entries - 1u;

	mmio_write32(nvme->registers, NVME_CC, 0);
	int error = await_ready(task, nvme, false);

	if (error != 0) {
		return error;
	}
	nvme_queue_restart(&nvme->admin);
	mmio_write32(nvme->registers, NVME_AQA, n_entries << 16 | n_entries);
	write64(nvme, NVME_ASQ, nvme->admin.submissions.address);
	write64(nvme, NVME_ACQ, nvme->admin.completions.address);
	mmio_write32(nvme->registers, NVME_CC, CC_ENABLE);
	error = await_ready(task, nvme, true);
	if (error == 0) {
		nvme_ring(&nvme->admin);
	}
	return error;
}

static int read_capabilities(struct nvme *nvme)
{
	uint64_t capabilities = read64(nvme, NVME_CAP);
	uint32_t page_min = (uint32_t)(capabilities >> 48 & 15);

	nvme->n_entries_max = (uint16_t)min_u64((capabilities & 0xffff) + 1, NVME_SLOTS);
	nvme->ready_timeout_ns = ((capabilities >> 24 & 0xff) + 1) * UINT64_C(500000000);
	nvme->doorbell_stride = 4u << (capabilities >> 32 & 15);
	return page_min != 0 || nvme->n_entries_max < 2 ||
			NVME_DOORBELLS + 2 * (NVME_QUEUES_MAX + 1) * (size_t)nvme->doorbell_stride >
				nvme->registers.size
		? -ERR_UNSUPPORTED
		: 0;
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static void queue_interrupted(struct op *op)
{
	struct nvme_queue *queue = op->owner;
	struct nvme *nvme = queue->nvme;

	if (op->error != 0 || nvme->state == NVME_GONE) {
		wait_queue_wake(&nvme->news);
		return;
	}
	(void)!hel_irq_acknowledge(queue->irq, HEL_IRQ_ACK, queue->interrupt.sequence);
	if (nvme->state != NVME_RESETTING) {
		nvme_poll(queue);
	}
	(void)!op_start(op, &nvme->loop->loop, queue_interrupted, queue);
	for (uint32_t i = 0; i < nvme->n_namespaces && nvme->state == NVME_READY; i++) {
		block_settle(&nvme->namespaces[i]->device);
	}
}

static int queue_listen(struct task *task, struct nvme_queue *queue)
{
	struct nvme *nvme = queue->nvme;
	int error = hw_client_interrupt(task, &nvme->hw, queue->id, &queue->irq);

	if (error == 0) {
		helix_event_op_init(&queue->interrupt, queue->irq, 0);
		(void)!op_start(&queue->interrupt.operation.op, &nvme->loop->loop,
			queue_interrupted, queue);
	}
	return error;
}

/* ---- queues ---------------------------------------------------------------------------------- */

static int create_queue(struct task *task, struct nvme *nvme, const struct nvme_queue *queue)
{
	struct nvme_command command = {
		.opcode = ADMIN_CREATE_CQ,
		.data = { queue->completions.address },
		.cdw10 = queue->id | (queue->n_entries - 1u) << 16,
		.cdw11 = QUEUE_CONTIGUOUS | QUEUE_INTERRUPTS | (uint32_t)queue->id << 16,
	};
	int error = nvme_admin(task, nvme, &command, NULL);

	if (error != 0) {
		return error;
	}
	command.opcode = ADMIN_CREATE_SQ;
	command.data[0] = queue->submissions.address;
	command.cdw11 = QUEUE_CONTIGUOUS | (uint32_t)queue->id << 16;
	return nvme_admin(task, nvme, &command, NULL);
}

/* How many pairs the controller gives us: at least one. */
static int ask_for_queues(struct task *task, struct nvme *nvme, uint32_t n_wanted)
{
	const struct nvme_command command = {
		.opcode = ADMIN_SET_FEATURES,
		.cdw10 = FEATURE_QUEUES,
		.cdw11 = (n_wanted - 1) << 16 | (n_wanted - 1),
	};
	uint32_t given;
	int error = nvme_admin(task, nvme, &command, &given);

	if (error == 0) {
		nvme->n_queues =
			(uint32_t)min_u64(n_wanted, 1 + min_u64(given & 0xffff, given >> 16));
	}
	return error;
}

static int make_queues(struct task *task, struct nvme *nvme)
{
	int error = ask_for_queues(
		task, nvme, (uint32_t)min_u64(NVME_QUEUES_MAX, nvme->n_vectors - 1u));

	for (uint32_t i = 0; i < nvme->n_queues && error == 0; i++) {
		struct nvme_queue *queue = &nvme->queues[i];

		error = nvme_queue_init(nvme, queue, (uint16_t)(i + 1), nvme->n_entries_max);
		if (error == 0) {
			error = queue_listen(task, queue);
		}
		if (error == 0) {
			error = create_queue(task, nvme, queue);
		}
	}
	return error;
}

/* ---- what it is ------------------------------------------------------------------------------ */

static int identify(struct task *task, struct nvme *nvme, enum identify what, uint32_t namespace)
{
	const struct nvme_command command = {
		.opcode = ADMIN_IDENTIFY,
		.namespace = namespace,
		.data = { nvme->page.address },
		.cdw10 = what,
	};

	return nvme_admin(task, nvme, &command, NULL);
}

static uint32_t word_at(const struct nvme *nvme, size_t offset)
{
	uint32_t word;

	memcpy(&word, nvme->page.data + offset, sizeof(word));
	return word;
}

/* Text that is filled up with spaces. */
static void copy_text(const struct nvme *nvme, size_t offset, size_t size, char *out_text)
{
	memcpy(out_text, nvme->page.data + offset, size);
	while (size > 0 && (out_text[size - 1] == ' ' || out_text[size - 1] == '\0')) {
		size--;
	}
	out_text[size] = '\0';
}

static int identify_controller(struct task *task, struct nvme *nvme)
{
	int error = identify(task, nvme, IDENTIFY_CONTROLLER, 0);

	if (error != 0) {
		return error;
	}
	uint8_t exponent = nvme->page.data[CONTROLLER_MDTS];
	uint32_t optional = word_at(nvme, CONTROLLER_ONCS);

	nvme->transfer_bytes_max = exponent == 0 || exponent > 8
		? BLOCK_TRANSFER_MAX
		: (uint32_t)HEL_PAGE_SIZE << exponent;
	nvme->has_zeroes = (optional & ONCS_ZEROES) != 0;
	nvme->has_discard = (optional & ONCS_DSM) != 0;
	nvme->has_write_cache = (nvme->page.data[CONTROLLER_VWC] & 1) != 0;
	nvme->has_sgl = (word_at(nvme, CONTROLLER_SGLS) & 3) != 0;
	copy_text(nvme, CONTROLLER_SERIAL, sizeof(nvme->serial) - 1, nvme->serial);
	copy_text(nvme, CONTROLLER_MODEL, sizeof(nvme->model) - 1, nvme->model);
	return 0;
}

/* ---- namespaces ------------------------------------------------------------------------------ */

static void describe_device(struct nvme_namespace *namespace, uint32_t block, uint64_t n_blocks)
{
	struct nvme *nvme = namespace->nvme;

	namespace->device = (struct block_device){
		.driver = &nvme_driver,
		.loop = &nvme->loop->loop,
		.name = namespace->name,
		.model = nvme->model,
		.serial = nvme->serial,
		.features = BLOCK_FEATURE_FUA |
			(nvme->has_zeroes ? BLOCK_FEATURE_WRITE_ZEROES : 0) |
			(nvme->has_discard ? BLOCK_FEATURE_DISCARD : 0),
		.size_bytes = n_blocks * block,
		.logical_block_bytes = block,
		.physical_block_bytes = block,
		.transfer_bytes_max =
			(uint32_t)min_u64(nvme->transfer_bytes_max, BLOCKS_MAX * block),
		.extents_max = NVME_EXTENTS_MAX + 1, /* pages, the first and last in part */
		.extent_bytes_max = BLOCK_TRANSFER_MAX,
		.memory_alignment = 4,
		.discard_bytes_max = DISCARD_BLOCKS * block,
		.zeroes_bytes_max = BLOCKS_MAX * block,
		.discard_alignment = block,
		.n_queues = nvme->n_queues,
		.depth = nvme->queues[0].n_slots,
		.has_dma = true,
		.dma_space = nvme->dma_space,
	};
	block_device_init(&namespace->device);
}

static int add_namespace(struct task *task, struct nvme *nvme, uint32_t id)
{
	struct nvme_namespace *namespace = helix_calloc(1, sizeof(*namespace));
	int error =
		namespace == NULL ? -ERR_NO_MEMORY : identify(task, nvme, IDENTIFY_NAMESPACE, id);

	if (error != 0) {
		helix_free(namespace);
		return error;
	}
	uint32_t format = nvme->page.data[NAMESPACE_FORMAT] & 15;
	uint32_t shift = word_at(nvme, NAMESPACE_FORMATS + 4 * format) >> 16 & 0xff;
	uint32_t metadata = word_at(nvme, NAMESPACE_FORMATS + 4 * format) & 0xffff;
	uint64_t n_blocks =
		word_at(nvme, NAMESPACE_SIZE) | (uint64_t)word_at(nvme, NAMESPACE_SIZE + 4) << 32;

	if (shift < 9 || shift > 12 || metadata != 0 || n_blocks > UINT64_MAX >> 13) {
		helix_log(HEL_LOG_WARNING, "%s: namespace %u has a format that is not supported",
			nvme->name, id);
		helix_free(namespace);
		return 0;
	}
	namespace->nvme = nvme;
	namespace->id = id;
	format_to(namespace->name, sizeof(namespace->name), "%sn%u", nvme->name, id);
	describe_device(namespace, 1u << shift, n_blocks);
	nvme->namespaces[nvme->n_namespaces++] = namespace;
	return block_publish(task, &namespace->device, helix_start_handle("mbus"));
}

static int add_namespaces(struct task *task, struct nvme *nvme)
{
	uint32_t ids[NVME_NAMESPACES_MAX];
	int error = identify(task, nvme, IDENTIFY_LIST, 0);

	if (error == 0) {
		memcpy(ids, nvme->page.data, sizeof(ids));
	}
	for (size_t i = 0; i < ARRAY_SIZE(ids) && error == 0 && ids[i] != 0; i++) {
		error = add_namespace(task, nvme, ids[i]);
	}
	return error;
}

/* ---- the start ------------------------------------------------------------------------------- */

static int map_registers(struct task *task, struct nvme *nvme)
{
	uint8_t buffer[2048];
	struct bragi_exchange exchange;
	struct hw_info_reply info;
	volatile void *registers;

	bragi_exchange_init(&exchange, buffer, sizeof(buffer));
	int error = hw_client_info(task, &nvme->hw, &exchange, &info);

	if (error != 0) {
		return error;
	}
	nvme->n_vectors = info.n_msi_vectors;
	if (nvme->n_vectors < 2) {
		return -ERR_UNSUPPORTED;
	}
	size_t size = (size_t)min_u64(info.bars.items[0].size_bytes, REGISTERS_BYTES);

	/* the MSI-X table may lie behind the doorbells, and is not given away */
	error = hw_client_map_bar(task, &nvme->hw, 0, size, &registers);
	if (error != 0) {
		size = KIB(8);
		error = hw_client_map_bar(task, &nvme->hw, 0, size, &registers);
	}
	if (error == 0) {
		nvme->registers = (struct mmio){ .base = registers, .size = size };
	}
	return error;
}

static int open_device(struct task *task, struct nvme *nvme)
{
	char address[HW_CLIENT_ADDRESS_SIZE];
	int error = hw_client_address(task, &nvme->hw, address);

	if (error == 0) {
		format_to(nvme->name, sizeof(nvme->name), "nvme-%s", address);
		error = map_registers(task, nvme);
	}
	if (error == 0) {
		error = read_capabilities(nvme);
	}
	if (error == 0) {
		error = hw_client_dma_space(task, &nvme->hw, &nvme->dma_space);
	}
	if (error == 0) {
		error = hw_client_bus_master(task, &nvme->hw, true);
	}
	if (error == 0) {
		error = dma_allocate(&nvme->page, nvme->dma_space, HEL_PAGE_SIZE);
	}
	if (error == 0) {
		error = dma_allocate(&nvme->bounce, nvme->dma_space, BLOCK_TRANSFER_MAX);
	}
	if (error == 0) {
		error = nvme_queue_init(nvme, &nvme->admin, 0, ADMIN_ENTRIES);
	}
	return error;
}

static int start(struct task *task, struct nvme *nvme)
{
	int error = open_device(task, nvme);

	/* QEMU's forgets interrupts of queues that were made before MSI-X was enabled */
	if (error == 0) {
		error = queue_listen(task, &nvme->admin);
	}
	if (error == 0) {
		error = enable(task, nvme);
	}
	if (error == 0) {
		error = identify_controller(task, nvme);
	}
	if (error == 0) {
		error = make_queues(task, nvme);
	}
	if (error == 0) {
		nvme->state = NVME_READY;
		error = add_namespaces(task, nvme);
	}
	return error;
}

/* ---- what goes wrong ------------------------------------------------------------------------- */

static int reset(struct task *task, struct nvme *nvme)
{
	helix_log(HEL_LOG_WARNING, "%s does not answer, and is reset", nvme->name);
	nvme->state = NVME_RESETTING;
	nvme_abandon(&nvme->admin, -ERR_IO);
	int error = enable(task, nvme);

	nvme->state = NVME_STARTING; /* the admin queue works */
	if (error == 0) {
		error = ask_for_queues(task, nvme, nvme->n_queues);
	}
	for (uint32_t i = 0; i < nvme->n_queues && error == 0; i++) {
		error = create_queue(task, nvme, &nvme->queues[i]);
		if (error == 0) {
			nvme_queue_restart(&nvme->queues[i]);
			nvme_ring(&nvme->queues[i]);
		}
	}
	if (error == 0) {
		nvme->state = NVME_READY;
		for (uint32_t i = 0; i < nvme->n_namespaces; i++) {
			block_settle(&nvme->namespaces[i]->device);
		}
	}
	return error;
}

static bool must_reset(const struct nvme *nvme, uint64_t now_ns)
{
	if ((mmio_read32(nvme->registers, NVME_CSTS) & CSTS_FATAL) != 0) {
		return true;
	}
	for (uint32_t i = 0; i < nvme->n_queues; i++) {
		if (nvme_is_late(&nvme->queues[i], now_ns)) {
			return true;
		}
	}
	return false;
}

static bool is_idle(const struct nvme *nvme)
{
	for (uint32_t i = 0; i < nvme->n_queues; i++) {
		if (nvme->queues[i].n_free < nvme->queues[i].n_slots) {
			return false;
		}
	}
	return true;
}

/* What is under way comes to its end; nothing more is submitted. */
static void drain(struct task *task, const struct nvme *nvme)
{
	uint64_t deadline_ns = task_now_ns(task) + NVME_LEAVE_NS;

	while (!is_idle(nvme) && task_now_ns(task) < deadline_ns &&
		task_sleep_until(task, task_now_ns(task) + STEP_NS) == 0) {
	}
}

/* It stores what it has (section 3.6.1), and forgets our memory. */
static void shut_down(struct task *task, const struct nvme *nvme)
{
	uint64_t deadline_ns = task_now_ns(task) + nvme->ready_timeout_ns;
	int error = 0;

	mmio_write32(nvme->registers, NVME_CC, CC_ENABLE | CC_SHUT_DOWN);
	while (error == 0 && task_now_ns(task) < deadline_ns &&
		(mmio_read32(nvme->registers, NVME_CSTS) & CSTS_SHUT_DOWN) != CSTS_IS_SHUT_DOWN) {
		error = task_sleep_until(task, task_now_ns(task) + STEP_NS);
	}
	mmio_write32(nvme->registers, NVME_CC, 0);
	(void)!await_ready(task, nvme, false);
}

/* What it still knows must not be anybody else's: it is turned off first, if it is there. */
static void end(struct task *task, struct nvme *nvme)
{
	if (nvme->is_removed && !nvme->is_gone && nvme->registers.size != 0) {
		nvme->state = NVME_LEAVING;
		drain(task, nvme);
		shut_down(task, nvme);
	}
	nvme->state = NVME_GONE;
	nvme_abandon(&nvme->admin, -ERR_END_OF_LANE);
	for (uint32_t i = 0; i < nvme->n_queues; i++) {
		nvme_abandon(&nvme->queues[i], -ERR_END_OF_LANE);
	}
	for (uint32_t i = 0; i < nvme->n_namespaces; i++) {
		block_gone(&nvme->namespaces[i]->device);
	}
}

static void removed(struct hw_removal *removal, bool is_gone)
{
	struct nvme *nvme = container_of(removal, struct nvme, removal);

	nvme->is_removed = true;
	nvme->is_gone = is_gone;
	if (is_gone) {
		nvme_abandon(&nvme->admin, -ERR_END_OF_LANE);
	}
	wait_queue_wake(&nvme->news);
}

/* Until there is news, or it is time to look at the controller. */
static int await_news(struct task *task, struct nvme *nvme)
{
	struct wait_op news;

	wait_op_init(&news, &nvme->news);
	int error = await_until(task, &news.op, task_now_ns(task) + NVME_LOOK_NS);

	return error == -ERR_TIMED_OUT ? 0 : error;
}

int nvme_run(struct task *task, struct nvme *nvme, hel_handle lane)
{
	transport_client_init(&nvme->hw, lane, 1);
	wait_queue_init(&nvme->news);
	hw_removal_watch(&nvme->removal, &nvme->loop->loop, &nvme->hw, removed);
	int error = start(task, nvme);

	while (error == 0) {
		error = await_news(task, nvme);
		if (error != 0) {
			break;
		}
		if (nvme->is_removed || mmio_read32(nvme->registers, NVME_CSTS) == GONE) {
			error = -ERR_END_OF_LANE;
		} else if (must_reset(nvme, task_now_ns(task))) {
			error = reset(task, nvme);
		}
	}
	end(task, nvme);
	return error;
}

static void stop_listening(struct task *task, struct nvme *nvme, struct nvme_queue *queue)
{
	struct op *op = &queue->interrupt.operation.op;

	if (queue->irq == HEL_NULL) {
		return;
	}
	if (op_is_pending(op)) {
		op_cancel(op);
	}
	while (op_is_pending(op) && wait_on(task, &nvme->news) == 0) {
	}
}

void nvme_leave(struct task *task, struct nvme *nvme)
{
	helix_log(HEL_LOG_INFO, "%s is taken out", nvme->name);
	stop_listening(task, nvme, &nvme->admin);
	for (uint32_t i = 0; i < NVME_QUEUES_MAX; i++) {
		stop_listening(task, nvme, &nvme->queues[i]);
	}
	hel_close(HEL_THIS, nvme->hw.lane);
	for (uint32_t i = 0; i < nvme->n_namespaces; i++) {
		block_end(task, &nvme->namespaces[i]->device);
		helix_free(nvme->namespaces[i]);
	}
	nvme_queue_free(&nvme->admin);
	for (uint32_t i = 0; i < NVME_QUEUES_MAX; i++) {
		nvme_queue_free(&nvme->queues[i]);
	}
	dma_free(&nvme->page);
	dma_free(&nvme->bounce);
	if (nvme->registers.size != 0) {
		hw_client_unmap_bar(nvme->registers.base, nvme->registers.size);
	}
	if (nvme->dma_space != HEL_NULL) {
		hel_close(HEL_THIS, nvme->dma_space);
	}
	task->job = NULL;
	helix_free(nvme);
}
