/* SPDX-License-Identifier: MIT */
/* inotify: which events come, in which order, and how queues and watches end. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static int queue = -1;
static char events[65536];
static ssize_t events_size, events_at;

/* A fresh folder, and we in it; an instance without watches. */
static void enter(void)
{
	char root[] = "inotify-XXXXXX";

	if (!mkdtemp(root) || chdir(root)) {
		check_fail(__LINE__, "mkdtemp", 0);
	}
	queue = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	CHECK(queue >= 0);
	events_size = events_at = 0;
}

static int make(const char *name)
{
	return close(open(name, O_WRONLY | O_CREAT, 0666));
}

/* The next event, NULL if there is none. */
static const struct inotify_event *next(void)
{
	if (events_at >= events_size) {
		events_at = 0;
		events_size = read(queue, events, sizeof(events));
		if (events_size < 0) {
			CHECK_EQ(errno, EAGAIN);
			events_size = 0;
			return NULL;
		}
	}
	const struct inotify_event *event = (const void *)(events + events_at);
	events_at += (ssize_t)(sizeof(*event) + event->len);
	return event;
}

static void expect_line(int line, int watch, uint32_t mask, const char *name)
{
	const struct inotify_event *event = next();

	if (event == NULL) {
		check_fail(line, "there is an event", 0);
	}
	if (event->mask != mask) {
		check_fail(line, "the event's mask", event->mask);
	}
	if (event->wd != watch || strcmp(event->len ? event->name : "", name) || event->len % 16) {
		check_fail(line, event->len ? event->name : "an event without name", event->wd);
	}
}

#define EXPECT(watch_, mask_, name_) expect_line(__LINE__, watch_, mask_, name_)
#define EXPECT_NONE()                CHECK(next() == NULL)

