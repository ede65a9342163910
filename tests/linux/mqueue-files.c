/* SPDX-License-Identifier: MIT */
/* POSIX message queues: names, the file system that has them, and limits. */
#include "mqueue.h"

#include <dirent.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/vfs.h>

#define MQUEUE_MAGIC 0x19800202

/* What RLIMIT_MSGQUEUE counts of a queue. */
static unsigned long charge_of(unsigned long n_messages_max, unsigned long size_max)
{
	return n_messages_max * (48 + 48 + size_max);
}

static long raw_open(const char *name, int flags)
{
	return syscall(SYS_mq_open, name, flags, 0600, NULL);
}

/* ---- names ----------------------------------------------------------------------------------- */

CASE(names_find_queues_until_they_are_removed)
{
	own_queues();
	CHECK_ERRNO(mq_open("/one", O_RDWR), ENOENT);
	CHECK_ERRNO(mq_unlink("/one"), ENOENT);
	mqd_t queue = mq_open("/one", O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
	mqd_t same = mq_open("/one", O_RDWR | O_CREAT, 0600, NULL);

	CHECK(queue >= 0 && same >= 0);
	CHECK_ERRNO(mq_open("/one", O_RDWR | O_CREAT | O_EXCL, 0600, NULL), EEXIST);
	put(queue, "old", 1);
	CHECK_EQ(n_messages(same), 1);
	CHECK_EQ(mq_unlink("/one"), 0);
	CHECK_ERRNO(mq_unlink("/one"), ENOENT);
	/* it lives on beside a new one */
	mqd_t new = mq_open("/one", O_RDWR | O_CREAT | O_EXCL, 0600, NULL);

	CHECK(new >= 0 && n_messages(new) == 0 && n_messages(same) == 1);
	CHECK_EQ(mq_unlink("/one"), 0);
	CHECK_GET(same, "old", 1);
}

/* What was looked for, or could not be made, is known not to be there. */
CASE(names_of_nothing)
{
	struct mq_attr wrong = { .mq_maxmsg = 0, .mq_msgsize = 1 };

	own_queues();
	CHECK_ERRNO(mq_open("/one", O_RDWR | O_CREAT, 0600, &wrong), EINVAL);
	CHECK_ERRNO(mq_open("/one", O_RDWR), ENOENT);
	CHECK_ERRNO(mq_unlink("/one"), ENOENT);
	mqd_t queue = mq_open("/one", O_RDWR | O_CREAT, 0600, NULL);

	CHECK(queue >= 0);
	CHECK_EQ(mq_unlink("/one"), 0);
	CHECK_ERRNO(mq_open("/one", O_RDWR), ENOENT);
	CHECK_ERRNO(mq_unlink("/one"), ENOENT);
}

CASE(what_names_may_be)
{
	char name[5000];

	own_queues();
	CHECK_ERRNO(mq_open("one", O_RDWR | O_CREAT, 0600, NULL), EINVAL);
	CHECK_ERRNO(raw_open("", O_RDWR | O_CREAT), ENOENT);
	CHECK_ERRNO(raw_open(".", O_RDWR | O_CREAT), EACCES);
	CHECK_ERRNO(raw_open("..", O_RDWR | O_CREAT), EACCES);
	CHECK_ERRNO(raw_open("/one", O_RDWR | O_CREAT), EACCES);
	CHECK_ERRNO(raw_open("one/two", O_RDWR), EACCES);
	CHECK_ERRNO(raw_open("one/", O_RDWR), EACCES);
	CHECK_ERRNO(syscall(SYS_mq_open, NULL, O_RDWR, 0, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_mq_unlink, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_mq_unlink, ""), ENOENT);
	CHECK_ERRNO(syscall(SYS_mq_unlink, "."), EACCES);
	CHECK_ERRNO(syscall(SYS_mq_unlink, "one/two"), EACCES);
	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	int fd = (int)raw_open(name, O_RDWR | O_CREAT);

	CHECK(fd >= 0);
	CHECK_EQ(syscall(SYS_mq_unlink, name), 0);
	name[255] = 'x';
	name[256] = '\0';
	CHECK_ERRNO(raw_open(name, O_RDWR | O_CREAT), ENAMETOOLONG);
	CHECK_ERRNO(raw_open(name, O_RDWR), ENAMETOOLONG);
	CHECK_ERRNO(syscall(SYS_mq_unlink, name), ENAMETOOLONG);
	name[256] = 'x';
	name[4999] = '\0';
	CHECK_ERRNO(raw_open(name, O_RDWR), ENAMETOOLONG);
	CHECK_ERRNO(syscall(SYS_mq_unlink, name), ENAMETOOLONG);
}

CASE(descriptors_are_files)
{
	own_queues();
	mqd_t queue = mq_open("/one", O_RDWR | O_CREAT | O_NONBLOCK, 0640, NULL);
	char path[64], text[64];
	struct stat state;

	CHECK_EQ(fcntl(queue, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(queue, F_GETFL), O_RDWR | O_NONBLOCK);
	CHECK_EQ(fstat(queue, &state), 0);
	CHECK(S_ISREG(state.st_mode) && state.st_size == 80 && state.st_nlink == 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", queue);
	ssize_t n = readlink(path, text, sizeof(text));

	CHECK(n == 4 && memcmp(text, "/one", 4) == 0);
	CHECK_EQ(mq_unlink("/one"), 0);
	n = readlink(path, text, sizeof(text));
	CHECK(n == 14 && memcmp(text, "/one (deleted)", 14) == 0);
	CHECK_EQ(fstat(queue, &state), 0);
	CHECK_EQ(state.st_nlink, 0);
	pid_t child = fork();

	if (child == 0) {
		_exit(mq_send(queue, "child", 5, 2) == 0 ? 0 : 1);
	}
	CHECK_EQ(exit_code(child), 0);
	CHECK_GET(queue, "child", 2);
}

CASE(what_files_can_and_cannot)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	struct stat state;
	char text[128];
	int left;

	CHECK_ERRNO(write(queue, "x", 1), EINVAL);
	CHECK_ERRNO(pwrite(queue, "x", 1, 0), EINVAL);
	CHECK_ERRNO(fsync(queue), EINVAL);
	CHECK_ERRNO(fallocate(queue, 0, 0, 10), EOPNOTSUPP);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, queue, 0) == MAP_FAILED && errno == ENODEV);
	CHECK_EQ(lseek(queue, 0, SEEK_END), 80);
	CHECK_EQ(lseek(queue, 5, SEEK_SET), 5);
	CHECK_ERRNO(lseek(queue, -6, SEEK_CUR), EINVAL);
	CHECK_EQ(ioctl(queue, FIONREAD, &left), 0);
	CHECK_EQ(left, 75);
	CHECK_EQ(read(queue, text, sizeof(text)), 55);
	CHECK_EQ(read(queue, text, sizeof(text)), 0);
	CHECK_EQ(pread(queue, text, 5, 0), 5);
	CHECK(memcmp(text, "QSIZE", 5) == 0);
	CHECK_EQ(ftruncate(queue, 10), 0);
	CHECK(fstat(queue, &state) == 0 && state.st_size == 10);
	CHECK_EQ(pread(queue, text, sizeof(text), 0), 60);
}

