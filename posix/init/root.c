/* SPDX-License-Identifier: MIT */
/*
 * The change of root: from the file system in memory that the system starts in, the initrd's, to
 * one that the kernel's command line names. It does what an initramfs does on Linux, with the same
 * words, of which the last of a kind counts:
 *
 *     root=PATH | UUID=U | LABEL=L | PARTUUID=U | PARTLABEL=L    where it is; a word that is
 *                               none of these: of a TYPE that has no device
 *     rootfstype=TYPE[,TYPE]    else whatever in /proc/filesystems needs a device
 *     rootflags=OPTIONS         of mount
 *     ro, rw                    read-only if there is neither
 *     init=PATH                 process 1 becomes this program
 *
 *     1. wait for the device, mount it on /sysroot
 *     2. unpack into it what the launcher adds (/etc/hati/added.cpio)
 *     3. move /dev, /proc and /sys into it; /run is a new tmpfs
 *     4. pivot_root(): all processes are in the new root; the old one goes
 *
 * Up to 4 a failure leaves the old root as it was, in which a shell can run.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "root.h"

#define NEW_ROOT     "/sysroot"
#define ADDED_FILE   "/etc/hati/added.cpio"
#define UNPACKER     "/bin/busybox"
#define WAIT_SECONDS 10
#define END_SECONDS  2
#define TEXT_SIZE    4096
#define PLACES_MAX   256

/* The words of the command line; empty: not there. */
struct words {
	char root[256];
	char type[256];
	char options[256];
	char program[256];
	bool is_writable;
};

static struct words words;
static bool is_changed;
static char why[512];

/* ---- texts ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	return -1;
}

/* A line for the kernel's log. */
static void say(const char *text)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		dprintf(fd, "init: %s\n", text);
		close(fd);
	}
}

/* The first bytes of a file, terminated; empty if it cannot be read. */
static void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = fd < 0 ? -1 : 1;

	while (n > 0 && used < size - 1) {
		n = read(fd, text + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	text[used] = 0;
	if (fd >= 0) {
		close(fd);
	}
}

static void take_word(const char *word)
{
	static const struct {
		const char *name;
		char *value;
	} values[] = {
		{ "root=", words.root },
		{ "rootfstype=", words.type },
		{ "rootflags=", words.options },
		{ "init=", words.program },
	};

	if (!strcmp(word, "ro") || !strcmp(word, "rw")) {
		words.is_writable = word[1] == 'w';
	}
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		size_t size = strlen(values[i].name);

		if (!strncmp(word, values[i].name, size)) {
			snprintf(values[i].value, sizeof(words.root), "%s", word + size);
		}
	}
}

static void read_words(void)
{
	char line[TEXT_SIZE];
	char *rest = NULL;

	read_text("/proc/cmdline", line, sizeof(line));
	for (char *word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
		take_word(word);
	}
}

/* ---- mounting it ----------------------------------------------------------------------------- */

static void to_lower_case(char *text)
{
	for (; *text; text++) {
		*text = (char)tolower((unsigned char)*text);
	}
}

/* The path of the device, which root= may name by what is on it, as udev has it. */
static void find_path(char *path, size_t size)
{
	static const char *const keys[][2] = {
		{ "UUID=", "uuid" },
		{ "LABEL=", "label" },
		{ "PARTUUID=", "partuuid" },
		{ "PARTLABEL=", "partlabel" },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!strncmp(words.root, keys[i][0], strlen(keys[i][0]))) {
			snprintf(path, size, "/dev/disk/by-%s/%s", keys[i][1],
				words.root + strlen(keys[i][0]));
			if (strstr(keys[i][1], "uuid")) {
				to_lower_case(strrchr(path, '/') + 1);
			}
			return;
		}
	}
	snprintf(path, size, "%s", words.root);
}

