/* SPDX-License-Identifier: MIT */
/*
 * Requests about memory that is lent (hel_space_lend): the device transfers to and from what this
 * program's space shows, and what cannot be is an error of that request.
 */
#include "client.h"

#include <base/errors.h>
#include <base/string.h>
#include <helix/managed.h>

#define LENT_BYTES MIB(3)
#define PAGE       HEL_PAGE_SIZE
#define ROUNDS     20

struct loan {
	uint8_t *bytes; /* private memory of this program */
	uint32_t id;
	hel_handle handle;
};

/* In the place of what is there. */
static int put(uint8_t *address, uint64_t size, uint32_t flags)
{
	const struct hel_map_args args = {
		.space = HEL_THIS,
		.address = (uint64_t)address,
		.size_bytes = size,
		.flags = flags | HEL_MAP_FORK_COPY | HEL_MAP_FIXED,
	};
	uint64_t result;

	return hel_space_map(&args, &result);
}

static int lend(struct task *task, struct loan *out_loan)
{
	void *pointer;
	int error = helix_map(HEL_NULL, 0, LENT_BYTES, HEL_MAP_READ | HEL_MAP_WRITE, &pointer);

	if (error != 0) {
		return error;
	}
	out_loan->bytes = pointer;
	error = put(pointer, LENT_BYTES, HEL_MAP_READ | HEL_MAP_WRITE);
	if (error == 0) {
		error = hel_space_lend(HEL_THIS, (uint64_t)pointer, LENT_BYTES, &out_loan->handle);
	}
	/* that it is to be kept does not matter: a loan never is */
	return error == 0 ? block_disk_attach_kept(task, &disk, out_loan->handle, &out_loan->id)
			  : error;
}

static void take_back(struct task *task, const struct loan *loan)
{
	block_disk_detach(task, &disk, loan->id);
	hel_close(HEL_THIS, loan->handle);
	helix_unmap(loan->bytes, LENT_BYTES);
}

/* As long as there can be, not aligned to pages: the device is told of a page more. */
void test_space_is_lent(struct task *task)
{
	uint32_t block = disk.geometry.logical_block_bytes;
	uint32_t length = disk.geometry.transfer_bytes_max;
	struct loan loan;

	CHECK(lend(task, &loan) == 0);
	fill(0, length, 8);
	memcpy(loan.bytes + 512, bytes, length);
	CHECK(transfer_of(task, loan.id, BLOCK_WRITE, MIB(2), 512, length) == 0);
	memset(bytes, 0, MIB(2));
	CHECK(transfer(task, BLOCK_READ, MIB(2), 0, length) == 0);
	CHECK(is_filled(0, length, 8));
	/* pages that nobody has touched but at the ends */
	loan.bytes[MIB(2) - 513] = loan.bytes[MIB(2) - 512 + length] = 0xee;
	CHECK(transfer_of(task, loan.id, BLOCK_READ, MIB(2), MIB(2) - 512, length) == 0);
	CHECK(memcmp(loan.bytes + MIB(2) - 512, bytes, length) == 0);
	CHECK(loan.bytes[MIB(2) - 513] == 0xee && loan.bytes[MIB(2) - 512 + length] == 0xee);
	CHECK(transfer_of(task, loan.id, BLOCK_READ, 0, LENT_BYTES - block, block) == 0);
	CHECK(transfer_of(task, loan.id, BLOCK_READ, 0, LENT_BYTES, block) != 0);
	CHECK(transfer_of(task, loan.id, BLOCK_READ, 0, LENT_BYTES - block, 2 * block) != 0);
	take_back(task, &loan);
	CHECK(transfer_of(task, loan.id, BLOCK_READ, 0, 0, block) == -ERR_NOT_FOUND);
}

/* Neither the device nor the driver is worse off. */
static void check_refused(
	struct task *task, const struct loan *loan, enum block_operation operation, uint64_t offset)
{
	int error = transfer_of(task, loan->id, operation, MIB(1), offset, KIB(16));

	CHECK(error < 0 && error != -ERR_END_OF_LANE);
	CHECK(transfer(task, BLOCK_READ, MIB(2), 0, KIB(16)) == 0);
	CHECK(is_filled(0, KIB(16), 8));
}

