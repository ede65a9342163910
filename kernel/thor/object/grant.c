/* SPDX-License-Identifier: MIT */
/* Grants: see grant.h. */
#include <thor/object/grant.h>

#include <abi/hel/errors.h>
#include <base/assert.h>
#include <thor/arch.h>
#include <thor/object/account.h>
#include <thor/sched/sched.h>

/* What a step of a sweep has come to. */
enum grant_step : uint32_t {
	GRANT_CUT,   /* uses are fewer, or were */
	GRANT_BUSY,  /* another CPU is at it */
	GRANT_EMPTY, /* there are no uses, and there will be none */
};

/* ---- life -------------------------------------------------------------------------- */

static void grant_leave_parent(struct grant *grant)
{
	if (grant->parent != NULL) {
		spinlock_acquire(&grant->parent->lock);
		list_remove(&grant->sibling_node);
		spinlock_release(&grant->parent->lock);
	}
}

static void grant_destroy(struct object *object)
{
	struct grant *grant = grant_of(object);

	ASSERT(list_is_empty(&grant->children));
	ASSERT(list_is_empty(&grant->uses));
	grant_leave_parent(grant);
	grant_unref(grant->parent);
	object_free(object);
}

static void grant_abandon(struct object *object)
{
	if (grant_of(object)->revokes_on_close) {
		grant_revoke(grant_of(object));
	}
}

static const struct object_class grant_class = {
	.type = HEL_TYPE_GRANT,
	.name = "grant",
	.rights = HEL_RIGHT_GRANT | HEL_RIGHT_MANAGE | HEL_RIGHT_DERIVE,
	.destroy = grant_destroy,
	.abandon = grant_abandon,
};

static void grant_run(struct work *work);

static int grant_join_parent(struct grant *grant, struct grant *parent)
{
	spinlock_acquire(&parent->lock);
	int error = parent->is_revoked ? -ERR_REVOKED : 0;

	if (error == 0) {
		list_push_back(&parent->children, &grant->sibling_node);
		grant->parent = grant_ref(parent);
	}
	spinlock_release(&parent->lock);
	return error;
}

int grant_create(struct grant *parent, bool revokes_on_close, struct grant **out_grant)
{
	if (parent != NULL && parent->depth == GRANT_DEPTH_MAX) {
		return -ERR_NO_SPACE;
	}
	struct grant *grant = object_create(&grant_class, sizeof(*grant));

	if (grant == NULL) {
		return -ERR_NO_MEMORY;
	}
	grant->depth = parent != NULL ? parent->depth + 1 : 0;
	grant->revokes_on_close = revokes_on_close;
	spinlock_init(&grant->lock, LOCK_RANK_GRANT);
	list_init(&grant->children);
	list_init(&grant->uses);
	list_node_init(&grant->sibling_node);
	work_init(&grant->work, grant_run);
	int error = parent != NULL ? grant_join_parent(grant, parent) : 0;

	if (error != 0) {
		object_free(&grant->object);
		return error;
	}
	*out_grant = grant;
	return 0;
}

bool grant_is_revoked(const struct grant *grant)
{
	while (grant != NULL && !atomic_load_explicit(&grant->is_revoked, memory_order_relaxed)) {
		grant = grant->parent;
	}
	return grant != NULL;
}

bool grant_is_below(const struct grant *grant, const struct grant *above)
{
	while (grant != NULL && grant != above) {
		grant = grant->parent;
	}
	return grant == above;
}

/* ---- revoking ---------------------------------------------------------------------- */

void grant_revoke(struct grant *grant)
{
	spinlock_acquire(&grant->lock);
	grant->is_revoked = true;
	if (!grant->is_work_posted) {
		grant->is_work_posted = true;
		object_ref(&grant->object);
		work_post(&grant->work);
	}
	spinlock_release(&grant->lock);
}

/* Nothing joins @grant any more. A child that is not being destroyed, referenced, or NULL. */
static struct grant *grant_close(struct grant *grant)
{
	struct grant *child;

	spinlock_acquire(&grant->lock);
	grant->is_revoked = true;
	while ((child = LIST_FIRST(&grant->children, struct grant, sibling_node)) != NULL &&
		!object_try_ref(&child->object)) {
		list_remove(&child->sibling_node);
	}
	spinlock_release(&grant->lock);
	return child;
}

/* The first grant below @root, or itself, without children: closed and referenced. */
static struct grant *grant_descend(struct grant *root)
{
	struct grant *grant = grant_ref(root);
	struct grant *child;

	while ((child = grant_close(grant)) != NULL) {
		grant_unref(grant);
		grant = child;
	}
	return grant;
}

