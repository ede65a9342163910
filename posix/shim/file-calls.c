/* SPDX-License-Identifier: MIT */
/* Calls on files whose older forms are special cases of newer ones, or that no row can describe. */
#include "calls.h"

constexpr uint64_t AT_FDCWD = (uint64_t)-100;
constexpr uint64_t AT_SYMLINK_NOFOLLOW = 0x100;
constexpr uint64_t AT_REMOVEDIR = 0x200;
constexpr uint64_t AT_EMPTY_PATH = 0x1000;
constexpr uint64_t O_CREAT_WRONLY_TRUNC = 01101;
constexpr uint32_t NR_LSEEK = 8, NR_OPENAT = 257, NR_MKDIRAT = 258, NR_MKNODAT = 259,
		   NR_FCHOWNAT = 260, NR_NEWFSTATAT = 262, NR_UNLINKAT = 263, NR_LINKAT = 265,
		   NR_SYMLINKAT = 266, NR_READLINKAT = 267, NR_FCHMODAT = 268, NR_EVENTFD2 = 290,
		   NR_INOTIFY_INIT1 = 294, NR_PIPE2 = 293, NR_RENAMEAT2 = 316, NR_FACCESSAT2 = 439,
		   NR_PRLIMIT64 = 302;
constexpr int64_t UTIME_OMIT = (1l << 30) - 2;

static int64_t forward(
	uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
	uint64_t args[6] = { a0, a1, a2, a3, a4, 0 };

	return shim_forward_as(number, args);
}

/* ---- older forms ----------------------------------------------------------------------------- */

int64_t shim_open(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_OPENAT, AT_FDCWD, a0, a1, a2, 0);
}

int64_t shim_creat(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_OPENAT, AT_FDCWD, a0, O_CREAT_WRONLY_TRUNC, a1, 0);
}

int64_t shim_stat(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_NEWFSTATAT, AT_FDCWD, a0, a1, 0, 0);
}

int64_t shim_lstat(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_NEWFSTATAT, AT_FDCWD, a0, a1, AT_SYMLINK_NOFOLLOW, 0);
}

int64_t shim_lseek(SHIM_ARGS)
{
	SHIM_UNUSED;
	if (shim_has_view(a0)) {
		int64_t result = shim_view_lseek(a0, (int64_t)a1, a2);

		if (result != SHIM_ASK) {
			return result;
		}
	}
	return forward(NR_LSEEK, a0, a1, a2, 0, 0);
}

int64_t shim_fstat(SHIM_ARGS)
{
	struct shim_call call;

	SHIM_UNUSED;
	if (shim_has_view(a0) && shim_view_fstat(a0, a1) == 0) {
		return 0;
	}
	shim_call_init(&call, NR_NEWFSTATAT);
	call.header.args[0] = a0;
	call.header.args[1] = 1;
	call.header.args[2] = 144;
	call.header.args[3] = AT_EMPTY_PATH;
	shim_call_in(&call, "", 1);
	if (!shim_is_user_range(a1, 144)) {
		return -LINUX_EFAULT;
	}
	shim_call_out_user(&call, a1, 144);
	return shim_call_run(&call);
}

/* What newer C libraries make of fstat(): an empty name. */
int64_t shim_newfstatat(SHIM_ARGS)
{
	char name;

	SHIM_UNUSED;
	if (a3 == AT_EMPTY_PATH && shim_has_view(a0) && !shim_get(&name, a1, 1) && !name &&
		shim_view_fstat(a0, a2) == 0) {
		return 0;
	}
	return forward(NR_NEWFSTATAT, a0, a1, a2, a3, 0);
}

int64_t shim_access(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_FACCESSAT2, AT_FDCWD, a0, a1, 0, 0);
}

int64_t shim_faccessat(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_FACCESSAT2, a0, a1, a2, 0, 0);
}

int64_t shim_pipe(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_PIPE2, a0, 0, 0, 0, 0);
}

int64_t shim_eventfd(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_EVENTFD2, a0, 0, 0, 0, 0);
}

int64_t shim_inotify_init(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_INOTIFY_INIT1, 0, 0, 0, 0, 0);
}

int64_t shim_rename(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_RENAMEAT2, AT_FDCWD, a0, AT_FDCWD, a1, 0);
}

int64_t shim_renameat(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_RENAMEAT2, a0, a1, a2, a3, 0);
}

