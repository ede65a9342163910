/* SPDX-License-Identifier: MIT */
/*
 * NVMe controllers on PCI (NVM Express Base Specification 2.0 and NVM Command Set 1.0).
 *
 * A controller has an admin queue and a pair of I/O queues for each hardware queue of the class,
 * with an interrupt of its own. Its namespaces are block devices that share the queues. A command
 * that is under way is a *slot* of a queue pair; its number is the command's id. A slot has a page
 * for the list of where its data are (list.c).
 *
 *	STARTING --> READY --a command takes too long, fatal status--> RESETTING --> READY
 *	                |                                                  | fails
 *	                +--taken out (all registers read as ones)----------+--> GONE
 *	                '--about to be taken out--> LEAVING ------------------> GONE
 *
 * A reset (section 3.6) loses what the controller had: the slots stay as they are, and are
 * submitted again to the new queues. So a request only fails if the controller says so, if it was
 * there at each of NVME_RESETS_MAX resets, or for good.
 */
#ifndef DRIVERS_BLOCK_NVME_NVME_H
#define DRIVERS_BLOCK_NVME_NVME_H

#include <drivers/lib/block/block.h>
#include <helix/helix.h>
#include <mmio/mmio.h>
#include <protocols/hw/hw-client.h>
#include <protocols/transport/client.h>
#include <virtio/dma.h>

#define NVME_QUEUES_MAX     8   /* pairs for requests */
#define NVME_SLOTS          256 /* of each pair, at most */
#define NVME_NAMESPACES_MAX 16
#define NVME_SECTOR_MAX     4096
#define NVME_TIMEOUT_NS     UINT64_C(30000000000) /* of a command */
#define NVME_RESETS_MAX     3
#define NVME_LEAVE_NS       UINT64_C(500000000) /* for what is under way when it is taken out */
#define NVME_LOOK_NS        UINT64_C(500000000) /* between two looks at that */
#define NVME_EXTENTS_MAX    256 /* as many as a page of SGL descriptors has */

struct nvme;

/* Registers (section 3.1.3). */
enum nvme_register {
	NVME_CAP = 0x00,
	NVME_CC = 0x14,
	NVME_CSTS = 0x1c,
	NVME_AQA = 0x24,
	NVME_ASQ = 0x28,
	NVME_ACQ = 0x30,
	NVME_DOORBELLS = 0x1000,
};

