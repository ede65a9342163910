/* SPDX-License-Identifier: MIT */
/*
 * Messages of 9P2000.L as bytes: what is written to the host, and what is read of it.
 *
 * A message is size[4] type[1] tag[2] and then its members: little-endian integers, strings as
 * length[2] and the bytes. Writers and readers have sticky errors, so a message is a straight list
 * of members, and the end tells. What the host says is data: nothing here believes a length.
 *
 * The readers work on a copy that the host does not reach any more.
 */
#ifndef NINEP_WIRE_H
#define NINEP_WIRE_H

#include <base/types.h>

#define WIRE_HEADER_BYTES 7
#define WIRE_ERROR_BYTES  11 /* of Rlerror, and of Rread and Rreaddir before their data */
#define WIRE_NAME_MAX     255
#define WIRE_ERRNO_MAX    133
#define WIRE_NO_TAG       0xffff /* of VERSION */

/* Types of requests; that of the reply is one more. */
enum wire_type : uint8_t {
	WIRE_LERROR = 6,
	WIRE_STATFS = 8,
	WIRE_LOPEN = 12,
	WIRE_LCREATE = 14,
	WIRE_SYMLINK = 16,
	WIRE_MKNOD = 18,
	WIRE_READLINK = 22,
	WIRE_GETATTR = 24,
	WIRE_SETATTR = 26,
	WIRE_XATTRWALK = 30,
	WIRE_XATTRCREATE = 32,
	WIRE_READDIR = 40,
	WIRE_FSYNC = 50,
	WIRE_LINK = 70,
	WIRE_MKDIR = 72,
	WIRE_RENAMEAT = 74,
	WIRE_UNLINKAT = 76,
	WIRE_VERSION = 100,
	WIRE_ATTACH = 104,
	WIRE_WALK = 110,
	WIRE_READ = 116,
	WIRE_WRITE = 118,
	WIRE_CLUNK = 120,
};

/* Of SETATTR. */
enum wire_set : uint32_t {
	WIRE_SET_MODE = 0x1,
	WIRE_SET_UID = 0x2,
	WIRE_SET_GID = 0x4,
	WIRE_SET_SIZE = 0x8,
	WIRE_SET_ATIME = 0x10,
	WIRE_SET_MTIME = 0x20,
	WIRE_SET_ATIME_TO = 0x80, /* else to now */
	WIRE_SET_MTIME_TO = 0x100,
};

#define WIRE_GETATTR_BASIC UINT64_C(0x7ff) /* what stat() tells */

/* Flags of opening, as Linux has them on x86. */
enum wire_open : uint32_t {
	WIRE_RDONLY = 0,
	WIRE_WRONLY = 1,
	WIRE_RDWR = 2,
	WIRE_CREAT = 0100,
	WIRE_EXCL = 0200,
	WIRE_LARGEFILE = 0100000,
	WIRE_DIRECTORY = 0200000,
	WIRE_NOFOLLOW = 0400000,
};

#define WIRE_REMOVEDIR 0x200 /* of UNLINKAT */

struct wire_writer {
	uint8_t *bytes;
	size_t size, used;
	bool is_full; /* something did not fit */
};

struct wire_reader {
	const uint8_t *bytes;
	size_t size, at;
	bool is_short; /* something was not there, or made no sense */
};

struct wire_text {
	const char *text; /* not terminated, borrowed */
	size_t length;
};

struct wire_qid {
	uint8_t type;
	uint32_t version;
	uint64_t path;
};

struct wire_time {
	uint64_t seconds;
	uint32_t nanoseconds; /* less than a second */
};

struct wire_attributes {
	struct wire_qid qid;
	uint32_t mode, uid, gid;
	uint64_t n_links, device, size, n_sectors;
	struct wire_time atime, mtime, ctime;
};

struct wire_statistics {
	uint32_t type, block_bytes;
	uint64_t n_blocks, n_free, n_available, n_files, n_files_free, id;
	uint32_t name_max;
};

struct wire_entry {
	struct wire_qid qid;
	uint64_t cookie; /* to go on behind it */
	uint8_t type; /* DT_... */
	struct wire_text name; /* no slash, no zero, not empty */
};

/* ---- writing --------------------------------------------------------------------------------- */

/** wire_begin() - a message of that type; its size is put in by wire_end() */
void wire_begin(struct wire_writer *writer, void *bytes, size_t size, uint8_t type, uint16_t tag);

void wire_put_u16(struct wire_writer *writer, uint16_t value);
void wire_put_u32(struct wire_writer *writer, uint32_t value);
void wire_put_u64(struct wire_writer *writer, uint64_t value);
void wire_put_text(struct wire_writer *writer, const char *text, size_t length);

/**
 * wire_end() - the message is complete but for @n_data bytes that come from elsewhere
 *
 * Return: 0, -ERR_NO_SPACE: it did not fit.
 */
MUST_USE int wire_end(struct wire_writer *writer, size_t n_data);

/* ---- reading --------------------------------------------------------------------------------- */

uint8_t wire_get_u8(struct wire_reader *reader);
uint16_t wire_get_u16(struct wire_reader *reader);
uint32_t wire_get_u32(struct wire_reader *reader);
uint64_t wire_get_u64(struct wire_reader *reader);
struct wire_text wire_get_text(struct wire_reader *reader);
struct wire_qid wire_get_qid(struct wire_reader *reader);

/**
 * wire_open() - look at a reply's header
 * @bytes: of the reply, @size are there
 * @type: of the request
 * @out_reader: stands behind the header
 *
 * Return: 0; the positive errno of Linux that the host has answered with; -ERR_PROTOCOL.
 */
MUST_USE int wire_open(
	const void *bytes, size_t size, uint8_t type, uint16_t tag, struct wire_reader *out_reader);

/*
 * The members of a reply: 0, -ERR_PROTOCOL. Bytes behind them are nobody's business.
 */
MUST_USE int wire_read_attributes(
	struct wire_reader *reader, struct wire_attributes *out_attributes);
MUST_USE int wire_read_statistics(
	struct wire_reader *reader, struct wire_statistics *out_statistics);

/** wire_read_count() - of Rread, Rreaddir, Rwrite: not more than @max */
MUST_USE int wire_read_count(struct wire_reader *reader, uint32_t max, uint32_t *out_count);

/** wire_read_version() - 0 with the size of messages, -ERR_UNSUPPORTED: another version */
MUST_USE int wire_read_version(struct wire_reader *reader, uint32_t *out_message_bytes);

/**
 * wire_read_entry() - the next entry of a listing
 *
 * Return: 1: there is one; 0: the end; -ERR_PROTOCOL.
 */
MUST_USE int wire_read_entry(struct wire_reader *reader, struct wire_entry *out_entry);

/**
 * wire_translate() - all entries of a listing, as a read_directory_reply of fs.bragi has them
 * @size: room; the bytes of the listing are enough
 * @in_out_cookie: of the last entry, if there is any
 *
 * Return: 0, -ERR_PROTOCOL.
 */
MUST_USE int wire_translate(struct wire_reader *reader, uint8_t *entries, size_t size,
	size_t *out_used, uint64_t *in_out_cookie);

#endif
