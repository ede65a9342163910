/* SPDX-License-Identifier: MIT */
/*
 * Handlers that wait in tasks: a file system whose every hook takes its time, as one on a disk
 * does.
 *
 * What is made there is kept by the *store*, by directory and name, beside the dentries: the cache
 * may forget, and the store is asked again. Answers come in random order, so whatever the VFS does
 * between a question and its answer is tried; the seed is printed, TEST_SEED replays one.
 */
#include <async/task.h>
#include <async/test-loop.h>
#include <helix/memory.h>
#include <posix/server/task.h>
#include <posix/server/tests/files.h>
#include <posix/server/vfs/dentry.h>
#include <posix/server/vfs/mount.h>

constexpr size_t STORE_MAX = 256;

struct entry {
	struct inode *directory; /* NULL: free */
	char name[64];
	struct inode *inode; /* referenced */
};

static struct entry store[STORE_MAX];
static struct test_loop test_loop;
static struct random chance;
static int64_t next_error; /* of the next hook that would act */
static uint32_t n_lookups, n_at_once, n_at_once_max;

static void server_asked(void)
{
	struct request_pause pause;

	n_at_once++;
	n_at_once_max = n_at_once > n_at_once_max ? n_at_once : n_at_once_max;
	request_pause(&pause);
	ASSERT(task_sleep_until(
		       pause.task, task_now_ns(pause.task) + 1 + random_below(&chance, 1000)) == 0);
	request_resume(&pause);
	n_at_once--;
}

static int64_t server_ask(void)
{
	int64_t error = next_error;

	if (request_task() == NULL) {
		return REQUEST_TASK;
	}
	server_asked();
	if (error != 0) {
		next_error = 0;
	}
	return error;
}

static struct entry *store_find(const struct inode *directory, const char *name)
{
	for (size_t i = 0; i < STORE_MAX; i++) {
		if (store[i].directory == directory && strcmp(store[i].name, name) == 0) {
			return &store[i];
		}
	}
	return NULL;
}

static struct entry *store_add(struct inode *directory, const char *name, struct inode *inode)
{
	for (size_t i = 0; i < STORE_MAX; i++) {
		if (store[i].directory == NULL) {
			store[i].directory = directory;
			snprintf(store[i].name, sizeof(store[i].name), "%s", name);
			store[i].inode = inode;
			inode_ref(inode);
			return &store[i];
		}
	}
	abort();
}

static void store_remove(struct entry *entry)
{
	entry->directory = NULL;
	inode_unref(entry->inode);
}

/* ---- hooks ----------------------------------------------------------------------------------- */

static int64_t slow_lookup(struct inode *directory, struct dentry *dentry)
{
	int64_t error = server_ask();

	if (error < 0) {
		return error;
	}
	const struct entry *entry = store_find(directory, dentry->name);

	n_lookups++;
	if (entry == NULL) {
		return -LINUX_ENOENT;
	}
	dentry_set_inode(dentry, entry->inode);
	return 0;
}

static const struct inode_ops slow_ops;

static int64_t slow_create(struct inode *directory, struct dentry *dentry,
	const struct node_spec *spec, const char *target)
{
	int64_t error = server_ask();

	if (error < 0) {
		return error;
	}
	if (store_find(directory, dentry->name) != NULL) {
		return -LINUX_EEXIST;
	}
	struct inode *inode = helix_calloc(1, sizeof(*inode));

	inode_init(inode, &slow_ops, directory->super, spec);
	inode->nlink = linux_is_type(spec->mode, LINUX_S_IFDIR) ? 2 : 1;
	inode->data = target != NULL ? strdup(target) : NULL;
	super_ref(directory->super);
	store_add(directory, dentry->name, inode);
	server_asked(); /* the answer is on its way */
	dentry_set_inode(dentry, inode);
	inode_unref(inode);
	return 0;
}

static int64_t slow_unlink(struct inode *directory, struct dentry *dentry)
{
	int64_t error = server_ask();
	struct entry *entry = error < 0 ? NULL : store_find(directory, dentry->name);

	if (error < 0) {
		return error;
	}
	/* the dentry says that it is there, and nobody else has changed that */
	ASSERT(entry != NULL && entry->inode == dentry->inode);
	entry->inode->nlink = inode_is_directory(entry->inode) ? 0 : entry->inode->nlink - 1;
	store_remove(entry);
	server_asked();
	return 0;
}

static int64_t slow_rename(struct inode *from_directory, struct dentry *from,
	struct inode *to_directory, struct dentry *to, uint32_t flags UNUSED)
{
	int64_t error = server_ask();

	if (error < 0) {
		return error;
	}
	struct entry *old = store_find(from_directory, from->name);
	struct entry *replaced = store_find(to_directory, to->name);

	ASSERT(old != NULL && old->inode == from->inode);
	ASSERT((replaced == NULL ? NULL : replaced->inode) == to->inode);
	if (replaced != NULL) {
		replaced->inode->nlink--;
		store_remove(replaced);
	}
	old->directory = to_directory;
	snprintf(old->name, sizeof(old->name), "%s", to->name);
	server_asked();
	return 0;
}

