/* SPDX-License-Identifier: MIT */
/*
 * The file side of posix on the host: calls of processes that exist only here, through the real
 * dispatcher.
 *
 *	begin();                                   a fresh tree, and `root`, a superuser
 *	CHECK_EQ(call_mkdir(root, "/d", 0755), 0);
 *	struct user *other = user_create(1000);    another process
 *	start(other, ...); ... CHECK(is_parked(other)); ... fake_run_loop();
 *	CHECK_EQ(result_of(other), 5);
 *	end();                                     everything is given back: nothing may leak
 *
 * Memory objects are files of the host, so several mappings of one see the same bytes, as with
 * thor.
 */
#ifndef POSIX_TESTS_FILES_H
#define POSIX_TESTS_FILES_H

#include <abi/linux/errno.h>
#include <abi/linux/fcntl.h>
#include <abi/linux/poll.h>
#include <abi/linux/signal.h>
#include <abi/linux/stat.h>
#include <base/testing.h>
#include <posix/server/process/process-internal.h>
#include <posix/server/tests/fakes.h>
#include <posix/server/tests/files-machine.h>
#include <posix/server/vfs/vfs.h>

struct user {
	struct process process;
	struct process_internal process_internal;
	struct thread thread;
	struct thread_internal thread_internal;
	struct posix_thread_page thread_page;
	struct request request;
	struct request_internal request_internal;
	struct process_group group;
	struct session session;
	struct mm mm;
	struct posix_process_page page;
	bool has_result;
	int64_t result;
	size_t reply_size;
	alignas(8) uint8_t reply[POSIX_BULK_MAX];
	uint64_t signals;         /* bit n: signal n was sent to it or its group */
	uint64_t ignored_signals; /* bit n: signal n is ignored or blocked */
	int precedence; /* of its thread where several wait */
	bool is_orphaned;
	struct user *next;
};

extern struct user *root;
/** case_root - where the tree of the case begins */
extern struct path case_root;
/** users_free() - end all processes */
void users_free(void);

/** begin() - a new tree with proc, sys and dev, and the process `root` */
void begin(void);
/** begin_with() - the same with an archive to unpack */
void begin_with(const void *archive, size_t size);
/** end() - free all; fails the case if anything is left */
#define end() \
	do { \
		end_case(); \
		CHECK_EQ(fake_n_blocks, n_blocks_before); \
		CHECK_EQ(fake_n_memories, n_memories_before); \
		CHECK_EQ(fake_n_mappings, n_mappings_before); \
	} while (0)
void end_case(void);
extern size_t n_blocks_before, n_memories_before, n_mappings_before;

/** user_create() - a process of that user and group, in the root directory, without descriptors */
struct user *user_create(uint32_t id);
/** user_fork() - a process with copies of @parent's descriptors */
struct user *user_fork(struct user *parent);
/** fake_n_awaited - users that have exited, and have transfers that the disk has to end yet */
extern uint32_t fake_n_awaited;
/** user_exit() - give back everything it has, as a process does that ends */
void user_exit(struct user *user);

/* One argument of a call. */
struct argument_value {
	enum { ARG_VALUE, ARG_PATH, ARG_IN, ARG_OUT, ARG_BULK_OUT } kind;
	uint64_t value; /* or a size */
	const void *data;
};

#define V(value_)             { ARG_VALUE, (uint64_t)(value_), NULL }
#define P(path_)              { ARG_PATH, strlen(path_) + 1, (path_) }
#define IN_DATA(data_, size_) { ARG_IN, (size_), (data_) }
#define OUT_DATA(size_)       { ARG_OUT, (size_), NULL }

/** start() - begin a call; it may have a result at once, or be parked */
void start_call(struct user *user, uint32_t number, uint32_t flags,
	const struct argument_value *arguments, size_t n_arguments);
