/* SPDX-License-Identifier: MIT */
/*
 * Loans of direct transfers: which ranges they are of, and how the server gets them; see
 * direct-loans.h.
 *
 * A loan allows nothing that the process could not have by read() and write() on its descriptor: it
 * is about the process' own memory, as that is mapped when the disk gets at it. So it does not
 * matter what the process says of its addresses.
 *
 * What they cost is bounded: one call of the server each, LOANS_MAX of a direct view. Who uses
 * other memory all the time has his bytes copied after that.
 */
#include <base/assert.h>
#include <posix/server/fs/direct-loans.h>
#include <posix/server/fs/disk-internal.h>

constexpr uint32_t LOANS_MAX = 64; /* tried of one direct view, ever */
/* What is so close together is lent together: buffers of an allocator have gaps. */
constexpr uint64_t GAP_MAX = KIB(64);

static_assert(FS_DIRECT_LOANS > 0 && (UINT32_MAX + UINT64_C(1)) % FS_DIRECT_LOANS == 0);

void direct_loans_begin(struct direct_loans *loans, struct fs_direct *shared)
{
	*loans = (struct direct_loans){ .shared = shared };
	atomic_store(&shared->gives_loans, 1);
}

static void loans_end(struct direct_loans *loans)
{
	loans->has_ended = true;
	atomic_store(&loans->shared->gives_loans, 0);
}

/* ---- which ----------------------------------------------------------------------------------- */

static bool has_loan(const struct direct_loans *loans, const struct direct_loan *range)
{
	for (uint32_t i = 0; i < FS_DIRECT_LOANS; i++) {
		const struct direct_loan *given = &loans->given[i];

		if (given->number != 0 && given->start <= range->start &&
			range->end <= given->end) {
			return true;
		}
	}
	return false;
}

/* Makes @range one with a loan if that is near; whether it is, and may be so long. */
static bool join(const struct direct_loan *given, struct direct_loan *range)
{
	uint64_t start = min_u64(given->start, range->start);
	uint64_t end = max_u64(given->end, range->end);

	if (given->number == 0 || range->start > given->end + GAP_MAX ||
		given->start > range->end + GAP_MAX || end - start > POSIX_LOAN_MAX) {
		return false;
	}
	range->start = start;
	range->end = end;
	return true;
}

/* Where the loan goes: in place of the one that it is joined with, or of each in turn. */
static uint32_t choose_place(struct direct_loans *loans, struct direct_loan *range)
{
	for (uint32_t i = 0; i < FS_DIRECT_LOANS; i++) {
		if (join(&loans->given[i], range)) {
			return i;
		}
	}
	return loans->next_place++ % FS_DIRECT_LOANS;
}

static uint32_t next_number(struct direct_loans *loans, uint32_t place)
{
	uint32_t number = loans->last_number + 1;

	number += (place - number) % FS_DIRECT_LOANS;
	ASSERT(number > loans->last_number);
	loans->last_number = number;
	return number;
}

bool direct_loans_want(struct direct_loans *loans, uint64_t address, uint64_t size)
{
	if (loans->shared == NULL || loans->has_ended || direct_loans_are_wanted(loans) ||
		size < FS_DIRECT_LOAN_MIN || address < HEL_PAGE_SIZE ||
		address >= POSIX_SHIM_REGION) {
		return false;
	}
	size = min_u64(min_u64(size, POSIX_LOAN_MAX), POSIX_SHIM_REGION - address);
	struct direct_loan range = {
		.start = align_down(address, HEL_PAGE_SIZE),
		.end = align_up(address + size, HEL_PAGE_SIZE),
	};

	if (has_loan(loans, &range)) {
		return false;
	}
	uint32_t place = choose_place(loans, &range);

	range.number = next_number(loans, place);
	loans->given[place].number = 0;
	atomic_store(&loans->shared->loans[place].number, 0);
	loans->wanted = range;
	return true;
}

void direct_loans_forget(struct direct_loans *loans)
{
	loans->wanted.number = 0;
}

/* ---- the server ------------------------------------------------------------------------------ */

static int64_t call_lend(const struct direct_lender *lender, uint32_t number, hel_handle memory)
{
	struct fs_lend_direct_request request;
	struct fs_lend_direct_reply reply;
	struct disk_call call;
	int64_t error = disk_call_begin(&call, lender->disk);

	if (error < 0) {
		return error;
	}
	/* room for one is always there */
	bool has_room = bragi_handles_add(&call.exchange.to_send, memory);

	ASSERT(has_room);
	fs_lend_direct_request_init(&request);
	request.id = lender->id;
	request.number = number;
	return disk_call_end(
		&call, fs_session_lend_direct(call.task, DISK_CLIENT(&call), &request, &reply));
}

/* What the server has the process may use. */
static void loan_show(struct direct_loans *loans, const struct direct_loan *loan)
{
	uint32_t place = loan->number % FS_DIRECT_LOANS;
	struct fs_direct_loan *shown = &loans->shared->loans[place];

	loans->given[place] = *loan;
	shown->address = loan->start;
	shown->size_bytes = loan->end - loan->start;
	atomic_store_explicit(&shown->number, loan->number, memory_order_release);
}

void direct_loans_give(struct direct_loans *loans, const struct direct_lender *lender)
{
	const struct direct_loan loan = loans->wanted;
	hel_handle memory;
	int64_t error = hel_space_lend(lender->space, loan.start, loan.end - loan.start, &memory);

	bool is_refused = false;

	if (error == 0) { /* else there is no memory for it just now */
		error = call_lend(lender, loan.number, memory);
		is_refused = error != 0;
		hel_close(HEL_THIS, memory);
	}
	if (error == 0) {
		loan_show(loans, &loan);
	}
	if (is_refused || ++loans->n_tried >= LOANS_MAX) {
		loans_end(loans);
	}
	direct_loans_forget(loans);
}