CASE(exec_closes_queues)
{
	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);
	char command[64];
	pid_t child;

	snprintf(command, sizeof(command), "test ! -e /proc/self/fd/%d", queue);
	child = fork();
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(77);
	}
	CHECK_EQ(exit_code(child), 0);
}

CASE(descriptors_run_out)
{
	struct rlimit limit;

	own_queues();
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	mqd_t queue = mq_open("/one", O_RDWR | O_CREAT, 0600, NULL);

	limit.rlim_cur = (rlim_t)queue + 1;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_ERRNO(mq_open("/one", O_RDWR), EMFILE);
	CHECK_ERRNO(mq_open("/none", O_RDWR), EMFILE);
	CHECK_EQ(mq_unlink("/one"), 0);
}

/* ---- attributes ------------------------------------------------------------------------------ */

static int make(long n_messages_max, long size_max)
{
	struct mq_attr attributes = { .mq_maxmsg = n_messages_max, .mq_msgsize = size_max };
	mqd_t queue = mq_open("/made", O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
	int error = errno;

	if (queue >= 0) {
		mq_getattr(queue, &attributes);
		mq_close(queue);
		mq_unlink("/made");
		if (attributes.mq_maxmsg != n_messages_max || attributes.mq_msgsize != size_max) {
			error = EPROTO;
			queue = -1;
		}
	}
	errno = error;
	return queue < 0 ? -1 : 0;
}

CASE(attributes)
{
	struct mq_attr attributes;
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	own_queues();
	CHECK_EQ(make(1, 1), 0);
	CHECK_EQ(make(10, 8192), 0);
	CHECK_ERRNO(make(0, 1), EINVAL);
	CHECK_ERRNO(make(1, 0), EINVAL);
	CHECK_ERRNO(make(-1, 1), EINVAL);
	CHECK_ERRNO(make(1, -1), EINVAL);
	CHECK_ERRNO(make(65537, 1), EINVAL);
	CHECK_ERRNO(make(1, 16 * 1024 * 1024 + 1), EINVAL);
	CHECK_ERRNO(make(LONG_MAX, LONG_MAX), EINVAL);
	CHECK_ERRNO(syscall(SYS_mq_open, "x", O_CREAT | O_RDWR, 0600, page), EFAULT);
	CHECK_ERRNO(syscall(SYS_mq_open, "x", O_RDWR, 0600, page), EFAULT);
	mqd_t queue = mq_open("/usual", O_CREAT | O_RDWR, 0600, NULL);

	CHECK_EQ(mq_getattr(queue, &attributes), 0);
	CHECK(attributes.mq_maxmsg == 10 && attributes.mq_msgsize == 8192);
	CHECK(attributes.mq_curmsgs == 0 && attributes.mq_flags == 0);
	/* those of one that exists stay */
	attributes.mq_maxmsg = -7;
	mqd_t same = mq_open("/usual", O_CREAT | O_RDWR, 0600, &attributes);

	CHECK(same >= 0);
	CHECK_EQ(mq_getattr(same, &attributes), 0);
	CHECK_EQ(attributes.mq_maxmsg, 10);
	CHECK_EQ(mq_unlink("/usual"), 0);
}

CASE(limits_of_the_unprivileged)
{
	own_queues();
	pid_t child = fork();

	if (child == 0) {
		CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
		CHECK_EQ(make(10, 8192), 0);
		CHECK_ERRNO(make(11, 1), EINVAL);
		CHECK_ERRNO(make(1, 8193), EINVAL);
		CHECK_EQ(access("/proc/sys/fs/mqueue/msg_max", R_OK), 0);
		CHECK_ERRNO(open("/proc/sys/fs/mqueue/msg_max", O_WRONLY), EACCES);
		_exit(0);
	}
	CHECK_EQ(exit_code(child), 0);
	CHECK_EQ(set_limit("msg_max", "20\n"), 0);
	CHECK_EQ(set_limit("msgsize_max", " 10000 "), 0);
	child = fork();
	if (child == 0) {
		CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
		CHECK_EQ(make(20, 10000), 0);
		CHECK_ERRNO(make(21, 1), EINVAL);
		CHECK_ERRNO(make(1, 10001), EINVAL);
		_exit(0);
	}
	CHECK_EQ(exit_code(child), 0);
}

static long limit_value(const char *name)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/fs/mqueue/%s", name);
	fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 && text[n - 1] == '\n' ? atol(text) : -1;
}