int64_t shim_mkdir(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_MKDIRAT, AT_FDCWD, a0, a1, 0, 0);
}

int64_t shim_mknod(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_MKNODAT, AT_FDCWD, a0, a1, a2, 0);
}

int64_t shim_rmdir(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_UNLINKAT, AT_FDCWD, a0, AT_REMOVEDIR, 0, 0);
}

int64_t shim_unlink(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_UNLINKAT, AT_FDCWD, a0, 0, 0, 0);
}

int64_t shim_link(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_LINKAT, AT_FDCWD, a0, AT_FDCWD, a1, 0);
}

int64_t shim_symlink(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_SYMLINKAT, a0, AT_FDCWD, a1, 0, 0);
}

/* Programs give large buffers for short links: what comes with the reply is cheaper. */
int64_t shim_readlinkat(SHIM_ARGS)
{
	uint64_t room = (int32_t)a3 > 0 ? (uint32_t)a3 : 0;

	SHIM_UNUSED;
	if (room > POSIX_BULK_INLINE) {
		int64_t result = forward(NR_READLINKAT, a0, a1, a2, POSIX_BULK_INLINE, 0);

		if (result != POSIX_BULK_INLINE) {
			return result;
		}
	}
	return forward(NR_READLINKAT, a0, a1, a2, room, 0);
}

int64_t shim_readlink(SHIM_ARGS)
{
	SHIM_UNUSED;
	return shim_readlinkat(AT_FDCWD, a0, a1, a2, 0, 0, NR_READLINKAT);
}

int64_t shim_chmod(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_FCHMODAT, AT_FDCWD, a0, a1, 0, 0);
}

int64_t shim_chown(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_FCHOWNAT, AT_FDCWD, a0, a1, a2, 0);
}

int64_t shim_lchown(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_FCHOWNAT, AT_FDCWD, a0, a1, a2, AT_SYMLINK_NOFOLLOW);
}

int64_t shim_getrlimit(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_PRLIMIT64, 0, a0, 0, a1, 0);
}

int64_t shim_setrlimit(SHIM_ARGS)
{
	SHIM_UNUSED;
	return forward(NR_PRLIMIT64, 0, a0, a1, 0, 0);
}

int64_t shim_getdents(SHIM_ARGS)
{
	return shim_unknown(a0, a1, a2, a3, a4, a5, number);
}

int64_t shim_getcwd(SHIM_ARGS)
{
	struct shim_call call;

	SHIM_UNUSED;
	if (!shim_is_user_range(a0, a1)) {
		return -LINUX_EFAULT;
	}
	shim_call_init(&call, POSIX_GETCWD);
	call.header.args[0] = a1 < POSIX_INLINE_MAX ? a1 : POSIX_INLINE_MAX;
	call.header.args[1] = call.header.args[0];
	shim_call_out_user(&call, a0, call.header.args[0]);
	return shim_call_run(&call);
}

/* ---- times ----------------------------------------------------------------------------------- */

static int64_t set_times(uint64_t dirfd, uint64_t path, uint64_t flags, bool has_times,
	const struct linux_timespec times[2])
{
	struct shim_call call;

	shim_call_init(&call, POSIX_UTIMENSAT);
	call.header.args[0] = dirfd;
	call.header.args[1] = flags;
	call.header.args[2] = path != 0;
	call.header.args[3] = has_times;
	if (path) {
		int64_t size = shim_user_string_size(path, POSIX_PATH_MAX);

		if (size < 0) {
			return size;
		}
		shim_call_in_user(&call, path, (uint64_t)size);
	}
	if (has_times) {
		shim_call_in(&call, times, 2 * sizeof(times[0]));
	}
	return shim_call_run(&call);
}

int64_t shim_utimensat(SHIM_ARGS)
{
	struct linux_timespec times[2];

	SHIM_UNUSED;
	if (a2 && shim_get(times, a2, sizeof(times))) {
		return -LINUX_EFAULT;
	}
	if (a2 && times[0].nanoseconds == UTIME_OMIT && times[1].nanoseconds == UTIME_OMIT) {
		return 0; /* Linux does not even look for the file */
	}
	return set_times(a0, a1, a3, a2 != 0, times);
}

