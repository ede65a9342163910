/* SPDX-License-Identifier: MIT */
/*
 * Ports: who is bound to which, who may be, and who takes what is sent there. See inet.h.
 *
 * A port exists while sockets are bound to it, while accepted sockets use it, or while it rests:
 * for 60 s after a connection was closed from this side first, only sockets with SO_REUSEADDR
 * may be bound to it. Those that rest are in a list, the oldest first, whose head is looked at
 * whenever a port is taken or given back.
 */
#include <abi/linux/errno.h>
#include <base/assert.h>
#include <base/string.h>
#include <helix/memory.h>
#include <posix/server/socket/inet.h>

constexpr uint32_t PORT_LISTS = 1024;
constexpr uint32_t EPHEMERAL_FIRST = 32768, EPHEMERAL_LAST = 60999;

static struct list port_lists[PORT_LISTS];
static struct list resting = LIST_INIT(resting);

static struct list *port_list(uint16_t number)
{
	struct list *list = &port_lists[number % PORT_LISTS];

	if (list->head.next == NULL) {
		list_init(list);
	}
	return list;
}

/* A port that nobody needs any more goes. */
static void port_drop_if_idle(struct inet_port *port)
{
	if (list_is_empty(&port->bound) && port->n_accepted == 0 && port->rests_until_ns == 0) {
		list_remove(&port->node);
		helix_free(port);
	}
}

static void port_rest(struct inet_port *port)
{
	list_remove(&port->rest_node);
	list_push_back(&resting, &port->rest_node);
	port->rests_until_ns = clock_monotonic_ns() + INET_REST_NS;
}

static void drop_rested(void)
{
	uint64_t now_ns = list_is_empty(&resting) ? 0 : clock_monotonic_ns();
	struct inet_port *port;

	while ((port = LIST_FIRST(&resting, struct inet_port, rest_node)) != NULL &&
		port->rests_until_ns <= now_ns) {
		list_remove(&port->rest_node);
		port->rests_until_ns = 0;
		port_drop_if_idle(port);
	}
}

static struct inet_port *port_find(uint16_t number, uint16_t protocol)
{
	LIST_FOR_EACH(port, port_list(number), struct inet_port, node) {
		if (port->number == number && port->protocol == protocol) {
			return port;
		}
	}
	return NULL;
}

static struct inet_port *port_create(uint16_t number, uint16_t protocol)
{
	struct inet_port *port = helix_malloc(sizeof(*port));

	if (port != NULL) {
		*port = (struct inet_port){ .number = number, .protocol = protocol };
		list_init(&port->bound);
		list_node_init(&port->rest_node);
		list_push_back(port_list(number), &port->node);
	}
	return port;
}

/* Whether what @a takes and what @b takes have an address in common. */
static bool overlaps(const struct inet_socket *a, const struct inet_address *a_address,
	const struct inet_socket *b)
{
	const struct inet_address *b_address = &b->local;
	bool a_any = inet_is_any(a_address), b_any = inet_is_any(b_address);
	bool a_v4 = inet_is_v4(a_address), b_v4 = inet_is_v4(b_address);

	if (!a_any && !b_any) {
		return inet_is_equal_ip(a_address, b_address);
	}
	if (a_v4 == b_v4) {
		return true;
	}
	/* one is IPv4: the other takes it only if it is a dual-stack wildcard */
	return a_v4 ? b_any && !b->is_only_v6 : a_any && !a->is_only_v6;
}

static bool may_share(const struct inet_socket *socket, const struct inet_socket *other)
{
	if (socket->reuses_port && other->reuses_port && socket->uid == other->uid) {
		return true;
	}
	return socket->reuses_address && other->reuses_address && other->state != INET_LISTENING;
}

static bool port_is_free(const struct inet_port *port, const struct inet_socket *socket,
	const struct inet_address *address)
{
	if (port->n_accepted_strict > 0 || (port->n_accepted > 0 && !socket->reuses_address) ||
		(port->rests_until_ns != 0 && !socket->reuses_address)) {
		return false;
	}
	LIST_FOR_EACH(other, &port->bound, struct inet_socket, port_node) {
		if (overlaps(socket, address, other) && !may_share(socket, other)) {
			return false;
		}
	}
	return true;
}

static void socket_join(
	struct inet_socket *socket, struct inet_port *port, const struct inet_address *address)
{
	socket->local = *address;
	socket->local.port = port->number;
	socket->port = port;
	list_push_back(&port->bound, &socket->port_node);
}