CASE(limits_can_be_set)
{
	struct mq_attr attributes;

	own_queues();
	CHECK_EQ(limit_value("queues_max"), 256);
	CHECK_EQ(limit_value("msg_max"), 10);
	CHECK_EQ(limit_value("msgsize_max"), 8192);
	CHECK_EQ(limit_value("msg_default"), 10);
	CHECK_EQ(limit_value("msgsize_default"), 8192);
	CHECK_ERRNO(set_limit("msg_max", "0"), EINVAL);
	CHECK_ERRNO(set_limit("msg_max", "65537"), EINVAL);
	CHECK_ERRNO(set_limit("msgsize_max", "127"), EINVAL);
	CHECK_ERRNO(set_limit("msgsize_max", "16777217"), EINVAL);
	CHECK_ERRNO(set_limit("msg_default", "0"), EINVAL);
	CHECK_ERRNO(set_limit("msgsize_default", "1"), EINVAL);
	CHECK_ERRNO(set_limit("msg_max", "ten"), EINVAL);
	CHECK_EQ(limit_value("msg_max"), 10);
	CHECK_EQ(set_limit("msg_default", "5"), 0);
	CHECK_EQ(set_limit("msgsize_default", "9000"), 0);
	CHECK_EQ(limit_value("msgsize_default"), 9000);
	mqd_t queue = mq_open("/usual", O_CREAT | O_RDWR, 0600, NULL);

	/* not more than the limit of the unprivileged, for anybody */
	CHECK_EQ(mq_unlink("/usual"), 0);
	CHECK_EQ(mq_getattr(queue, &attributes), 0);
	CHECK(attributes.mq_maxmsg == 5 && attributes.mq_msgsize == 8192);
}

