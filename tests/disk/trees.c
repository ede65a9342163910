/* SPDX-License-Identifier: MIT */
/*
 * Trees that change at random, in several processes at once, and are compared with a model.
 *
 *	trees FOLDER SEED OPERATIONS PROCESSES
 *
 * An ordinary Linux program. Each process has a folder below FOLDER, a model of all names in it and
 * of what they stand for, and makes, moves, links and removes files, folders and symbolic links;
 * every answer must be the one that the model gives, and now and then the whole tree is walked. A
 * difference ends the program with 1; the seed replays what each process does.
 */
#define _GNU_SOURCE /* renameat2 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODES_MAX 512
#define NAMES     24 /* that may be in a folder */
#define DEPTH_MAX 6
#define SIZE_MAX_ 40000
#define NONE      (-1)

enum type { FREE, FILE_, FOLDER, LINK };

/* What names stand for; a file may have several. */
struct object {
	enum type type;
	uint32_t n_names;
	uint32_t id; /* makes its contents, or a link's text */
	uint32_t size;
	uint32_t mode;
	int names[NAMES]; /* of a folder: objects, or NONE */
	int parent; /* of a folder */
};

static struct object objects[NODES_MAX];
static uint64_t chance;
static uint32_t last_id;
static const char *last_call = "?";
static char last_path[512], other_path[512];

static uint64_t random_number(uint64_t bound)
{
	chance += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t value = (chance ^ chance >> 30) * UINT64_C(0xbf58476d1ce4e5b9);

	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return bound != 0 ? (value ^ value >> 31) % bound : 0;
}

static void must(bool is_right, const char *what)
{
	if (!is_right) {
		fprintf(stderr, "trees: %s %s %s: %s (%s)\n", last_call, last_path, other_path,
			what, strerror(errno));
		exit(1);
	}
}

/* A call answered @result; it had to fail with @expected, or to succeed. */
static void answers(long result, int expected)
{
	must(expected == 0 ? result >= 0 : result < 0 && errno == expected, strerror(expected));
}

/* ---- the model ------------------------------------------------------------------------------- */

static int object_new(enum type type, int parent)
{
	for (int i = 0; i < NODES_MAX; i++) {
		struct object *object = &objects[i];

		if (object->type == FREE) {
			*object = (struct object){
				.type = type, .n_names = 1, .id = ++last_id, .parent = parent
			};
			for (int k = 0; k < NAMES; k++) {
				object->names[k] = NONE;
			}
			return i;
		}
	}
	return NONE;
}

static void object_release(int index)
{
	if (index != NONE && --objects[index].n_names == 0) {
		objects[index].type = FREE;
	}
}

static bool is_empty(const struct object *folder)
{
	for (int k = 0; k < NAMES; k++) {
		if (folder->names[k] != NONE) {
			return false;
		}
	}
	return true;
}

static int depth_of(int folder)
{
	int depth = 0;

	for (; folder != 0; folder = objects[folder].parent) {
		depth++;
	}
	return depth;
}

static bool is_below(int folder, int ancestor)
{
	for (; folder != 0; folder = objects[folder].parent) {
		if (folder == ancestor) {
			return true;
		}
	}
	return ancestor == 0;
}

static int height_of(int folder)
{
	int height = 0;

	for (int k = 0; k < NAMES; k++) {
		int child = objects[folder].names[k];

		if (child != NONE && objects[child].type == FOLDER) {
			int below = 1 + height_of(child);

			height = below > height ? below : height;
		}
	}
	return height;
}

/* Some names are long. */
static void name_of(int name, char *out_text)
{
	sprintf(out_text, "n%d%s", name, name % 5 == 0 ? "-which-is-a-rather-long-name" : "");
}

static size_t path_of(int folder, char *out_path)
{
	char name[64];
	size_t length;

	if (folder == 0) {
		out_path[0] = '\0';
		return 0;
	}
	const struct object *parent = &objects[objects[folder].parent];
	int k = 0;

	while (parent->names[k] != folder) {
		k++;
	}
	length = path_of(objects[folder].parent, out_path);
	name_of(k, name);
	return length + (size_t)sprintf(out_path + length, "%s/", name);
}

struct place {
	int folder, name;
	int object; /* NONE: nothing is there */
	char path[512];
};

static void place_at(struct place *place, int folder, int name)
{
	place->folder = folder;
	place->name = name;
	place->object = objects[folder].names[name];
	name_of(name, place->path + path_of(folder, place->path));
}

static void random_place(struct place *place)
{
	int folder;

	do {
		folder = (int)random_number(NODES_MAX);
	} while (objects[folder].type != FOLDER);
	place_at(place, folder, (int)random_number(NAMES));
}

static enum type type_at(const struct place *place)
{
	return place->object == NONE ? FREE : objects[place->object].type;
}