/* The names of all block devices, for somebody who has named another one. */
static void list_devices(char *list, size_t size)
{
	char text[TEXT_SIZE], name[64];
	size_t used = 0;

	read_text("/proc/partitions", text, sizeof(text));
	list[0] = 0;
	for (const char *line = text; line && used < size; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%*u %*u %*u %63s", name) == 1) {
			used += (size_t)snprintf(list + used, size - used, " %s", name);
		}
	}
}

static bool is_block_device(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISBLK(status.st_mode);
}

/* Drivers look for their devices while we wait. Some file systems have none. */
static int wait_for_device(const char *path)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct timespec now;
	char list[256];
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + WAIT_SECONDS;
	while (path[0] == '/' && !is_block_device(path)) {
		if (now.tv_sec >= end) {
			list_devices(list, sizeof(list));
			return fail("there is no block device %s; there is:%s", path,
				list[0] ? list : " none");
		}
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
	return 0;
}

static int mount_as(const char *path, const char *type)
{
	return mount(path, NEW_ROOT, type, words.is_writable ? 0 : MS_RDONLY, words.options);
}

/* Whatever types there are for devices, in the order in which /proc/filesystems has them. */
static void list_types(char *list, size_t size)
{
	char text[TEXT_SIZE], name[64];
	size_t used = 0;

	read_text("/proc/filesystems", text, sizeof(text));
	list[0] = 0;
	for (const char *line = text; line && used < size; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (line[0] == '\t' && sscanf(line, " %63s", name) == 1) {
			used += (size_t)snprintf(list + used, size - used, "%s,", name);
		}
	}
}

static int mount_new_root(const char *path)
{
	char types[256];
	char *rest = NULL;
	int error = ENODEV;

	if (words.type[0]) {
		snprintf(types, sizeof(types), "%s", words.type);
	} else {
		list_types(types, sizeof(types));
	}
	mkdir(NEW_ROOT, 0755);
	for (char *type = strtok_r(types, ",", &rest); type; type = strtok_r(NULL, ",", &rest)) {
		if (mount_as(path, type) == 0) {
			return 0;
		}
		error = errno;
	}
	return fail("%s cannot be mounted%s%s: %s", path, words.type[0] ? " as " : "", words.type,
		strerror(error));
}

/* ---- what the launcher adds ------------------------------------------------------------------ */

/* In the child: the unpacker of the old root works in the new one. */
static void unpack(int archive)
{
	static char *const arguments[] = { "cpio", "-idum", NULL };
	int program = open(UNPACKER, O_PATH | O_CLOEXEC);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	umask(022);
	dup2(archive, 0);
	dup2(null, 2); /* the number of blocks */
	if (chroot(NEW_ROOT) == 0 && chdir("/") == 0) {
		syscall(SYS_execveat, program, "", arguments, NULL, AT_EMPTY_PATH);
	}
	_exit(127);
}

static int unpack_added(void)
{
	int archive = open(ADDED_FILE, O_RDONLY | O_CLOEXEC);
	int status = -1;
	pid_t pid;

	if (archive < 0) {
		return 0; /* there are none */
	}
	pid = fork();
	if (pid == 0) {
		unpack(archive);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		status = -1;
	}
	close(archive);
	return status == 0 ? 0 : fail("--add: the files cannot be unpacked on %s", words.root);
}

/* ---- the change ------------------------------------------------------------------------------ */

static const char *const moved_mounts[] = { "/dev", "/proc", "/sys" };

#define N_MOVED_MOUNTS (sizeof(moved_mounts) / sizeof(moved_mounts[0]))

static int move_mount(const char *place, bool is_back)
{
	char path[64];

	snprintf(path, sizeof(path), NEW_ROOT "%s", place);
	if (is_back) {
		return mount(path, place, NULL, MS_MOVE, NULL);
	}
	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		return -1;
	}
	return mount(place, path, NULL, MS_MOVE, NULL);
}