int64_t shim_utime(SHIM_ARGS)
{
	struct linux_timespec times[2] = {};
	int64_t seconds[2];

	SHIM_UNUSED;
	if (a1) {
		if (shim_get(seconds, a1, sizeof(seconds))) {
			return -LINUX_EFAULT;
		}
		times[0].seconds = seconds[0];
		times[1].seconds = seconds[1];
	}
	return set_times(AT_FDCWD, a0, 0, a1 != 0, times);
}

/* Microseconds, as utimes(), of a name in a folder. */
static int64_t set_times_us(uint64_t dirfd, uint64_t path, uint64_t address)
{
	struct linux_timespec times[2];

	if (address) {
		if (shim_get(times, address, sizeof(times))) {
			return -LINUX_EFAULT;
		}
		for (unsigned i = 0; i < 2; i++) {
			if (times[i].nanoseconds < 0 || times[i].nanoseconds >= 1000000) {
				return -LINUX_EINVAL;
			}
			times[i].nanoseconds *= 1000;
		}
	}
	return set_times(dirfd, path, 0, address != 0, times);
}

int64_t shim_utimes(SHIM_ARGS)
{
	SHIM_UNUSED;
	return set_times_us(AT_FDCWD, a0, a1);
}

int64_t shim_futimesat(SHIM_ARGS)
{
	SHIM_UNUSED;
	return set_times_us(a0, a1, a2);
}

/* ---- file handles ---------------------------------------------------------------------------- */

/* struct file_handle, in front of its bytes. */
struct handle_header {
	uint32_t n_bytes;
	int32_t type;
};

static int64_t put_handle(const struct posix_file_handle *handle, uint64_t address)
{
	const struct handle_header header = { handle->n_bytes, handle->type };
	struct handle_header room;

	if (shim_get(&room, address, sizeof(room))) {
		return -LINUX_EFAULT;
	}
	if (room.n_bytes > POSIX_FILE_HANDLE_MAX) {
		return -LINUX_EINVAL;
	}
	if (shim_put(address, &header, sizeof(header))) {
		return -LINUX_EFAULT;
	}
	if (room.n_bytes < header.n_bytes) {
		return -LINUX_EOVERFLOW;
	}
	return shim_put(address + sizeof(header), handle->bytes, handle->n_bytes);
}

int64_t shim_name_to_handle_at(SHIM_ARGS)
{
	struct posix_file_handle handle;
	struct shim_call call;
	int64_t size = shim_user_string_size(a1, POSIX_PATH_MAX);
	int64_t result;

	SHIM_UNUSED;
	if (size < 0) {
		return size;
	}
	shim_call_init(&call, POSIX_NAME_TO_HANDLE_AT);
	call.header.args[0] = a0;
	call.header.args[1] = a4;
	shim_call_in_user(&call, a1, (uint64_t)size);
	shim_call_out(&call, &handle, sizeof(handle));
	result = shim_call_run(&call);
	if (result < 0) {
		return result;
	}
	result = put_handle(&handle, a2);
	if ((result == 0 || result == -LINUX_EOVERFLOW) &&
		shim_put(a3, &handle.mount_id, sizeof(handle.mount_id))) {
		return -LINUX_EFAULT;
	}
	return result;
}

int64_t shim_open_by_handle_at(SHIM_ARGS)
{
	struct handle_header header;
	struct shim_call call;

	SHIM_UNUSED;
	if (shim_get(&header, a1, sizeof(header))) {
		return -LINUX_EFAULT;
	}
	if (header.n_bytes > POSIX_FILE_HANDLE_MAX) {
		header.n_bytes = 0; /* as wrong as that, and nothing to send */
	}
	shim_call_init(&call, POSIX_OPEN_BY_HANDLE_AT);
	call.header.args[0] = a0;
	call.header.args[1] = a2;
	call.header.args[2] = (uint64_t)(int64_t)header.type;
	shim_call_in_user(&call, a1 + sizeof(header), header.n_bytes);
	return shim_call_run(&call);
}

/* ---- mount ----------------------------------------------------------------------------------- */