static int64_t slow_follow(
	struct inode *inode, struct process *process UNUSED, struct link_target *out_target)
{
	int64_t error = server_ask();

	*out_target = (struct link_target){ .text = inode->data };
	return error;
}

static int64_t slow_open(
	struct inode *inode UNUSED, struct file *file UNUSED, struct request *request UNUSED)
{
	return server_ask();
}

static void slow_release(struct inode *inode)
{
	struct super *super = inode->super;

	free(inode->data);
	helix_free(inode);
	super_unref(super);
}

static const struct inode_ops slow_ops = {
	INODE_OPS_DEFAULT,
	.name = "slow",
	.lookup = slow_lookup,
	.create = slow_create,
	.unlink = slow_unlink,
	.rename = slow_rename,
	.follow = slow_follow,
	.open = slow_open,
	.release = slow_release,
};

/* ---- the file system ------------------------------------------------------------------------- */

static int64_t slow_info(struct super *super UNUSED, struct super_info *out_info)
{
	*out_info = (struct super_info){ 0 };
	return 0;
}

static void slow_unmount(struct super *super)
{
	dentry_forget_super(super);
	dentry_unref(super->root);
}

static void slow_destroy(struct super *super)
{
	helix_free(super);
}

static const struct super_ops slow_super_ops = {
	.type = "slow",
	.info = slow_info,
	.unmount = slow_unmount,
	.destroy = slow_destroy,
};

/* Mounts it on /slow. */
static void mount_slow(void)
{
	struct super *super = helix_calloc(1, sizeof(*super));
	struct inode *inode = helix_calloc(1, sizeof(*inode));
	struct path at;
	struct mount *mount;

	super_init(super, &slow_super_ops, SUPER_WAITS);
	inode_init(inode, &slow_ops, super, &(struct node_spec){ .mode = LINUX_S_IFDIR | 0755 });
	inode->nlink = 2;
	super_ref(super);
	super->root = dentry_create_root(super, inode, "/");
	inode_unref(inode);
	ASSERT(call_mkdir(root, "/slow", 0755) == 0);
	ASSERT(vfs_lookup(&root->process, LINUX_AT_FDCWD, "/slow", 0, &at) == 0);
	ASSERT(mount_create(super, super->root, "slow", 0, &mount) == 0);
	ASSERT(mount_graft(mount, &at) == 0);
	path_unref(&at);
	super_unref(super);
}

static void begin_slow(void)
{
	uint64_t seed = test_seed(5);

	random_init(&chance, seed);
	test_loop_init(&test_loop, &(struct test_loop_options){ .seed = seed });
	fake_have_tasks(&test_loop);
	begin();
	mount_slow();
	n_lookups = n_at_once_max = 0;
}

#define end_slow() \
	do { \
		for (size_t i = 0; i < STORE_MAX; i++) { \
			if (store[i].directory != NULL) { \
				store_remove(&store[i]); \
			} \
		} \
		end(); \
		fake_have_tasks(NULL); \
		test_loop_deinit(&test_loop); \
	} while (0)

/* ---- cases ----------------------------------------------------------------------------------- */

/* Calls give what they give on any file system, and what is cached is not asked for again. */
TEST(calls_wait_and_go_on)
{
	char target[16];

	begin_slow();
	CHECK_EQ(call_mkdir(root, "/slow/d", 0755), 0);
	CHECK_EQ(call_mkdir(root, "/slow/d", 0755), -LINUX_EEXIST);
	CHECK_EQ(call_close(root, call_open(root, "/slow/d/f", LINUX_O_CREAT | LINUX_O_RDWR, 0644)),
		0);
	CHECK_EQ(call_symlink(root, "d/f", "/slow/link"), 0);
	CHECK_EQ(call_access(root, "/slow/link", LINUX_R_OK), 0);
	CHECK_EQ(call_readlink(root, "/slow/link", target, sizeof(target)), 3);
	uint32_t n = n_lookups;

	CHECK_EQ(call_access(root, "/slow/d/f", LINUX_R_OK), 0);
	CHECK_EQ(call_access(root, "/slow/d/none", LINUX_R_OK), -LINUX_ENOENT);
	CHECK_EQ(n_lookups, n + 1);
	CHECK_EQ(call_access(root, "/slow/d/none", LINUX_R_OK), -LINUX_ENOENT);
	CHECK_EQ(n_lookups, n + 1);
	CHECK_EQ(call_rename(root, "/slow/d/f", "/slow/g", 0), 0);
	CHECK_EQ(call_access(root, "/slow/g", LINUX_R_OK), 0);
	CHECK_EQ(call_access(root, "/slow/d/f", LINUX_R_OK), -LINUX_ENOENT);
	CHECK_EQ(call_unlink(root, "/slow/g"), 0);
	CHECK_EQ(call_unlink(root, "/slow/g"), -LINUX_ENOENT);
	CHECK_EQ(call_rmdir(root, "/slow/d"), 0);
	CHECK_EQ(call_unlink(root, "/slow/link"), 0);
	end_slow();
}