static void called(const char *call, const struct place *place, const struct place *other)
{
	last_call = call;
	strcpy(last_path, place->path);
	strcpy(other_path, other != NULL ? other->path : "");
}

/* ---- contents -------------------------------------------------------------------------------- */

static void fill(uint8_t *bytes, uint32_t id, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		bytes[i] = (uint8_t)((id * 2654435761u + i * 40503u) >> 8);
	}
}

static void link_text(uint32_t id, char *out_text)
{
	memset(out_text, 'x', 100);
	sprintf(out_text + (id % 3 == 0 ? 90 : 0), "target-%u", id);
}

static void check_file(const char *path, const struct object *object)
{
	static uint8_t right[SIZE_MAX_], read_[SIZE_MAX_ + 1];
	int fd = open(path, O_RDONLY);

	must(fd >= 0, "open to read");
	fill(right, object->id, object->size);
	must(read(fd, read_, sizeof(read_)) == (ssize_t)object->size, "length of a file");
	must(memcmp(read_, right, object->size) == 0, "contents of a file");
	close(fd);
}

static void check_object(const char *path, const struct object *object)
{
	struct stat stat;

	must(lstat(path, &stat) == 0, "lstat");
	switch (object->type) {
	case FILE_:
		must(S_ISREG(stat.st_mode) && (stat.st_mode & 07777) == object->mode, "mode");
		must(stat.st_nlink == object->n_names, "number of links");
		check_file(path, object);
		break;
	case LINK: {
		char right[128] = { 0 }, text[128] = { 0 };

		link_text(object->id, right);
		must(readlink(path, text, sizeof(text) - 1) == (ssize_t)strlen(right), "link");
		must(strcmp(text, right) == 0, "text of a link");
		break;
	}
	default: must(S_ISDIR(stat.st_mode), "a folder");
	}
}

/* ---- changes --------------------------------------------------------------------------------- */

static void write_file(const struct place *place, int flags)
{
	static uint8_t bytes[SIZE_MAX_];
	struct object *object = &objects[place->object];
	int fd = open(place->path, O_WRONLY | flags, 0640);

	must(fd >= 0, "open to write");
	object->id = ++last_id;
	object->size = (uint32_t)random_number(random_number(4) == 0 ? SIZE_MAX_ : 3000);
	fill(bytes, object->id, object->size);
	must(write(fd, bytes, object->size) == (ssize_t)object->size, "write");
	if (random_number(20) == 0) {
		must(fsync(fd) == 0, "fsync");
	}
	close(fd);
}

static void do_create(void)
{
	struct place place;

	random_place(&place);
	called("create", &place, NULL);
	if (type_at(&place) != FREE) {
		answers(open(place.path, O_WRONLY | O_CREAT | O_EXCL, 0640), EEXIST);
		return;
	}
	place.object = object_new(FILE_, NONE);
	if (place.object != NONE) {
		objects[place.folder].names[place.name] = place.object;
		objects[place.object].mode = 0640;
		write_file(&place, O_CREAT | O_EXCL);
	}
}

static void do_write(void)
{
	struct place place;

	random_place(&place);
	called("write", &place, NULL);
	if (type_at(&place) == FILE_) {
		write_file(&place, O_TRUNC);
	}
}

static void do_mkdir(void)
{
	struct place place;

	random_place(&place);
	called("mkdir", &place, NULL);
	if (type_at(&place) != FREE) {
		answers(mkdir(place.path, 0755), EEXIST);
	} else if (depth_of(place.folder) < DEPTH_MAX) {
		int folder = object_new(FOLDER, place.folder);

		if (folder != NONE) {
			answers(mkdir(place.path, 0755), 0);
			objects[place.folder].names[place.name] = folder;
		}
	}
}

static void do_remove(void)
{
	struct place place;
	int error;

	random_place(&place);
	called("remove", &place, NULL);
	switch (type_at(&place)) {
	case FREE:
		answers(unlink(place.path), ENOENT);
		answers(rmdir(place.path), ENOENT);
		return;
	case FOLDER:
		error = is_empty(&objects[place.object]) ? 0 : ENOTEMPTY;
		answers(unlink(place.path), EISDIR);
		answers(rmdir(place.path), error);
		if (error != 0) {
			return;
		}
		break;
	default: answers(rmdir(place.path), ENOTDIR); answers(unlink(place.path), 0);
	}
	objects[place.folder].names[place.name] = NONE;
	object_release(place.object);
}

static void do_symlink(void)
{
	struct place place;
	char text[128] = { 0 };

	random_place(&place);
	called("symlink", &place, NULL);
	if (type_at(&place) != FREE) {
		answers(symlink("x", place.path), EEXIST);
		return;
	}
	int link = object_new(LINK, NONE);

	if (link != NONE) {
		link_text(objects[link].id, text);
		answers(symlink(text, place.path), 0);
		objects[place.folder].names[place.name] = link;
	}
}