int64_t shim_mount(SHIM_ARGS)
{
	const uint64_t strings[4] = { a0, a1, a2, a4 };
	struct shim_call call;

	SHIM_UNUSED;
	shim_call_init(&call, POSIX_MOUNT);
	call.header.args[0] = a3;
	for (unsigned i = 0; i < 4; i++) {
		int64_t size;

		if (!strings[i]) {
			shim_call_in(&call, "", 1);
			continue;
		}
		size = shim_user_string_size(strings[i], POSIX_PATH_MAX);
		if (size < 0) {
			return size;
		}
		shim_call_in_user(&call, strings[i], (uint64_t)size);
	}
	return shim_call_run(&call);
}

/* ---- fcntl, ioctl ---------------------------------------------------------------------------- */

static bool is_lock_command(uint64_t command)
{
	return (command >= 5 && command <= 7) || (command >= 36 && command <= 38);
}

int64_t shim_fcntl(SHIM_ARGS)
{
	constexpr uint64_t SIZE_FLOCK = 32;
	struct shim_call call;

	SHIM_UNUSED;
	shim_call_init(&call, POSIX_FCNTL);
	call.header.args[0] = a0;
	call.header.args[1] = a1;
	call.header.args[2] = a2;
	if (is_lock_command(a1)) {
		if (!shim_is_user_range(a2, SIZE_FLOCK)) {
			return -LINUX_EFAULT;
		}
		call.header.args[2] = SIZE_FLOCK;
		shim_call_in_user(&call, a2, SIZE_FLOCK);
		if (a1 == 5 || a1 == 36) {
			shim_call_out_user(&call, a2, SIZE_FLOCK);
		}
	}
	return shim_call_run(&call);
}

struct ioctl_row {
	uint32_t command;
	/* bytes that go in, that come out; both 0: the value itself is the argument */
	uint16_t in, out;
};

/*
 * The requests of terminals, interfaces and disks predate the encoding of size and direction in the
 * number, or have a wrong one.
 */
static const struct ioctl_row ioctl_rows[] = {
	{ 0x301, 0, 16 }, /* HDIO_GETGEO */
	{ 0x125d, 4, 0 }, /* BLKROSET */
	{ 0x125e, 0, 4 }, /* BLKROGET */
	{ 0x1260, 0, 8 }, /* BLKGETSIZE */
	{ 0x1263, 0, 8 }, /* BLKRAGET */
	{ 0x1265, 0, 8 }, /* BLKFRAGET */
	{ 0x1267, 0, 2 }, /* BLKSECTGET */
	{ 0x1268, 0, 4 }, /* BLKSSZGET */
	{ 0x1269, 24, 0 }, /* BLKPG */
	{ 0x1277, 16, 0 }, /* BLKDISCARD */
	{ 0x1278, 0, 4 }, /* BLKIOMIN */
	{ 0x1279, 0, 4 }, /* BLKIOOPT */
	{ 0x127a, 0, 4 }, /* BLKALIGNOFF */
	{ 0x127b, 0, 4 }, /* BLKPBSZGET */
	{ 0x127c, 0, 4 }, /* BLKDISCARDZEROES */
	{ 0x127d, 16, 0 }, /* BLKSECDISCARD */
	{ 0x127e, 0, 2 }, /* BLKROTATIONAL */
	{ 0x127f, 16, 0 }, /* BLKZEROOUT */
	{ 0x40081271, 4, 0 }, /* BLKBSZSET */
	{ 0x80081270, 0, 4 }, /* BLKBSZGET */
	{ 0x4c04, 232, 0 }, /* LOOP_SET_STATUS64 */
	{ 0x4c05, 0, 232 }, /* LOOP_GET_STATUS64 */
	{ 0x4c0a, 304, 0 }, /* LOOP_CONFIGURE */
	{ 0x5401, 0, 36 }, /* TCGETS */
	{ 0x5402, 36, 0 }, /* TCSETS */
	{ 0x5403, 36, 0 }, /* TCSETSW */
	{ 0x5404, 36, 0 }, /* TCSETSF */
	{ 0x5405, 0, 18 }, /* TCGETA */
	{ 0x5406, 18, 0 }, /* TCSETA */
	{ 0x5407, 18, 0 }, /* TCSETAW */
	{ 0x5408, 18, 0 }, /* TCSETAF */
	{ 0x540f, 0, 4 }, /* TIOCGPGRP */
	{ 0x5410, 4, 0 }, /* TIOCSPGRP */
	{ 0x5411, 0, 4 }, /* TIOCOUTQ */
	{ 0x5412, 1, 0 }, /* TIOCSTI */
	{ 0x5413, 0, 8 }, /* TIOCGWINSZ */
	{ 0x5414, 8, 0 }, /* TIOCSWINSZ */
	{ 0x5415, 0, 4 }, /* TIOCMGET */
	{ 0x541b, 0, 4 }, /* FIONREAD */
	{ 0x5420, 4, 0 }, /* TIOCPKT */
	{ 0x5421, 4, 0 }, /* FIONBIO */
	{ 0x5423, 4, 0 }, /* TIOCSETD */
	{ 0x5424, 0, 4 }, /* TIOCGETD */
	{ 0x5429, 0, 4 }, /* TIOCGSID */
	{ 0x5452, 4, 0 }, /* FIOASYNC */
	{ 0x5456, 0, 36 }, /* TIOCGLCKTRMIOS */
	{ 0x5457, 36, 0 }, /* TIOCSLCKTRMIOS */
	{ 0x8905, 0, 4 }, /* SIOCATMARK */
	{ 0x8910, 40, 40 }, /* SIOCGIFNAME */
	{ 0x8913, 40, 40 }, /* SIOCGIFFLAGS */
	{ 0x8914, 40, 0 }, /* SIOCSIFFLAGS */
	{ 0x8915, 40, 40 }, /* SIOCGIFADDR */
	{ 0x8917, 40, 40 }, /* SIOCGIFDSTADDR */
	{ 0x8919, 40, 40 }, /* SIOCGIFBRDADDR */
	{ 0x891b, 40, 40 }, /* SIOCGIFNETMASK */
	{ 0x891d, 40, 40 }, /* SIOCGIFMETRIC */
	{ 0x8921, 40, 40 }, /* SIOCGIFMTU */
	{ 0x8927, 40, 40 }, /* SIOCGIFHWADDR */
	{ 0x8933, 40, 40 }, /* SIOCGIFINDEX */
	{ 0x8942, 40, 40 }, /* SIOCGIFTXQLEN */
	{ 0x8970, 40, 40 }, /* SIOCGIFMAP */
	{ 0x80086601, 0, 4 }, /* FS_IOC_GETFLAGS */
	{ 0x40086602, 4, 0 }, /* FS_IOC_SETFLAGS */
	{ 0x80087601, 0, 4 }, /* FS_IOC_GETVERSION */
};