/* An error of the server is the call's, and nothing of it stays in the cache. */
TEST(errors_are_passed_on)
{
	begin_slow();
	next_error = -LINUX_EIO;
	CHECK_EQ(call_access(root, "/slow/x", LINUX_R_OK), -LINUX_EIO);
	CHECK_EQ(call_access(root, "/slow/x", LINUX_R_OK), -LINUX_ENOENT);
	next_error = -LINUX_EIO;
	CHECK_EQ(call_mkdir(root, "/slow/x", 0755), -LINUX_EIO);
	CHECK_EQ(call_mkdir(root, "/slow/x", 0755), 0);
	next_error = -LINUX_EIO;
	CHECK_EQ(call_rmdir(root, "/slow/x"), -LINUX_EIO);
	CHECK_EQ(call_rmdir(root, "/slow/x"), 0);
	end_slow();
}

/* Many ask for one name: the server is asked once. */
TEST(one_name_is_looked_up_once)
{
	struct user *users[16];

	begin_slow();
	CHECK_EQ(call_mkdir(root, "/slow/d", 0755), 0);
	uint32_t n = n_lookups;

	for (size_t i = 0; i < 16; i++) {
		users[i] = user_create(0);
		start(users[i], 439 /* faccessat2 */, V(LINUX_AT_FDCWD), P("/slow/d/none"), V(0),
			V(0));
		CHECK(is_parked(users[i]));
	}
	fake_run_loop();
	for (size_t i = 0; i < 16; i++) {
		CHECK_EQ(result_of(users[i]), -LINUX_ENOENT);
	}
	CHECK_EQ(n_lookups, n + 1);
	end_slow();
}

/* Of many who make the same name one succeeds; then of many who remove it. */
TEST(names_are_made_and_removed_once)
{
	struct user *users[16];
	int64_t sum = 0;

	begin_slow();
	for (size_t i = 0; i < 16; i++) {
		users[i] = user_create(0);
		start(users[i], 258 /* mkdirat */, V(LINUX_AT_FDCWD), P("/slow/d"), V(0755));
	}
	fake_run_loop();
	for (size_t i = 0; i < 16; i++) {
		sum += result_of(users[i]);
		start(users[i], 263 /* unlinkat */, V(LINUX_AT_FDCWD), P("/slow/d"),
			V(LINUX_AT_REMOVEDIR));
	}
	CHECK_EQ(sum, -LINUX_EEXIST * 15);
	fake_run_loop();
	sum = 0;
	for (size_t i = 0; i < 16; i++) {
		sum += result_of(users[i]);
	}
	CHECK_EQ(sum, -LINUX_ENOENT * 15);
	end_slow();
}

/* A descriptor that somebody closes while a task uses its file: the file stays until then. */
TEST(files_are_held_while_a_task_waits)
{
	begin_slow();
	int64_t fd;

	CHECK_EQ(call_mkdir(root, "/slow/d", 0755), 0);
	fd = call_open(root, "/slow/d", LINUX_O_DIRECTORY, 0);
	CHECK(fd >= 0);
	start(root, 439 /* faccessat2 */, V(fd), P("none"), V(0), V(0));
	CHECK(is_parked(root));
	struct user *other = user_create(0);

	(void)other;
	fd_table_close(root->process.files, (int)fd, &root->process);
	fake_run_loop();
	CHECK(result_of(root) == -LINUX_ENOENT || result_of(root) == -LINUX_EBADF);
	end_slow();
}

/* Random names made, moved and removed by many at once: the asserts of the hooks are the test. */
TEST(random_calls_agree_with_the_store)
{
	static char names[2][32];
	struct user *users[24];

	begin_slow();
	CHECK_EQ(call_mkdir(root, "/slow/a", 0755), 0);
	CHECK_EQ(call_mkdir(root, "/slow/b", 0755), 0);
	for (size_t i = 0; i < 24; i++) {
		users[i] = user_create(0);
	}
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < 24; i++) {
			for (size_t k = 0; k < 2; k++) {
				snprintf(names[k], sizeof(names[k]), "/slow/%c/%c",
					"ab"[random_below(&chance, 2)],
					"xyz"[random_below(&chance, 3)]);
			}
			switch (random_below(&chance, 4)) {
			case 0:
				start(users[i], 257 /* openat */, V(LINUX_AT_FDCWD), P(names[0]),
					V(LINUX_O_CREAT | LINUX_O_RDWR), V(0644));
				break;
			case 1: start(users[i], 263, V(LINUX_AT_FDCWD), P(names[0]), V(0)); break;
			case 2:
				start(users[i], 316 /* renameat2 */, V(LINUX_AT_FDCWD), P(names[0]),
					V(LINUX_AT_FDCWD), P(names[1]), V(0));
				break;
			default:
				start(users[i], 439, V(LINUX_AT_FDCWD), P(names[0]), V(0), V(0));
				break;
			}
		}
		fake_run_loop();
		for (size_t i = 0; i < 24; i++) {
			int64_t result = result_of(users[i]);

			CHECK(result >= 0 || result == -LINUX_ENOENT);
			if (result > 2) {
				call_close(users[i], result);
			}
		}
	}
	CHECK(n_at_once_max > 4);
	end_slow();
}

TEST_MAIN()
