/* SPDX-License-Identifier: MIT */
/*
 * Looking into other processes: ptrace and process_vm_readv. posix does it; what is behind the
 * pointers travels here.
 */
#include <abi/linux/kcmp.h>

#include "calls.h"

enum ptrace_request : uint16_t {
	PEEKTEXT = 1,
	PEEKDATA = 2,
	PEEKUSER = 3,
	GETREGS = 12,
	SETREGS = 13,
	GETFPREGS = 14,
	SETFPREGS = 15,
	GETEVENTMSG = 0x4201,
	GETSIGINFO = 0x4202,
	SETSIGINFO = 0x4203,
	GETREGSET = 0x4204,
	SETREGSET = 0x4205,
	PEEKSIGINFO = 0x4209,
	GETSIGMASK = 0x420a,
	SETSIGMASK = 0x420b,
	GET_SYSCALL_INFO = 0x420e,
};

/* Bytes that a request takes from, and puts to, its `data`. */
static const struct {
	enum ptrace_request request;
	uint16_t in, out;
} sizes[] = {
	{ PEEKTEXT, 0, 8 },
	{ PEEKDATA, 0, 8 },
	{ PEEKUSER, 0, 8 },
	{ GETREGS, 0, 216 },
	{ SETREGS, 216, 0 },
	{ GETFPREGS, 0, 512 },
	{ SETFPREGS, 512, 0 },
	{ GETEVENTMSG, 0, 8 },
	{ GETSIGINFO, 0, 128 },
	{ SETSIGINFO, 128, 0 },
	{ GETSIGMASK, 0, 8 },
	{ SETSIGMASK, 8, 0 },
};

constexpr uint64_t SIGINFO_SIZE = 128;
constexpr uint64_t SIGINFO_BATCH = POSIX_INLINE_MAX / SIGINFO_SIZE;
constexpr uint64_t SYSCALL_INFO_SIZE = 88;
constexpr uint64_t IOV_MAX_COUNT = 1024;
constexpr uint32_t NR_PROCESS_VM_READV = 310, NR_PROCESS_VM_WRITEV = 311;

struct iovec {
	uint64_t base, size;
};

/* ---- ptrace ---------------------------------------------------------------------------------- */

struct ptrace {
	uint64_t request, tid, address, data;
	uint64_t in, out; /* bytes at `data` */
};

static int64_t run(const struct ptrace *ptrace)
{
	struct shim_call call;

	shim_call_init(&call, POSIX_PTRACE);
	call.header.args[0] = ptrace->request;
	call.header.args[1] = ptrace->tid;
	call.header.args[2] = ptrace->address;
	call.header.args[3] = ptrace->data;
	call.header.args[4] = ptrace->out;
	if (!shim_is_user_range(ptrace->data, ptrace->in + ptrace->out) &&
		ptrace->in + ptrace->out > 0) {
		return -LINUX_EFAULT;
	}
	if (ptrace->in) {
		shim_call_in_user(&call, ptrace->data, ptrace->in);
	}
	if (ptrace->out) {
		shim_call_out_user(&call, ptrace->data, ptrace->out);
	}
	return shim_call_run(&call);
}

/* `data` is the address of an iovec, whose size becomes that of the set. */
static int64_t run_register_set(struct ptrace *ptrace)
{
	uint64_t address = ptrace->data;
	struct iovec vector;
	int64_t result;

	if (shim_get(&vector, address, sizeof(vector))) {
		return -LINUX_EFAULT;
	}
	if (vector.size > POSIX_INLINE_MAX) {
		vector.size = POSIX_INLINE_MAX / 64 * 64; /* a multiple of every set's unit */
	}
	ptrace->data = vector.base;
	if (ptrace->request == GETREGSET) {
		ptrace->out = vector.size;
	} else {
		ptrace->in = vector.size;
	}
	result = run(ptrace);
	if (result < 0) {
		return result;
	}
	vector.size = (uint64_t)result;
	return shim_put(address + offsetof(struct iovec, size), &vector.size, sizeof(vector.size));
}

/* `address` is that of what to look for; `data` takes as many as it says. */
static int64_t run_peek_siginfo(struct ptrace *ptrace)
{
	struct {
		uint64_t offset;
		uint32_t flags;
		int32_t count;
	} query;
	uint64_t n_done = 0;

	if (shim_get(&query, ptrace->address, sizeof(query))) {
		return -LINUX_EFAULT;
	}
	if ((query.flags & ~1u) || query.count < 0) {
		return -LINUX_EINVAL;
	}
	while (n_done < (uint64_t)query.count) {
		struct ptrace piece = *ptrace;
		uint64_t n = (uint64_t)query.count - n_done;
		int64_t result;

		if (n > SIGINFO_BATCH) {
			n = SIGINFO_BATCH;
		}
		piece.address = (query.offset + n_done) << 1 | (query.flags & 1);
		piece.data += n_done * SIGINFO_SIZE;
		piece.out = n * SIGINFO_SIZE;
		result = run(&piece);
		if (result < 0) {
			return n_done ? (int64_t)n_done : result;
		}
		n_done += (uint64_t)result;
		if ((uint64_t)result < n) {
			break;
		}
	}
	return (int64_t)n_done;
}