CASE(arguments)
{
	enter();
	CHECK_ERRNO(inotify_init1(1), EINVAL);
	CHECK_EQ(fcntl(queue, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(inotify_add_watch(queue, ".", 0), EINVAL);
	CHECK_ERRNO(inotify_add_watch(queue, "nothing", IN_OPEN), ENOENT);
	CHECK_ERRNO(inotify_add_watch(-1, ".", IN_OPEN), EBADF);
	CHECK_ERRNO(inotify_add_watch(open(".", O_RDONLY), ".", IN_OPEN), EINVAL);
	make("file");
	CHECK_ERRNO(inotify_add_watch(queue, "file", IN_OPEN | IN_ONLYDIR), ENOTDIR);
	int watch = inotify_add_watch(queue, "file", IN_OPEN);
	CHECK_EQ(watch, 1);
	CHECK_EQ(inotify_add_watch(queue, "file", IN_ACCESS), watch);
	CHECK_ERRNO(inotify_add_watch(queue, "file", IN_ACCESS | IN_MASK_CREATE), EEXIST);
	CHECK_ERRNO(
		inotify_add_watch(queue, "file", IN_MASK_ADD | IN_MASK_CREATE | IN_OPEN), EINVAL);
	EXPECT_NONE();
	CHECK_EQ(inotify_rm_watch(queue, watch), 0);
	EXPECT(watch, IN_IGNORED, "");
	CHECK_ERRNO(inotify_rm_watch(queue, watch), EINVAL);
	CHECK_EQ(inotify_add_watch(queue, "file", IN_OPEN), 2);
	CHECK_ERRNO(inotify_rm_watch(0, 1), EINVAL);
	chmod("file", 0);
	CHECK_EQ(seteuid(65534), 0);
	CHECK_ERRNO(inotify_add_watch(queue, "file", IN_OPEN), EACCES);
}

CASE(use_of_a_file)
{
	char text[8];

	enter();
	make("file");
	int watch = inotify_add_watch(queue, ".", IN_ALL_EVENTS);
	int fd = open("file", O_RDWR);
	EXPECT(watch, IN_OPEN, "file");
	CHECK_EQ(write(fd, "text", 4), 4);
	CHECK_EQ(write(fd, "text", 4), 4);
	EXPECT(watch, IN_MODIFY, "file");
	EXPECT_NONE();
	CHECK_EQ(read(fd, text, 8), 0);
	CHECK_EQ(pread(fd, text, 8, 0), 8);
	EXPECT(watch, IN_ACCESS, "file");
	CHECK_EQ(ftruncate(fd, 0), 0);
	EXPECT(watch, IN_MODIFY, "file");
	CHECK_EQ(fchmod(fd, 0640), 0);
	EXPECT(watch, IN_ATTRIB, "file");
	CHECK_EQ(close(fd), 0);
	EXPECT(watch, IN_CLOSE_WRITE, "file");
	fd = open("file", O_RDONLY);
	CHECK_EQ(close(fd), 0);
	EXPECT(watch, IN_OPEN, "file");
	EXPECT(watch, IN_CLOSE_NOWRITE, "file");
	CHECK_EQ(close(open("file", O_PATH)), 0);
	EXPECT_NONE();
	CHECK_EQ(inotify_add_watch(queue, ".", IN_MODIFY), watch);
	CHECK_EQ(close(open("file", O_WRONLY | O_TRUNC)), 0);
	EXPECT(watch, IN_MODIFY, "file");
	EXPECT_NONE();
}

CASE(attributes)
{
	struct timespec times[2] = { { 1, 0 }, { 2, 0 } };

	enter();
	make("file");
	int watch = inotify_add_watch(queue, "file", IN_ALL_EVENTS);
	CHECK_EQ(chown("file", 1, 1), 0);
	EXPECT(watch, IN_ATTRIB, "");
	CHECK_EQ(truncate("file", 10), 0);
	EXPECT(watch, IN_MODIFY, "");
	CHECK_EQ(utimensat(AT_FDCWD, "file", times, 0), 0);
	EXPECT(watch, IN_ATTRIB, "");
	times[0].tv_nsec = UTIME_OMIT;
	CHECK_EQ(utimensat(AT_FDCWD, "file", times, 0), 0);
	EXPECT(watch, IN_MODIFY, "");
	times[0].tv_nsec = 0;
	times[1].tv_nsec = UTIME_OMIT;
	CHECK_EQ(utimensat(AT_FDCWD, "file", times, 0), 0);
	EXPECT(watch, IN_ACCESS, "");
	CHECK_EQ(setxattr("file", "trusted.a", "v", 1, 0), 0);
	EXPECT(watch, IN_ATTRIB, "");
	CHECK_EQ(link("file", "other"), 0);
	EXPECT(watch, IN_ATTRIB, "");
	CHECK_EQ(unlink("other"), 0);
	EXPECT(watch, IN_ATTRIB, "");
	CHECK_EQ(fallocate(open("file", O_WRONLY), 0, 0, 100), 0);
	EXPECT(watch, IN_OPEN, "");
	EXPECT(watch, IN_MODIFY, "");
	EXPECT_NONE();
}

CASE(names_come_and_go)
{
	enter();
	int watch = inotify_add_watch(queue, ".", IN_CREATE | IN_DELETE | IN_ATTRIB);
	CHECK_EQ(make("a-rather-long-name"), 0);
	EXPECT(watch, IN_CREATE, "a-rather-long-name");
	CHECK_EQ(mkdir("folder", 0755), 0);
	EXPECT(watch, IN_CREATE | IN_ISDIR, "folder");
	CHECK_EQ(symlink("x", "link"), 0);
	EXPECT(watch, IN_CREATE, "link");
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	EXPECT(watch, IN_CREATE, "fifo");
	CHECK_EQ(link("a-rather-long-name", "hard"), 0);
	EXPECT(watch, IN_CREATE, "hard");
	CHECK_EQ(unlink("hard"), 0);
	EXPECT(watch, IN_DELETE, "hard");
	CHECK_EQ(rmdir("folder"), 0);
	EXPECT(watch, IN_DELETE | IN_ISDIR, "folder");
	EXPECT_NONE();
}

CASE(last_name_and_user)
{
	enter();
	CHECK_EQ(mkdir("folder", 0755), 0);
	make("folder/file");
	int folder = inotify_add_watch(queue, "folder", IN_DELETE | IN_DELETE_SELF);
	int file = inotify_add_watch(queue, "folder/file", IN_ALL_EVENTS);
	int fd = open("folder/file", O_RDONLY);
	EXPECT(file, IN_OPEN, "");
	CHECK_EQ(unlink("folder/file"), 0);
	EXPECT(file, IN_ATTRIB, "");
	EXPECT(folder, IN_DELETE, "file");
	EXPECT_NONE();
	CHECK_EQ(close(fd), 0);
	EXPECT(file, IN_CLOSE_NOWRITE, "");
	EXPECT(file, IN_DELETE_SELF, "");
	EXPECT(file, IN_IGNORED, "");
	make("folder/file");
	file = inotify_add_watch(queue, "folder/file", IN_DELETE_SELF);
	CHECK_EQ(unlink("folder/file"), 0);
	EXPECT(file, IN_DELETE_SELF, "");
	EXPECT(file, IN_IGNORED, "");
	EXPECT(folder, IN_DELETE, "file");
	CHECK_EQ(rmdir("folder"), 0);
	EXPECT(folder, IN_DELETE_SELF, "");
	EXPECT(folder, IN_IGNORED, "");
	EXPECT_NONE();
}

static uint32_t expect_cookie(int line, int watch, uint32_t mask, const char *name)
{
	const struct inotify_event *event;

	expect_line(line, watch, mask, name);
	event = (const void *)(events + events_at - sizeof(*event) - 16);
	return event->cookie;
}

#define EXPECT_MOVE(watch_, mask_, name_) expect_cookie(__LINE__, watch_, mask_, name_)

CASE(moves)
{
	enter();
	CHECK_EQ(mkdir("to", 0755), 0);
	make("a");
	make("to/old");
	int from = inotify_add_watch(queue, ".", IN_MOVE);
	int to = inotify_add_watch(queue, "to", IN_MOVE | IN_MOVE_SELF | IN_DELETE);
	int old = inotify_add_watch(queue, "to/old", IN_ALL_EVENTS);
	int a = inotify_add_watch(queue, "a", IN_ALL_EVENTS);
	CHECK_EQ(rename("a", "to/old"), 0);
	uint32_t cookie = EXPECT_MOVE(from, IN_MOVED_FROM, "a");
	CHECK(cookie != 0);
	CHECK_EQ(EXPECT_MOVE(to, IN_MOVED_TO, "old"), cookie);
	EXPECT(old, IN_ATTRIB, "");
	EXPECT(a, IN_MOVE_SELF, "");
	EXPECT(old, IN_DELETE_SELF, "");
	EXPECT(old, IN_IGNORED, "");
	CHECK_EQ(rename("to", "moved"), 0);
	uint32_t second = EXPECT_MOVE(from, IN_MOVED_FROM | IN_ISDIR, "to");
	CHECK(second != 0 && second != cookie);
	CHECK_EQ(EXPECT_MOVE(from, IN_MOVED_TO | IN_ISDIR, "moved"), second);
	EXPECT(to, IN_MOVE_SELF, "");
	EXPECT_NONE();
	make("x");
	CHECK_EQ(renameat2(AT_FDCWD, "x", AT_FDCWD, "moved/old", RENAME_EXCHANGE), 0);
	EXPECT(from, IN_MOVED_FROM, "x");
	EXPECT(to, IN_MOVED_TO, "old");
	EXPECT(to, IN_MOVED_FROM, "old");
	EXPECT(from, IN_MOVED_TO, "x");
	EXPECT(a, IN_MOVE_SELF, "");
}

CASE(one_shot)
{
	enter();
	make("file");
	int watch = inotify_add_watch(queue, "file", IN_OPEN | IN_ONESHOT);
	CHECK_EQ(close(open("file", O_RDONLY)), 0);
	CHECK_EQ(close(open("file", O_RDONLY)), 0);
	EXPECT(watch, IN_OPEN, "");
	EXPECT(watch, IN_IGNORED, "");
	EXPECT_NONE();
}

CASE(without_unlinked)
{
	for (int is_excluded = 0; is_excluded < 2; is_excluded++) {
		enter();
		int fd = open("file", O_RDWR | O_CREAT, 0600);
		uint32_t how = is_excluded ? IN_EXCL_UNLINK : 0;
		int watch = inotify_add_watch(queue, ".", IN_MODIFY | how);
		CHECK_EQ(unlink("file"), 0);
		CHECK_EQ(write(fd, "x", 1), 1);
		if (!is_excluded) {
			EXPECT(watch, IN_MODIFY, "file");
		}
		EXPECT_NONE();
	}
}

CASE(more_events_later)
{
	enter();
	make("file");
	int watch = inotify_add_watch(queue, "file", IN_OPEN);
	CHECK_EQ(inotify_add_watch(queue, "file", IN_CLOSE | IN_MASK_ADD), watch);
	CHECK_EQ(close(open("file", O_RDONLY)), 0);
	EXPECT(watch, IN_OPEN, "");
	EXPECT(watch, IN_CLOSE_NOWRITE, "");
	CHECK_EQ(symlink("file", "link"), 0);
	int link = inotify_add_watch(queue, "link", IN_ATTRIB | IN_DONT_FOLLOW);
	CHECK(link != watch);
	CHECK_EQ(inotify_add_watch(queue, "link", IN_OPEN), watch);
	CHECK_EQ(lchown("link", 1, 1), 0);
	EXPECT(link, IN_ATTRIB, "");
}

CASE(folder_as_file)
{
	enter();
	CHECK_EQ(mkdir("folder", 0755), 0);
	int watch = inotify_add_watch(queue, ".", IN_OPEN | IN_CLOSE | IN_ATTRIB);
	int folder = inotify_add_watch(queue, "folder", IN_OPEN);
	CHECK_EQ(close(open("folder", O_RDONLY)), 0);
	EXPECT(watch, IN_OPEN | IN_ISDIR, "folder");
	EXPECT(folder, IN_OPEN | IN_ISDIR, "");
	EXPECT(watch, IN_CLOSE_NOWRITE | IN_ISDIR, "folder");
	CHECK_EQ(chmod("folder", 0700), 0);
	EXPECT(watch, IN_ATTRIB | IN_ISDIR, "folder");
	EXPECT_NONE();
}

CASE(reading_and_polling)
{
	struct pollfd poller;
	char small[40];
	int n_bytes;

	enter();
	make("a");
	poller = (struct pollfd){ .fd = queue, .events = POLLIN };
	CHECK_EQ(poll(&poller, 1, 0), 0);
	int watch = inotify_add_watch(queue, ".", IN_OPEN | IN_CLOSE);
	CHECK_EQ(close(open("a", O_RDONLY)), 0);
	CHECK_EQ(poll(&poller, 1, 1000), 1);
	CHECK_EQ(ioctl(queue, FIONREAD, &n_bytes), 0);
	CHECK_EQ(n_bytes, 64);
	CHECK_ERRNO(read(queue, small, 31), EINVAL);
	CHECK_EQ(read(queue, small, 40), 32);
	CHECK_EQ(((struct inotify_event *)small)->len, 16);
	EXPECT(watch, IN_CLOSE_NOWRITE, "a");
	CHECK_EQ(fcntl(queue, F_SETFL, 0), 0);
	pid_t child = fork();
	if (child == 0) {
		usleep(20000);
		_exit(close(open("a", O_RDONLY)));
	}
	CHECK_EQ(read(queue, small, 40), 32);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	CHECK_ERRNO(write(queue, small, 1), EBADF);
}

CASE(overflow)
{
	const struct inotify_event *event;
	int n_events = 0;

	enter();
	make("a");
	make("b");
	int watch = inotify_add_watch(queue, ".", IN_ATTRIB);
	for (int i = 0; i < 10000; i++) {
		chmod("a", 0600);
		chmod("b", 0600);
	}
	while ((event = next()) != NULL && event->wd == watch) {
		n_events++;
	}
	CHECK_EQ(n_events, 16384);
	CHECK(event != NULL);
	CHECK_EQ(event->wd, -1);
	CHECK_EQ(event->mask, IN_Q_OVERFLOW);
	EXPECT_NONE();
	chmod("a", 0600);
	EXPECT(watch, IN_ATTRIB, "a");
}

CASE(unmounted)
{
	enter();
	CHECK_EQ(mkdir("m", 0755), 0);
	CHECK_EQ(mount("none", "m", "tmpfs", 0, NULL), 0);
	make("m/file");
	int watch = inotify_add_watch(queue, "m/file", IN_OPEN);
	CHECK_EQ(umount("m"), 0);
	EXPECT(watch, IN_UNMOUNT, "");
	EXPECT(watch, IN_IGNORED, "");
	EXPECT_NONE();
}

CASE(too_many_instances)
{
	int n = 0;

	CHECK_EQ(setuid(54321), 0);
	while (n < 200 && inotify_init() >= 0) {
		n++;
	}
	CHECK_EQ(errno, EMFILE);
	CHECK_EQ(n, 128);
}

CASES_MAIN()