static void check_managed(struct task *task, const struct loan *loan)
{
	struct hel_managed_handles handles;
	struct hel_map_args args = {
		.space = HEL_THIS,
		.address = (uint64_t)loan->bytes,
		.size_bytes = KIB(64),
		.flags = HEL_MAP_READ | HEL_MAP_WRITE | HEL_MAP_FIXED,
	};
	uint64_t address;

	CHECK(hel_memory_create_managed(KIB(64), 0, &handles) == 0);
	args.memory = handles.frontal;
	CHECK(hel_space_map(&args, &address) == 0);
	check_refused(task, loan, BLOCK_WRITE, 0); /* the manager brings nothing */
	check_refused(task, loan, BLOCK_READ, 0);
	CHECK(hel_memory_update(handles.backing, HEL_UPDATE_ZERO, 0, KIB(64), 0) == 0);
	CHECK(loan->bytes[0] == 0 && loan->bytes[KIB(16) - PAGE] == 0);
	CHECK(put(loan->bytes, KIB(64), HEL_MAP_READ | HEL_MAP_WRITE) == 0);
	hel_close(HEL_THIS, handles.frontal);
	hel_close(HEL_THIS, handles.backing);
}

void test_what_is_not_there_fails(struct task *task)
{
	struct loan loan;

	CHECK(lend(task, &loan) == 0);
	hel_space_unmap(HEL_THIS, (uint64_t)loan.bytes + KIB(8), PAGE); /* nobody maps meanwhile */
	check_refused(task, &loan, BLOCK_READ, 0);
	check_refused(task, &loan, BLOCK_WRITE, 0);
	check_refused(task, &loan, BLOCK_READ, KIB(8));
	CHECK(put(loan.bytes + KIB(8), PAGE, HEL_MAP_GUARD) == 0);
	check_refused(task, &loan, BLOCK_READ, 0);
	check_refused(task, &loan, BLOCK_WRITE, 0);
	CHECK(put(loan.bytes + KIB(8), PAGE, HEL_MAP_READ) == 0);
	check_refused(task, &loan, BLOCK_READ, 0);
	memset(loan.bytes, 0xee, KIB(8));
	CHECK(transfer_of(task, loan.id, BLOCK_WRITE, MIB(1), 0, KIB(16)) == 0);
	CHECK(transfer(task, BLOCK_READ, MIB(1), 0, KIB(16)) == 0);
	CHECK(bytes[0] == 0xee && bytes[KIB(8) - 1] == 0xee && bytes[KIB(8)] == 0);
	CHECK(put(loan.bytes, KIB(64), HEL_MAP_READ | HEL_MAP_WRITE) == 0);
	check_managed(task, &loan);
	CHECK(transfer_of(task, loan.id, BLOCK_READ, MIB(1), 0, KIB(16)) == 0);
	CHECK(loan.bytes[0] == 0xee && loan.bytes[KIB(8)] == 0);
	take_back(task, &loan);
}

static int run_request(struct task *task, void *argument)
{
	struct block_op *request = argument;

	(void)await(task, &request->op);
	return 0; /* its error stays there */
}

/* @request is about @loan, whose memory becomes another one meanwhile, and the old pages free. */
static void take_away(struct task *task, const struct loan *loan, struct block_op *request,
	uint64_t delay_ns, uint8_t *witness)
{
	struct scope scope;

	scope_begin(task, &scope);
	scope_spawn(&scope, "request", run_request, request);
	bool has_slept = task_sleep_until(task, task_now_ns(task) + delay_ns) == 0;
	bool is_away = put(loan->bytes, LENT_BYTES, HEL_MAP_READ | HEL_MAP_WRITE) == 0;

	memset(witness, 0x11, LENT_BYTES); /* perhaps those pages, if they are free */
	CHECK(scope_join(&scope) == 0 && has_slept && is_away);
	CHECK(request->op.error == 0 || request->op.error == -ERR_FAULT ||
		request->op.error == -ERR_IO);
	for (uint64_t i = 0; i < LENT_BYTES; i += 8) {
		CHECK(witness[i] == 0x11);
	}
}

/* The device has what it was told until it is done: those pages are nobody else's. */
void test_lent_memory_goes(struct task *task)
{
	uint32_t length = disk.geometry.transfer_bytes_max;
	uint64_t n_rounds = client_option("block.rounds", ROUNDS);
	struct block_op request;
	struct loan loan;
	void *witness;

	CHECK(lend(task, &loan) == 0);
	const struct block_segment segment = { .memory = loan.id, .length = length };

	for (uint64_t round = 0; round < n_rounds; round++) {
		CHECK(helix_map(HEL_NULL, 0, LENT_BYTES, HEL_MAP_READ | HEL_MAP_WRITE, &witness) ==
			0);
		memset(loan.bytes, (int)round, length);
		block_op_init(&request, &disk, round % 4 == 3 ? BLOCK_WRITE : BLOCK_READ, MIB(4),
			&segment, 1);
		take_away(task, &loan, &request, round * 20000, witness);
		helix_unmap(witness, LENT_BYTES);
	}
	take_back(task, &loan);
	CHECK(transfer(task, BLOCK_READ, MIB(2), 0, KIB(16)) == 0);
	CHECK(is_filled(0, KIB(16), 8));
}