#define start(user, number, ...) \
	start_call(user, number, 0, (const struct argument_value[]){ __VA_ARGS__ }, \
		sizeof((const struct argument_value[]){ __VA_ARGS__ }) / \
			sizeof(struct argument_value))

/** start_raw() - begin a request that is no Linux call: six values and a payload */
void start_raw(struct user *user, uint32_t number, const uint64_t *values, const void *payload,
	size_t size);

/** start_message() - begin what a message asks for, which may be anything; sets header->in_size */
void start_message(
	struct user *user, struct posix_request *header, const uint8_t *payload, size_t size);

bool is_parked(const struct user *user);
/** result_of() - the answer of the last call, which must have one */
int64_t result_of(struct user *user);
/** interrupt() - a signal comes: a parked call ends */
void interrupt(struct user *user);
/** answer_of() - the answer of the last call, which is interrupted if it would wait */
int64_t answer_of(struct user *user);

/* ---- the usual calls; all give the result -------------------------------------------------- */

int64_t call_open(struct user *user, const char *path, uint32_t flags, uint32_t mode);
int64_t call_close(struct user *user, int64_t fd);
int64_t call_listen(struct user *user, int64_t fd, uint32_t backlog); /* never waits */
int64_t call_accept(struct user *user, int64_t fd);                   /* likewise */
int64_t call_read(struct user *user, int64_t fd, void *buffer, size_t size);
int64_t call_write(struct user *user, int64_t fd, const void *data, size_t size);
int64_t call_pread(struct user *user, int64_t fd, void *buffer, size_t size, uint64_t offset);
int64_t call_pwrite(struct user *user, int64_t fd, const void *data, size_t size, uint64_t offset);
int64_t call_lseek(struct user *user, int64_t fd, int64_t offset, int whence);
int64_t call_pipe(struct user *user, int32_t *out_fds, uint32_t flags);
int64_t call_mkdir(struct user *user, const char *path, uint32_t mode);
int64_t call_unlink(struct user *user, const char *path);
int64_t call_rmdir(struct user *user, const char *path);
int64_t call_rename(struct user *user, const char *from, const char *to, uint32_t flags);
int64_t call_link(struct user *user, const char *from, const char *to);
int64_t call_symlink(struct user *user, const char *target, const char *path);
int64_t call_readlink(struct user *user, const char *path, char *buffer, size_t size);
int64_t call_stat(struct user *user, const char *path, struct linux_stat *out_stat);
int64_t call_lstat(struct user *user, const char *path, struct linux_stat *out_stat);
int64_t call_fstat(struct user *user, int64_t fd, struct linux_stat *out_stat);
int64_t call_chmod(struct user *user, const char *path, uint32_t mode);
int64_t call_chown(struct user *user, const char *path, uint32_t uid, uint32_t gid);
int64_t call_chdir(struct user *user, const char *path);
int64_t call_getcwd(struct user *user, char *buffer, size_t size);
int64_t call_access(struct user *user, const char *path, uint32_t access);
int64_t call_fcntl(struct user *user, int64_t fd, uint32_t command, uint64_t value);
int64_t call_lock(struct user *user, int64_t fd, uint32_t command, struct linux_flock *flock);
int64_t call_poll(struct user *user, struct linux_pollfd *fds, size_t n_fds, uint64_t timeout_ns);
int64_t call_ioctl(struct user *user, int64_t fd, uint32_t command, uint64_t value, void *buffer,
	size_t in_size, size_t out_size);
void start_mount(struct user *user, const char *source, const char *target, const char *type,
	const char *options, uint64_t flags);
int64_t call_mount(struct user *user, const char *source, const char *target, const char *type,
	const char *options, uint64_t flags);

/** write_file() - make a file with a text */
void write_file(struct user *user, const char *path, const char *text);
/** file_text() - the contents of a file, or "?" */
const char *file_text(struct user *user, const char *path);
/** list() - the names in a directory but . and .., each followed by a blank */
const char *list(struct user *user, const char *path);

#endif