/* A submission queue entry (section 3.3.3.1). */
struct nvme_command {
	uint8_t opcode;
	uint8_t flags; /* bits 7:6: how the data are described */
	uint16_t id;
	uint32_t namespace;
	uint64_t reserved;
	uint64_t metadata;
	uint64_t data[2]; /* two PRP entries, or an SGL descriptor */
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

/* A completion queue entry (section 3.3.3.2). */
struct nvme_completion {
	uint32_t result;
	uint32_t reserved;
	uint16_t sq_head, sq_id;
	uint16_t id;
	uint16_t status; /* bit 0: phase */
};

static_assert(sizeof(struct nvme_command) == 64);
static_assert(sizeof(struct nvme_completion) == 16);

/* A command that somebody in a task waits for. */
struct nvme_admin_op {
	struct op op;
	struct nvme *nvme;
	struct nvme_command command;
	uint32_t result; /* when it is finished with 0 */
};

struct nvme_slot {
	bool is_used;
	uint64_t since_ns; /* when it was submitted */
	uint32_t n_resets; /* that it has lived through */
	struct nvme_command command;
	struct block_request *request; /* or: */
	struct nvme_admin_op *admin;
	bool is_bounced; /* its data go through nvme.bounce */
	int error; /* of what was to go there: the command is only a flush, in its place */
};

struct nvme_queue {
	struct nvme *nvme;
	uint16_t id; /* 0: the admin queue */
	uint16_t n_entries, n_slots; /* one entry is always free */
	struct dma_memory submissions, completions, lists; /* a page of the last for each slot */
	uint16_t tail, head, n_free;
	bool phase, is_stale; /* submitted, and the doorbell not rung */
	struct nvme_slot slots[NVME_SLOTS];
	uint16_t free_slots[NVME_SLOTS];
	hel_handle irq;
	struct helix_event_op interrupt;
};

struct nvme_namespace {
	struct block_device device;
	struct nvme *nvme;
	uint32_t id;
	char name[48];
};

enum nvme_state { NVME_STARTING, NVME_READY, NVME_RESETTING, NVME_LEAVING, NVME_GONE };

struct nvme {
	struct helix_loop *loop;
	struct transport_client hw;
	struct mmio registers;
	enum nvme_state state;
	uint32_t doorbell_stride; /* bytes */
	uint64_t ready_timeout_ns;
	uint16_t n_entries_max;
	hel_handle dma_space;
	bool has_sgl, has_write_cache, has_zeroes, has_discard;
	uint32_t transfer_bytes_max;
	char name[40], model[41], serial[21];
	uint32_t n_vectors, n_queues;
	struct nvme_queue admin;
	struct nvme_queue queues[NVME_QUEUES_MAX];
	struct dma_memory page; /* for what the controller tells */
	struct dma_memory bounce; /* BLOCK_TRANSFER_MAX, for one request at a time */
	bool is_bounce_used;
	uint32_t n_namespaces;
	struct nvme_namespace *namespaces[NVME_NAMESPACES_MAX];
	struct hw_removal removal;
	bool is_removed, is_gone; /* it is taken out, or is out already */
	struct wait_queue news;   /* of that, and of interrupts that have ended */
	struct job job;
};

/* ---- controller.c */

/** nvme_run() - drive a controller until it is gone; @lane: of the PCI function */
MUST_USE int nvme_run(struct task *task, struct nvme *nvme, hel_handle lane);

/** nvme_leave() - it was taken out: let go of all that it had, its lane to hw, too, and free it */
void nvme_leave(struct task *task, struct nvme *nvme);

/* ---- queue.c */

/** nvme_queue_init() - memory for a pair; -ERR_NO_MEMORY, what mapping says */
MUST_USE int nvme_queue_init(
	struct nvme *nvme, struct nvme_queue *queue, uint16_t id, uint16_t n_entries);

/** nvme_queue_free() - the controller knows nothing of it any more */
void nvme_queue_free(struct nvme_queue *queue);

/** nvme_queue_restart() - the controller begins anew: all slots in use are submitted again */
void nvme_queue_restart(struct nvme_queue *queue);

/** nvme_slot_take() - a free slot, whose command is all zeros but for its id; NULL */
struct nvme_slot *nvme_slot_take(struct nvme_queue *queue);

/** nvme_slot_give_back() - it was not submitted, or is over */
void nvme_slot_give_back(struct nvme_queue *queue, struct nvme_slot *slot);

/** nvme_submit() - the slot's command; the controller looks when nvme_ring() comes */
void nvme_submit(struct nvme_queue *queue, struct nvme_slot *slot);

/** nvme_ring() - let the controller see what was submitted */
void nvme_ring(struct nvme_queue *queue);

/** nvme_poll() - take what the controller has finished */
void nvme_poll(struct nvme_queue *queue);

/** nvme_abandon() - the controller is gone: end all that is under way with @error */
void nvme_abandon(struct nvme_queue *queue, int error);

/** nvme_is_late() - whether something is under way for too long */
bool nvme_is_late(const struct nvme_queue *queue, uint64_t now_ns);

/** nvme_admin() - one command of the admin queue, in a task; @out_result may be NULL */
MUST_USE int nvme_admin(struct task *task, struct nvme *nvme, const struct nvme_command *command,
	uint32_t *out_result);

/* ---- request.c */

/* What nvme_request_done() is told of a command that no controller has answered. */
#define NVME_STATUS_NO_ANSWER UINT16_MAX

/** nvme_driver - what the class calls */
extern const struct block_driver nvme_driver;

/** nvme_request_done() - a request's slot is over, with the controller's status */
void nvme_request_done(struct nvme_queue *queue, struct nvme_slot *slot, uint16_t status);

/* ---- list.c */

/**
 * nvme_describe() - say in a command where its data are: by PRPs, or an SGL
 * @list: the slot's page, and its address
 *
 * Return: false: neither can say it.
 */
bool nvme_describe(struct nvme_command *command, const struct block_extent *extents,
	uint32_t n_extents, uint64_t *list, uint64_t list_address, bool has_sgl);

#endif