CASE(queues_are_limited)
{
	own_queues();
	CHECK_EQ(set_limit("queues_max", "2"), 0);
	pid_t child = fork();

	if (child == 0) {
		CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
		mqd_t one = nameless(O_RDWR, 1, 1), two = nameless(O_RDWR, 1, 1);

		/* also without names */
		CHECK_ERRNO(make(1, 1), ENOSPC);
		CHECK_EQ(mq_close(one), 0);
		CHECK_EQ(make(1, 1), 0);
		CHECK_EQ(mq_close(two), 0);
		_exit(0);
	}
	CHECK_EQ(exit_code(child), 0);
}

CASE(bytes_are_limited_for_each_user)
{
	/* a user of its own, since namespaces do not count each for itself */
	uid_t user = 1000000000 + (uid_t)getpid();

	own_queues();
	pid_t child = fork();

	if (child == 0) {
		struct rlimit limit;

		CHECK(setgid(user) == 0 && setuid(user) == 0);
		CHECK_EQ(getrlimit(RLIMIT_MSGQUEUE, &limit), 0);
		CHECK_EQ(limit.rlim_cur, 819200);
		limit.rlim_cur = charge_of(4, 100) + charge_of(1, 8);
		CHECK_EQ(setrlimit(RLIMIT_MSGQUEUE, &limit), 0);
		mqd_t queue = nameless(O_RDWR, 4, 100);

		CHECK_ERRNO(make(1, 9), EMFILE);
		CHECK_EQ(make(1, 8), 0);
		limit.rlim_cur--;
		CHECK_EQ(setrlimit(RLIMIT_MSGQUEUE, &limit), 0);
		CHECK_ERRNO(make(1, 8), EMFILE);
		CHECK_EQ(mq_close(queue), 0);
		CHECK_EQ(make(1, 8), 0);
		_exit(0);
	}
	CHECK_EQ(exit_code(child), 0);
}

/* ---- permissions ----------------------------------------------------------------------------- */