/* A port of the ephemeral range that nobody uses, from a place that is hard to guess on. */
static int64_t bind_to_free(struct inet_socket *socket, const struct inet_address *address)
{
	constexpr uint32_t N_PORTS = EPHEMERAL_LAST - EPHEMERAL_FIRST + 1;
	static uint64_t state = 0x9e3779b97f4a7c15;

	state = (state ^ clock_monotonic_ns()) * 6364136223846793005u + 1442695040888963407u;
	uint32_t start = (uint32_t)(state >> 33);

	for (uint32_t i = 0; i < N_PORTS; i++) {
		uint16_t number = (uint16_t)(EPHEMERAL_FIRST + (start + i) % N_PORTS);

		if (port_find(number, socket->protocol) == NULL) {
			struct inet_port *port = port_create(number, socket->protocol);

			if (port == NULL) {
				return -LINUX_ENOMEM;
			}
			socket_join(socket, port, address);
			return 0;
		}
	}
	return -LINUX_EADDRINUSE;
}

int64_t inet_bind_to(struct inet_socket *socket, const struct inet_address *address)
{
	ASSERT(socket->port == NULL);
	drop_rested();
	if (address->port == 0) {
		return bind_to_free(socket, address);
	}
	struct inet_port *port = port_find(address->port, socket->protocol);

	if (port != NULL && !port_is_free(port, socket, address)) {
		return -LINUX_EADDRINUSE;
	}
	if (port == NULL) {
		port = port_create(address->port, socket->protocol);
	}
	if (port == NULL) {
		return -LINUX_ENOMEM;
	}
	socket_join(socket, port, address);
	return 0;
}

void inet_adopt_port(struct inet_socket *child, const struct inet_socket *listener)
{
	child->port = listener->port;
	child->is_accepted = true;
	child->reuses_address = listener->reuses_address;
	child->reuses_port = listener->reuses_port;
	child->port->n_accepted++;
	child->port->n_accepted_strict += !child->reuses_address;
}

void inet_reuse_address(struct inet_socket *socket, bool reuses)
{
	if (socket->is_accepted) {
		socket->port->n_accepted_strict += !reuses;
		socket->port->n_accepted_strict -= !socket->reuses_address;
	}
	socket->reuses_address = reuses;
}

void inet_release_port(struct inet_socket *socket)
{
	struct inet_port *port = socket->port;

	if (port == NULL) {
		return;
	}
	if (socket->is_accepted) {
		port->n_accepted--;
		port->n_accepted_strict -= !socket->reuses_address;
	}
	list_remove(&socket->port_node);
	if (socket->is_first_to_close) {
		port_rest(port);
	}
	socket->port = NULL;
	socket->is_accepted = false;
	port_drop_if_idle(port);
	drop_rested();
}

bool inet_can_listen(const struct inet_socket *socket)
{
	LIST_FOR_EACH(other, &socket->port->bound, struct inet_socket, port_node) {
		if (other != socket && other->state == INET_LISTENING &&
			overlaps(socket, &socket->local, other) && !may_share(socket, other)) {
			return false;
		}
	}
	return true;
}

/* How well a socket fits: 0: not at all. */
static uint32_t score_of(const struct inet_socket *socket, const struct inet_address *to,
	const struct inet_address *from)
{
	uint32_t score;

	if (inet_is_equal_ip(&socket->local, to)) {
		score = 3;
	} else if (!inet_is_any(&socket->local)) {
		return 0;
	} else if (inet_is_v4(&socket->local) == inet_is_v4(to)) {
		score = 2;
	} else if (inet_is_v4(to) && !socket->is_only_v6) {
		score = 1;
	} else {
		return 0;
	}
	if (inet_is_stream(socket)) {
		return socket->state == INET_LISTENING ? score : 0;
	}
	if (socket->remote.port == 0) {
		return score;
	}
	return inet_is_equal_ip(&socket->remote, from) && socket->remote.port == from->port
		? score + 4
		: 0;
}

struct inet_socket *inet_find(
	uint16_t protocol, const struct inet_address *to, const struct inet_address *from)
{
	struct inet_port *port = port_find(to->port, protocol);
	struct inet_socket *best = NULL;
	uint32_t best_score = 0;

	if (port == NULL) {
		return NULL;
	}
	LIST_FOR_EACH(socket, &port->bound, struct inet_socket, port_node) {
		uint32_t score = score_of(socket, to, from);

		/* of datagram sockets that share a port the last one gets all */
		if (score > best_score ||
			(score > 0 && score == best_score && !socket->reuses_port)) {
			best = socket;
			best_score = score;
		}
	}
	if (best != NULL && best->reuses_port) {
		/* those that share the port take turns */
		list_remove(&best->port_node);
		list_push_back(&port->bound, &best->port_node);
	}
	return best;
}