int64_t shim_ptrace(SHIM_ARGS)
{
	struct ptrace ptrace = { .request = a0, .tid = a1, .address = a2, .data = a3 };

	SHIM_UNUSED;
	switch (a0) {
	case GETREGSET:
	case SETREGSET: return run_register_set(&ptrace);
	case PEEKSIGINFO: return run_peek_siginfo(&ptrace);
	case GET_SYSCALL_INFO:
		ptrace.out = a2 < SYSCALL_INFO_SIZE ? a2 : SYSCALL_INFO_SIZE;
		return run(&ptrace);
	default: break;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (sizes[i].request == a0) {
			ptrace.in = sizes[i].in;
			ptrace.out = sizes[i].out;
		}
	}
	return run(&ptrace);
}

/* ---- process_vm_readv, process_vm_writev ----------------------------------------------------- */

/* The rest of a vector of the program's. */
struct cursor {
	uint64_t address, count; /* of what has not been looked at */
	struct iovec now;
};

/* Makes `now` a piece that has bytes; 1, 0: there is none, or -LINUX_EFAULT, -LINUX_EINVAL. */
static int advance(struct cursor *cursor)
{
	while (!cursor->now.size) {
		if (!cursor->count) {
			return 0;
		}
		if (shim_get(&cursor->now, cursor->address, sizeof(cursor->now))) {
			return -LINUX_EFAULT;
		}
		if (cursor->now.size > INT64_MAX) {
			return -LINUX_EINVAL;
		}
		cursor->address += sizeof(cursor->now);
		cursor->count--;
	}
	return 1;
}

static int64_t transfer(
	uint32_t number, uint64_t pid, uint64_t local, uint64_t size, uint64_t remote)
{
	struct shim_call call;

	if (!shim_is_user_range(local, size)) {
		return -LINUX_EFAULT;
	}
	shim_call_init(&call, number);
	call.header.args[0] = pid;
	call.header.args[1] = size;
	call.header.args[2] = size;
	call.header.args[3] = remote;
	if (number == NR_PROCESS_VM_WRITEV) {
		shim_call_in_user(&call, local, size);
	} else {
		call.bulk_out_address = local;
		call.bulk_out_size = size;
	}
	return shim_call_run(&call);
}

static int64_t transfer_all(
	uint32_t number, uint64_t pid, struct cursor *local, struct cursor *remote)
{
	uint64_t n_done = 0;

	for (;;) {
		int here = advance(local), there = here == 1 ? advance(remote) : 0;
		uint64_t size =
			local->now.size < remote->now.size ? local->now.size : remote->now.size;
		int64_t result;

		if (here != 1 || there != 1) {
			int error = here < 0 ? here : there;

			return n_done || error >= 0 ? (int64_t)n_done : error;
		}
		if (size > POSIX_BULK_MAX) {
			size = POSIX_BULK_MAX;
		}
		result = transfer(number, pid, local->now.base, size, remote->now.base);
		if (result < 0) {
			return n_done ? (int64_t)n_done : result;
		}
		n_done += (uint64_t)result;
		if ((uint64_t)result < size) {
			return (int64_t)n_done;
		}
		local->now.base += size;
		local->now.size -= size;
		remote->now.base += size;
		remote->now.size -= size;
	}
}

static int64_t process_vm(uint32_t number, const uint64_t args[6])
{
	struct cursor local = { .address = args[1], .count = args[2] };
	struct cursor remote = { .address = args[3], .count = args[4] };

	if (args[5] || args[2] > IOV_MAX_COUNT || args[4] > IOV_MAX_COUNT) {
		return -LINUX_EINVAL;
	}
	return transfer_all(number, args[0], &local, &remote);
}

int64_t shim_process_vm_readv(SHIM_ARGS)
{
	const uint64_t args[6] = { a0, a1, a2, a3, a4, a5 };

	SHIM_UNUSED;
	return process_vm(NR_PROCESS_VM_READV, args);
}

int64_t shim_process_vm_writev(SHIM_ARGS)
{
	const uint64_t args[6] = { a0, a1, a2, a3, a4, a5 };

	SHIM_UNUSED;
	return process_vm(NR_PROCESS_VM_WRITEV, args);
}

/* ---- kcmp ------------------------------------------------------------------------------------ */

int64_t shim_kcmp(SHIM_ARGS)
{
	struct linux_kcmp_epoll_slot slot;

	SHIM_UNUSED;
	if ((uint32_t)a2 != LINUX_KCMP_EPOLL_TFD) {
		return shim_request(POSIX_KCMP, a0, a1, a2, a3, a4, 0);
	}
	if (shim_get(&slot, a4, sizeof(slot))) {
		return -LINUX_EFAULT;
	}
	return shim_request(
		POSIX_KCMP, a0, a1, a2, a3, slot.epoll | (uint64_t)slot.fd << 32, slot.n);
}