static int pivot(void)
{
	if (chdir(NEW_ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0) {
		return -1;
	}
	umount2(".", MNT_DETACH); /* the old root, which is mounted on the new one */
	return 0;
}

static int change_root(void)
{
	size_t n_moved = 0;
	int error;

	while (n_moved < N_MOVED_MOUNTS && move_mount(moved_mounts[n_moved], false) == 0) {
		n_moved++;
	}
	if (n_moved == N_MOVED_MOUNTS && pivot() == 0) {
		return chdir("/");
	}
	error = errno;
	(void)!chdir("/");
	while (n_moved > 0) {
		move_mount(moved_mounts[--n_moved], true);
	}
	return fail("%s cannot be made the root: %s", words.root, strerror(error));
}

static void set_up(void)
{
	char name[65];

	if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") == 0) {
		mkdir("/run/lock", 0755);
		chmod("/run/lock", 01777);
	}
	read_text("/etc/hostname", name, sizeof(name));
	name[strcspn(name, " \n")] = 0;
	if (name[0]) {
		sethostname(name, strlen(name));
	}
}

int root_enter(const char **out_why)
{
	char path[320], text[640];

	*out_why = why;
	read_words();
	if (!words.root[0]) {
		return 0;
	}
	find_path(path, sizeof(path));
	if (wait_for_device(path) < 0 || mount_new_root(path) < 0) {
		return -1;
	}
	if (unpack_added() < 0 || change_root() < 0) {
		umount2(NEW_ROOT, 0);
		return -1;
	}
	is_changed = true;
	set_up();
	snprintf(text, sizeof(text), "the root is %s, %s", path,
		words.is_writable ? "read-write" : "read-only");
	say(text);
	return 0;
}

bool root_is_disk(void)
{
	return is_changed;
}

const char *root_program(void)
{
	return words.program[0] ? words.program : NULL;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Whether all children, and whoever has become one, ended in time. */
static bool wait_for_end(void)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	for (int i = 0; i < END_SECONDS * 100; i++) {
		pid_t pid;

		do {
			pid = waitpid(-1, NULL, WNOHANG);
		} while (pid > 0);
		if (pid < 0 && errno == ECHILD) {
			return true;
		}
		nanosleep(&pause, NULL);
	}
	return false;
}

static void end_processes(void)
{
	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	if (!wait_for_end()) {
		kill(-1, SIGKILL);
		wait_for_end();
	}
}

/* A place as /proc/mounts writes it, with "\\040" for a space; as long as it is, or shorter. */
static char *place_from(const char *text)
{
	char *place = strdup(text), *to = place;
	unsigned code;

	for (const char *at = place; at && *at; to++) {
		if (sscanf(at, "\\%3o", &code) == 1) {
			*to = (char)code;
			at += 4;
		} else {
			*to = *at++;
		}
	}
	if (place) {
		*to = 0;
	}
	return place;
}

/* Takes off what devices are mounted, the last ones first; the root stays. */
static void unmount_all(void)
{
	char *places[PLACES_MAX];
	size_t n_places = 0;
	FILE *file = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;

	while (file && n_places < PLACES_MAX && (entry = getmntent(file))) {
		if (entry->mnt_fsname[0] == '/' && strcmp(entry->mnt_dir, "/") != 0) {
			places[n_places++] = place_from(entry->mnt_dir);
		}
	}
	if (file) {
		endmntent(file);
	}
	while (n_places > 0) {
		char *place = places[--n_places];

		if (place && umount2(place, 0) < 0) {
			fail("%s cannot be unmounted: %s", place, strerror(errno));
		}
		free(place);
	}
}

int root_leave(const char **out_why)
{
	*out_why = why;
	if (!is_changed) {
		return 0;
	}
	why[0] = 0;
	end_processes();
	sync();
	unmount_all();
	if (words.is_writable && mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0) {
		fail("%s cannot be made read-only: %s", words.root, strerror(errno));
	}
	if (why[0]) {
		say(why);
		return -1;
	}
	say("the disks are clean");
	return 0;
}