/* The class and the holder of the first use; without uses a step that says so. */
static enum grant_step grant_pick(
	struct grant *grant, const struct grant_use_class **out_class, void **out_holder)
{
	enum grant_step step = GRANT_CUT;

	*out_holder = NULL;
	spinlock_acquire(&grant->lock);
	struct grant_use *use = LIST_FIRST(&grant->uses, struct grant_use, node);

	if (use == NULL) {
		step = grant->n_cutting == 0 ? GRANT_EMPTY : GRANT_BUSY;
	} else {
		*out_class = use->class;
		*out_holder = use->class->hold(use);
		if (*out_holder == NULL) {
			list_remove(&use->node);
		} else {
			grant->n_cutting++;
		}
	}
	spinlock_release(&grant->lock);
	return step;
}

static enum grant_step grant_cut_some(struct grant *grant)
{
	const struct grant_use_class *class;
	void *holder;
	enum grant_step step = grant_pick(grant, &class, &holder);

	if (holder != NULL) {
		step = class->cut(holder, grant) ? GRANT_CUT : GRANT_BUSY;
		spinlock_acquire(&grant->lock);
		grant->n_cutting--;
		spinlock_release(&grant->lock);
	}
	return step;
}

bool grant_sweep(struct grant *root)
{
	uint64_t start_ns = arch_clock_ns();

	do {
		struct grant *grant = grant_descend(root);
		enum grant_step step = grant_cut_some(grant);

		if (step == GRANT_EMPTY && grant != root) {
			grant_leave_parent(grant);
		}
		bool is_over = step == GRANT_EMPTY && grant == root;

		grant_unref(grant);
		if (is_over || step == GRANT_BUSY) {
			return !is_over;
		}
	} while (!sched_should_pause(start_ns));
	return true;
}

static void grant_run(struct work *work)
{
	struct grant *grant = container_of(work, struct grant, work);

	if (grant_sweep(grant)) {
		work_post(work);
		return;
	}
	spinlock_acquire(&grant->lock);
	grant->is_work_posted = false;
	spinlock_release(&grant->lock);
	grant_unref(grant);
}

/* ---- uses -------------------------------------------------------------------------- */

int grant_use_create(const struct grant_use_options *options, struct grant_use **out_use)
{
	*out_use = NULL;
	if (options->grant == NULL) {
		return 0;
	}
	struct grant_use *use = account_allocate(options->account, sizeof(*use));

	if (use == NULL) {
		return -ERR_NO_MEMORY;
	}
	use->grant = grant_ref(options->grant);
	use->class = options->class;
	use->account = options->account;
	use->holder = options->holder;
	use->user = options->user;
	list_node_init(&use->node);
	*out_use = use;
	return 0;
}

int grant_use_link(struct grant_use *use)
{
	int error = 0;

	if (use == NULL) {
		return 0;
	}
	spinlock_acquire(&use->grant->lock);
	if (use->grant->is_revoked) {
		error = -ERR_REVOKED;
	} else {
		list_push_back(&use->grant->uses, &use->node);
	}
	spinlock_release(&use->grant->lock);
	return error;
}

void grant_use_link_beside(struct grant_use *use, struct grant_use *other)
{
	if (use == NULL) {
		return;
	}
	ASSERT(use->grant == other->grant && use->holder == other->holder);
	spinlock_acquire(&use->grant->lock);
	if (list_node_is_linked(&other->node)) {
		list_insert_before(&other->node, &use->node);
	}
	spinlock_release(&use->grant->lock);
}

void grant_use_unlink(struct grant_use *use)
{
	spinlock_acquire(&use->grant->lock);
	list_remove(&use->node);
	spinlock_release(&use->grant->lock);
}

void *grant_use_take(struct grant_use *use)
{
	spinlock_acquire(&use->grant->lock);
	void *user = use->user;

	use->user = NULL;
	spinlock_release(&use->grant->lock);
	return user;
}

void grant_use_end(struct grant_use *use)
{
	if (use == NULL) {
		return;
	}
	struct grant *grant = use->grant;

	grant_use_unlink(use);
	account_free(use->account, use, sizeof(*use));
	grant_unref(grant);
}

struct grant_use *grant_first_use(
	struct grant *grant, const struct grant_use_class *class, const void *holder)
{
	spinlock_acquire(&grant->lock);
	struct grant_use *use = LIST_FIRST(&grant->uses, struct grant_use, node);

	if (use != NULL && (use->class != class || use->holder != holder)) {
		use = NULL;
	}
	spinlock_release(&grant->lock);
	return use;
}

void *grant_hold_object(struct grant_use *use)
{
	struct object *object = use->holder;

	return object_try_ref(object) ? object : NULL;
}