CASE(modes_and_umask)
{
	struct stat state;

	own_queues();
	umask(027);
	mqd_t queue = mq_open("/one", O_RDWR | O_CREAT, 04777, NULL);

	CHECK_EQ(fstat(queue, &state), 0);
	CHECK_EQ(state.st_mode, S_IFREG | 04750);
	CHECK(state.st_uid == geteuid() && state.st_gid == getegid());
	CHECK_EQ(fchmod(queue, 0604), 0);
	pid_t child = fork();

	if (child == 0) {
		CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
		CHECK_ERRNO(mq_open("/one", O_RDWR), EACCES);
		CHECK_ERRNO(mq_open("/one", O_WRONLY), EACCES);
		CHECK_ERRNO(mq_open("/one", O_WRONLY | O_CREAT, 0600, NULL), EACCES);
		CHECK(mq_open("/one", O_RDONLY) >= 0);
		/* a sticky folder */
		CHECK_ERRNO(syscall(SYS_mq_unlink, "one"), EPERM);
		/* what one makes one has, whatever its mode */
		mqd_t own = mq_open("/own", O_RDWR | O_CREAT, 0, NULL);

		CHECK(own >= 0);
		put(own, "x", 0);
		CHECK_ERRNO(mq_open("/own", O_RDONLY), EACCES);
		CHECK_EQ(mq_unlink("/own"), 0);
		_exit(0);
	}
	CHECK_EQ(exit_code(child), 0);
	CHECK_EQ(fchown(queue, NOBODY, NOBODY), 0);
	child = fork();
	if (child == 0) {
		CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
		CHECK(mq_open("/one", O_RDWR) >= 0);
		CHECK_EQ(mq_unlink("/one"), 0);
		_exit(0);
	}
	CHECK_EQ(exit_code(child), 0);
}

CASE(odd_flags)
{
	own_queues();
	mqd_t queue = mq_open("/one", O_CREAT | O_ACCMODE, 0600, NULL);
	char bytes[8192];

	CHECK(queue >= 0);
	CHECK_ERRNO(mq_send(queue, "x", 1, 0), EBADF);
	CHECK_ERRNO(mq_receive(queue, bytes, sizeof(bytes), NULL), EBADF);
	CHECK_ERRNO(mq_open("/one", O_ACCMODE), EINVAL);
	mqd_t other = mq_open("/one", O_RDWR | O_TRUNC | O_EXCL | O_APPEND);

	CHECK(other >= 0);
	CHECK_EQ(fcntl(other, F_GETFL), O_RDWR | O_APPEND);
	CHECK_ERRNO(mq_open("/one", O_RDWR | O_DIRECT), EINVAL);
	other = mq_open("/one", O_PATH);
	CHECK(other >= 0);
	CHECK_ERRNO(mq_getattr(other, &(struct mq_attr){}), EBADF);
	CHECK_EQ(mq_unlink("/one"), 0);
}

/* ---- the file system ------------------------------------------------------------------------- */

static char place[64];

/* Mounts the queues of this case somewhere. */
static void mount_queues(void)
{
	own_queues();
	strcpy(place, "/tmp/mqueue-XXXXXX");
	CHECK(mkdtemp(place) != NULL);
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(mount("queues", place, "mqueue", 0, NULL), 0);
	CHECK_EQ(chdir(place), 0);
}

static void unmount_queues(void)
{
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(umount(place), 0);
	CHECK_EQ(rmdir(place), 0);
}