static void do_link(void)
{
	struct place from, to;

	random_place(&from);
	random_place(&to);
	called("link", &from, &to);
	if (type_at(&from) == FREE) {
		answers(link(from.path, to.path), ENOENT);
	} else if (type_at(&to) != FREE) {
		answers(link(from.path, to.path), EEXIST);
	} else if (type_at(&from) == FOLDER) {
		answers(link(from.path, to.path), EPERM);
	} else {
		answers(link(from.path, to.path), 0);
		objects[to.folder].names[to.name] = from.object;
		objects[from.object].n_names++;
	}
}

/* What rename must answer, by what is at both places. */
static int error_of_rename(const struct place *from, const struct place *to)
{
	enum type type = type_at(from), target = type_at(to);

	if (type == FREE) {
		return ENOENT;
	}
	if (type == FOLDER && is_below(to->folder, from->object)) {
		return EINVAL;
	}
	if (target == FOLDER && is_below(from->folder, to->object)) {
		return ENOTEMPTY;
	}
	if (target == FREE || from->object == to->object) {
		return 0;
	}
	if (type == FOLDER && target != FOLDER) {
		return ENOTDIR;
	}
	if (type != FOLDER && target == FOLDER) {
		return EISDIR;
	}
	return target == FOLDER && !is_empty(&objects[to->object]) ? ENOTEMPTY : 0;
}

static void do_rename(void)
{
	struct place from, to;

	random_place(&from);
	random_place(&to);
	called("rename", &from, &to);
	if (type_at(&from) == FOLDER && !is_below(to.folder, from.object) &&
		depth_of(to.folder) + 1 + height_of(from.object) > DEPTH_MAX + 1) {
		return;
	}
	int error = error_of_rename(&from, &to);

	answers(rename(from.path, to.path), error);
	if (error != 0 || from.object == to.object) {
		return;
	}
	objects[from.folder].names[from.name] = NONE;
	object_release(to.object);
	objects[to.folder].names[to.name] = from.object;
	if (objects[from.object].type == FOLDER) {
		objects[from.object].parent = to.folder;
	}
}

static void do_look(void)
{
	struct place place;

	random_place(&place);
	called("look", &place, NULL);
	if (type_at(&place) == FREE) {
		struct stat stat;

		answers(lstat(place.path, &stat), ENOENT);
	} else {
		check_object(place.path, &objects[place.object]);
	}
}

static void do_chmod(void)
{
	struct place place;
	uint32_t mode = 0400 | (uint32_t)random_number(01000);

	random_place(&place);
	called("chmod", &place, NULL);
	if (type_at(&place) == FILE_) {
		answers(chmod(place.path, mode | 0600), 0);
		objects[place.object].mode = mode | 0600;
	}
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void check_folder(int folder)
{
	struct place place;
	char path[512];
	uint32_t n_found = 0, n_right = 0;

	sprintf(path, ".");
	if (folder != 0) {
		path_of(folder, path);
	}
	DIR *listing = opendir(path);

	must(listing != NULL, "opendir");
	while (readdir(listing) != NULL) {
		n_found++;
	}
	closedir(listing);
	for (int k = 0; k < NAMES; k++) {
		place_at(&place, folder, k);
		if (place.object == NONE) {
			continue;
		}
		n_right++;
		called("walk", &place, NULL);
		check_object(place.path, &objects[place.object]);
		if (objects[place.object].type == FOLDER) {
			check_folder(place.object);
		}
	}
	must(n_found == n_right + 2, "number of entries");
}

static void work(uint64_t seed, uint32_t number, uint64_t n_operations)
{
	static void (*const changes[])(void) = { do_create, do_create, do_create, do_write,
		do_mkdir, do_remove, do_remove, do_symlink, do_link, do_rename, do_rename, do_look,
		do_chmod };

	chance = seed * 1000 + number;
	(void)object_new(FOLDER, 0);
	for (uint64_t i = 0; i < n_operations; i++) {
		changes[random_number(sizeof(changes) / sizeof(changes[0]))]();
		if (random_number(2000) == 0) {
			check_folder(0);
		}
	}
	check_folder(0);
}

int main(int n_arguments, char **arguments)
{
	int status, result = 0;
	char name[32];

	if (n_arguments != 5 || chdir(arguments[1]) != 0) {
		fprintf(stderr, "usage: trees FOLDER SEED OPERATIONS PROCESSES\n");
		return 2;
	}
	umask(0);
	for (int i = 0; i < atoi(arguments[4]); i++) {
		if (fork() == 0) {
			sprintf(name, "p%d", i);
			must(mkdir(name, 0755) == 0 && chdir(name) == 0, "begin");
			work(strtoull(arguments[2], NULL, 0), (uint32_t)i,
				strtoull(arguments[3], NULL, 0));
			_exit(0);
		}
	}
	while (wait(&status) > 0) {
		result |= status != 0;
	}
	printf("trees: %s\n", result == 0 ? "all agree" : "differences");
	return result;
}
