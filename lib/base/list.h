/* SPDX-License-Identifier: MIT */
/*
 * Intrusive circular doubly linked list.
 *
 * The links live in the objects, so linking allocates nothing and an object can leave a list
 * without knowing which one. An unlinked node points to itself (or is all zero, which counts as
 * unlinked, too), so "is it linked?" always has an answer for an initialised node.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <base/types.h>

struct list_node {
	struct list_node *next;
	struct list_node *prev;
};

struct list {
	struct list_node head;
};

/** LIST_INIT() - static initialiser of the list object @list */
#define LIST_INIT(list) \
	{ \
		.head = {.next = &(list).head, .prev = &(list).head } \
	}

/** list_init() - make @list empty */
static inline void list_init(struct list *list)
{
	list->head.next = &list->head;
	list->head.prev = &list->head;
}

/** list_node_init() - make @node unlinked; needed only where list_node_is_linked() is asked */
static inline void list_node_init(struct list_node *node)
{
	node->next = node;
	node->prev = node;
}

/** list_node_is_linked() - whether the initialised @node is on a list */
static inline bool list_node_is_linked(const struct list_node *node)
{
	return node->next != NULL && node->next != node;
}

/** list_is_empty() - whether @list has no nodes */
static inline bool list_is_empty(const struct list *list)
{
	return list->head.next == &list->head;
}

/** list_insert_before() - link the unlinked @node just before @position, a node of some list */
static inline void list_insert_before(struct list_node *position, struct list_node *node)
{
	node->next = position;
	node->prev = position->prev;
	position->prev->next = node;
	position->prev = node;
}

/** list_push_back() - link the unlinked @node as the last one */
static inline void list_push_back(struct list *list, struct list_node *node)
{
	list_insert_before(&list->head, node);
}

/** list_push_front() - link the unlinked @node as the first one */
static inline void list_push_front(struct list *list, struct list_node *node)
{
	list_insert_before(list->head.next, node);
}

/** list_remove() - take @node off its list and initialise it; harmless when it is unlinked */
static inline void list_remove(struct list_node *node)
{
	if (list_node_is_linked(node)) {
		node->prev->next = node->next;
		node->next->prev = node->prev;
	}
	list_node_init(node);
}

/** list_first() - the first node, NULL when @list is empty */
static inline struct list_node *list_first(const struct list *list)
{
	struct list_node *node = list->head.next;

	if (node == &list->head) {
		return NULL;
	}
	if (node == NULL) {
		unreachable(); /* so that nobody tests for it a second time */
	}
	return node;
}

/** list_last() - the last node, NULL when @list is empty */
static inline struct list_node *list_last(const struct list *list)
{
	return list_is_empty(list) ? NULL : list->head.prev;
}

/** list_next() - the node after @node, NULL at the end of @list */
static inline struct list_node *list_next(const struct list *list, const struct list_node *node)
{
	return node->next == &list->head ? NULL : node->next;
}

/** list_prev() - the node before @node, NULL at the start of @list */
static inline struct list_node *list_prev(const struct list *list, const struct list_node *node)
{
	return node->prev == &list->head ? NULL : node->prev;
}

/** list_pop_front() - take the first node off @list; NULL when empty */
static inline struct list_node *list_pop_front(struct list *list)
{
	struct list_node *node = list_first(list);

	if (node != NULL) {
		list->head.next = node->next;
		node->next->prev = &list->head;
		list_node_init(node);
	}
	return node;
}

/**
 * list_append_all() - move all nodes of @from, in order, to the end of @list; @from becomes empty
 */
static inline void list_append_all(struct list *list, struct list *from)
{
	if (list_is_empty(from)) {
		return;
	}
	from->head.next->prev = list->head.prev;
	list->head.prev->next = from->head.next;
	from->head.prev->next = &list->head;
	list->head.prev = from->head.prev;
	list_init(from);
}

/** list_size() - number of nodes, by counting; for tests and statistics */
static inline size_t list_size(const struct list *list)
{
	size_t n_nodes = 0;

	const struct list_node *end = &list->head;

	for (const struct list_node *node = end->next; node != end; node = node->next) {
		n_nodes++;
	}
	return n_nodes;
}

/** LIST_ENTRY() - the object around a node that may be NULL; NULL for NULL */
#define LIST_ENTRY(node, type, member) \
	({ \
		struct list_node *list_node_ = (node); \
		list_node_ != NULL ? container_of(list_node_, type, member) : (type *)NULL; \
	})

/** LIST_FIRST() - the object of the first node, NULL when the list is empty */
#define LIST_FIRST(list, type, member) LIST_ENTRY(list_first(list), type, member)

/** LIST_POP_FRONT() - take the first object off the list; NULL when it is empty */
#define LIST_POP_FRONT(list, type, member) LIST_ENTRY(list_pop_front(list), type, member)

/**
 * LIST_FOR_EACH() - visit the objects of a list in order
 * @entry: name of the loop variable, declared by the macro as `type *`
 *
 * The body must not unlink @entry; see LIST_FOR_EACH_SAFE().
 */
#define LIST_FOR_EACH(entry, list, type, member) \
	for (type *entry = LIST_FIRST(list, type, member); entry != NULL; \
		entry = LIST_ENTRY(list_next(list, &entry->member), type, member))

/** LIST_FOR_EACH_SAFE() - same; the body may unlink and free @entry, but not its successor */
#define LIST_FOR_EACH_SAFE(entry, list, type, member) \
	for (type *entry = LIST_FIRST(list, type, member), *entry##_next_; entry != NULL && \
		(entry##_next_ = LIST_ENTRY(list_next(list, &entry->member), type, member), true); \
		entry = entry##_next_)

#endif