CASE(mounts_show_queues)
{
	struct statfs system;
	struct stat state;
	DIR *folder;

	mount_queues();
	CHECK_EQ(statfs(".", &system), 0);
	CHECK(system.f_type == MQUEUE_MAGIC && system.f_bsize == 4096);
	CHECK_EQ(stat(".", &state), 0);
	CHECK_EQ(state.st_mode, S_IFDIR | 01777);
	CHECK(state.st_size == 40 && state.st_nlink == 2);
	mqd_t queue = mq_open("/one", O_RDWR | O_CREAT, 0640, NULL);

	CHECK(queue >= 0);
	CHECK(stat(".", &state) == 0 && state.st_size == 60);
	CHECK_EQ(stat("one", &state), 0);
	CHECK_EQ(state.st_mode, S_IFREG | 0640);
	folder = opendir(".");
	CHECK(folder != NULL);
	int n_others = 0, n_found = 0;

	for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		if (strcmp(entry->d_name, "one") == 0) {
			CHECK_EQ(entry->d_type, DT_REG);
			n_found++;
		} else if (entry->d_name[0] != '.') {
			n_others++;
		}
	}
	closedir(folder);
	CHECK(n_found == 1 && n_others == 0);
	CHECK_EQ(unlink("one"), 0);
	CHECK_ERRNO(mq_open("/one", O_RDWR), ENOENT);
	CHECK(stat(".", &state) == 0 && state.st_size == 40);
	unmount_queues();
}