/* Bits 31-30 of a modern number: 1 the program gives, 2 the program takes; bits 29-16: the size. */
static void ioctl_sizes(uint32_t command, uint64_t *out_in, uint64_t *out_out)
{
	uint64_t size = command >> 16 & 0x3fff;

	*out_in = 0;
	*out_out = 0;
	for (size_t i = 0; i < ARRAY_SIZE(ioctl_rows); i++) {
		if (ioctl_rows[i].command == command) {
			*out_in = ioctl_rows[i].in;
			*out_out = ioctl_rows[i].out;
			return;
		}
	}
	*out_in = command & 1u << 30 ? size : 0;
	*out_out = command & 1u << 31 ? size : 0;
}

constexpr uint32_t SIOCGIFCONF = 0x8912;
constexpr uint64_t SIZE_IFREQ = 40;

/*
 * SIOCGIFCONF: a buffer and its size, which becomes that of what is in it; without a buffer, that
 * of what would be. posix says it of all interfaces, and as many as there is room for are told.
 */
static int64_t list_interfaces(uint64_t fd, uint64_t address)
{
	struct {
		int32_t size, padding;
		uint64_t buffer;
	} list;
	uint8_t all[6 * SIZE_IFREQ];
	struct shim_call call;

	if (shim_get(&list, address, sizeof(list))) {
		return -LINUX_EFAULT;
	}
	shim_call_init(&call, POSIX_IOCTL);
	call.header.args[0] = fd;
	call.header.args[1] = SIOCGIFCONF;
	call.header.args[2] = sizeof(all);
	call.header.args[4] = sizeof(all);
	shim_call_out(&call, all, sizeof(all));
	int64_t n = shim_call_run(&call);

	if (n < 0) {
		return n;
	}
	if (list.buffer) {
		int64_t room = list.size < 0 ? 0 : list.size;

		room -= room % (int64_t)SIZE_IFREQ;
		n = n < room ? n : room;
	}
	list.size = (int32_t)n;
	return (list.buffer && shim_put(list.buffer, all, (uint64_t)n)) ||
			shim_put(address, &list.size, sizeof(list.size))
		? -LINUX_EFAULT
		: 0;
}