CASE(files_that_are_made_are_queues)
{
	struct mq_attr attributes;

	mount_queues();
	int fd = open("one", O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(mq_getattr(fd, &attributes), 0);
	CHECK(attributes.mq_maxmsg == 10 && attributes.mq_msgsize == 8192);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	put(fd, "abc", 1);
	CHECK_EQ(mknod("two", S_IFREG | 0600, 0), 0);
	mqd_t two = mq_open("/two", O_RDWR);

	CHECK(two >= 0 && n_messages(two) == 0);
	CHECK_EQ(mq_unlink("/one"), 0);
	CHECK_EQ(mq_unlink("/two"), 0);
	CHECK_ERRNO(mknod("fifo", S_IFIFO | 0600, 0), EPERM);
	CHECK_ERRNO(mkdir("folder", 0700), EPERM);
	CHECK_ERRNO(symlink("x", "link"), EPERM);
	CHECK_ERRNO(open(".", O_RDWR | O_TMPFILE, 0600), EOPNOTSUPP);
	CHECK_EQ(close(fd), 0);
	unmount_queues();
}

CASE(names_do_not_move)
{
	mount_queues();
	mqd_t queue = mq_open("/one", O_RDWR | O_CREAT, 0700, NULL);

	CHECK(queue >= 0);
	CHECK_ERRNO(rename("one", "two"), EPERM);
	CHECK_ERRNO(link("one", "two"), EPERM);
	CHECK_ERRNO(execl("one", "one", NULL), EACCES);
	CHECK_ERRNO(open("one", O_RDWR | O_DIRECT), EINVAL);
	CHECK_EQ(truncate("one", 5), 0);
	CHECK_EQ(access("one", R_OK | W_OK), 0);
	CHECK_EQ(unlink("one"), 0);
	unmount_queues();
}

static const char *text_of(const char *name)
{
	static char text[128];
	int fd = open(name, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

CASE(files_tell_their_state)
{
	char expected[128];

	mount_queues();
	mqd_t queue = mq_open("/one", O_RDWR | O_CREAT, 0600, NULL);
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };

	CHECK(strcmp(text_of("one"),
		      "QSIZE:0          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n") == 0);
	put(queue, "abc", 0);
	put(queue, "defgh", 1);
	CHECK(strcmp(text_of("one"),
		      "QSIZE:8          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n") == 0);
	CHECK_EQ(mq_notify(queue, &event), 0);
	snprintf(expected, sizeof(expected),
		"QSIZE:8          NOTIFY:0     SIGNO:%-5d NOTIFY_PID:%-6d\n", SIGUSR2, getpid());
	/* closing the file that was read withdraws it */
	int fd = open("one", O_RDONLY);
	char text[128] = "";

	CHECK_EQ(read(fd, text, sizeof(text)), strlen(expected));
	CHECK(strcmp(text, expected) == 0);
	CHECK_EQ(close(fd), 0);
	CHECK(strcmp(text_of("one"),
		      "QSIZE:8          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n") == 0);
	event.sigev_notify = SIGEV_NONE;
	CHECK_EQ(mq_notify(queue, &event), 0);
	snprintf(expected, sizeof(expected),
		"QSIZE:8          NOTIFY:1     SIGNO:0     NOTIFY_PID:%-6d\n", getpid());
	memset(text, 0, sizeof(text));
	CHECK_EQ(pread(queue, text, sizeof(text), 0), strlen(expected));
	CHECK(strcmp(text, expected) == 0);
	CHECK_EQ(mq_unlink("/one"), 0);
	CHECK_EQ(mq_close(queue), 0);
	unmount_queues();
}

CASE(inotify_sees_queues)
{
	char events[1024];
	static const uint32_t expected[] = { IN_CREATE, IN_OPEN, IN_CLOSE_WRITE, IN_DELETE };
	size_t n_seen = 0;

	mount_queues();
	int watcher = inotify_init1(IN_NONBLOCK);

	CHECK(inotify_add_watch(
		      watcher, ".", IN_CREATE | IN_OPEN | IN_CLOSE | IN_DELETE | IN_ONLYDIR) >= 0);
	mqd_t queue = mq_open("/one", O_RDWR | O_CREAT, 0600, NULL);

	CHECK_EQ(mq_close(queue), 0);
	CHECK_EQ(mq_unlink("/one"), 0);
	ssize_t n = read(watcher, events, sizeof(events));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(events + at);

		CHECK(n_seen < 4);
		CHECK_EQ(event->mask, expected[n_seen++]);
		CHECK(strcmp(event->name, "one") == 0);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	CHECK_EQ(n_seen, 4);
	CHECK_EQ(close(watcher), 0);
	unmount_queues();
}

CASE(a_queue_outlives_its_mount_and_its_users)
{
	mount_queues();
	mqd_t queue = mq_open("/one", O_RDWR | O_CREAT, 0600, NULL);

	put(queue, "abc", 1);
	CHECK_EQ(mq_close(queue), 0);
	unmount_queues();
	queue = mq_open("/one", O_RDWR);
	CHECK(queue >= 0);
	CHECK_GET(queue, "abc", 1);
	CHECK_EQ(mq_unlink("/one"), 0);
}

/* Times of long ago, to see which ones change. */
static void age(mqd_t queue)
{
	static const struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };

	CHECK_EQ(futimens(queue, old), 0);
}

CASE(times)
{
	struct mq_attr attributes = { .mq_flags = O_NONBLOCK };
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	struct stat state;
	char bytes[128];

	own_queues();
	mqd_t queue = nameless(O_RDWR, 4, 16);

	age(queue);
	put(queue, "x", 0);
	CHECK_EQ(fstat(queue, &state), 0);
	CHECK(state.st_mtime != 1000 && state.st_atime != 1000);
	age(queue);
	CHECK_GET(queue, "x", 0);
	CHECK_EQ(fstat(queue, &state), 0);
	CHECK(state.st_mtime != 1000 && state.st_atime != 1000);
	age(queue);
	CHECK(read(queue, bytes, sizeof(bytes)) > 0);
	CHECK_EQ(fstat(queue, &state), 0);
	CHECK(state.st_mtime == 1000 && state.st_atime != 1000);
	age(queue);
	CHECK_EQ(mq_getattr(queue, &(struct mq_attr){ 0 }), 0);
	CHECK_EQ(fstat(queue, &state), 0);
	CHECK(state.st_mtime == 1000 && state.st_atime == 1000);
	CHECK_EQ(mq_setattr(queue, &attributes, NULL), 0);
	CHECK_EQ(fstat(queue, &state), 0);
	CHECK(state.st_mtime == 1000 && state.st_atime != 1000);
	age(queue);
	CHECK_EQ(mq_notify(queue, &event), 0);
	CHECK_EQ(fstat(queue, &state), 0);
	CHECK(state.st_mtime == 1000 && state.st_atime != 1000);
}

CASES_MAIN()