constexpr uint32_t FIEMAP = 0xc020660b;
constexpr uint32_t FIEMAP_FLAG_SYNC = 1, FIEMAP_EXTENT_LAST = 1;
constexpr uint32_t FIEMAP_PIECE = 4; /* extents of one request */

struct fiemap_head {
	uint64_t start, length;
	uint32_t flags, n_mapped, n_extents, reserved;
};

struct fiemap_extent {
	uint64_t logical, physical, length, reserved64[2];
	uint32_t flags, reserved[3];
};

struct fiemap_piece {
	struct fiemap_head head;
	struct fiemap_extent extents[FIEMAP_PIECE];
};

static int64_t map_piece(uint64_t fd, struct fiemap_piece *piece)
{
	struct shim_call call;

	shim_call_init(&call, POSIX_IOCTL);
	call.header.args[0] = fd;
	call.header.args[1] = FIEMAP;
	call.header.args[2] = sizeof(*piece);
	call.header.args[3] = sizeof(piece->head);
	call.header.args[4] = sizeof(*piece);
	shim_call_in(&call, &piece->head, sizeof(piece->head));
	shim_call_out(&call, piece, sizeof(*piece));
	return shim_call_run(&call);
}

/* FIEMAP: extents of a file, as many as the program has room for, in pieces. */
static int64_t map_file(uint64_t fd, uint64_t address)
{
	struct fiemap_head head;
	struct fiemap_piece piece;
	bool is_counting, is_last = false;

	if (shim_get(&head, address, sizeof(head))) {
		return -LINUX_EFAULT;
	}
	is_counting = !head.n_extents;
	head.n_mapped = 0;
	piece.head = head;
	do {
		uint32_t left = head.n_extents - head.n_mapped;

		piece.head.n_extents = left < FIEMAP_PIECE ? left : FIEMAP_PIECE;
		int64_t result = map_piece(fd, &piece);

		if (result < 0) {
			return result;
		}
		uint32_t n = piece.head.n_mapped;

		if (is_counting || !n || n > piece.head.n_extents) {
			head.n_mapped += is_counting ? n : 0;
			break;
		}
		if (shim_put(address + sizeof(head) + head.n_mapped * sizeof(piece.extents[0]),
			    piece.extents, n * sizeof(piece.extents[0]))) {
			return -LINUX_EFAULT;
		}
		uint64_t next = piece.extents[n - 1].logical + piece.extents[n - 1].length;

		head.n_mapped += n;
		is_last = piece.extents[n - 1].flags & FIEMAP_EXTENT_LAST ||
			next - head.start >= head.length;
		piece.head.start = next;
		piece.head.length = head.length - (next - head.start);
		piece.head.flags &= ~FIEMAP_FLAG_SYNC;
	} while (!is_last && head.n_mapped < head.n_extents);
	return shim_put(address, &head, sizeof(head)) ? -LINUX_EFAULT : 0;
}

int64_t shim_ioctl(SHIM_ARGS)
{
	struct shim_call call;
	uint64_t in, out, size;

	SHIM_UNUSED;
	if ((uint32_t)a1 == SIOCGIFCONF) {
		return list_interfaces(a0, a2);
	}
	if ((uint32_t)a1 == FIEMAP) {
		return map_file(a0, a2);
	}
	ioctl_sizes((uint32_t)a1, &in, &out);
	size = in > out ? in : out;
	if (size > POSIX_IOCTL_MAX) {
		return -LINUX_ENOTTY;
	}
	shim_call_init(&call, POSIX_IOCTL);
	call.header.args[0] = a0;
	call.header.args[1] = (uint32_t)a1;
	call.header.args[2] = size ? size : a2;
	call.header.args[3] = in;
	call.header.args[4] = out;
	if (size && !shim_is_user_range(a2, size)) {
		/* An unknown request is ENOTTY before the pointer matters. */
		call.header.null_mask = 1;
		in = out = 0;
		call.header.args[3] = call.header.args[4] = 0;
	}
	if (in) {
		shim_call_in_user(&call, a2, in);
	}
	if (out) {
		shim_call_out_user(&call, a2, out);
	}
	return shim_call_run(&call);
}
