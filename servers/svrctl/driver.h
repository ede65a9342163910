/* SPDX-License-Identifier: MIT */
/*
 * A driver: a server that is started when a device appears that it serves, gets a lane to each such
 * device, and is started again with the same devices after its end.
 *
 *	          a device                    not_before_ns
 *	  IDLE ---------------> BACKING OFF -----------------> RUNNING: each device is bound and
 *	   ^                        ^                             |     handed over, once a life
 *	   |                        '-----------------------------'
 *	   '-- all devices have vanished                  its end
 *
 * A driver that runs stays when its last device vanishes. Devices are objects of mbus. Whoever
 * serves the object sees that a driver has died by the end of its lane; it does not let the next
 * one in before the device is quiet.
 *
 * A driver that has run for DRIVER_STABLE_NS is started again at once: what kills it now and then
 * costs little. One that dies sooner waits, DRIVER_BACKOFF_MIN_NS at first and twice as long each
 * time, up to DRIVER_BACKOFF_MAX_NS.
 *
 * All that is one task; a device that comes or goes, or the driver's end, only changes the list or
 * is_running and wakes it.
 */
#ifndef SVRCTL_DRIVER_H
#define SVRCTL_DRIVER_H

#include <async/sync.h>
#include <helix/helix.h>

constexpr uint32_t DRIVER_DEVICES_MAX = 256;
constexpr uint64_t DRIVER_BACKOFF_MIN_NS = 10'000'000;
constexpr uint64_t DRIVER_BACKOFF_MAX_NS = 10'000'000'000;
constexpr uint64_t DRIVER_STABLE_NS = 500'000'000;

struct driver;

struct driver_ops {
	/* As that of demand_ops; its end must be told by driver_ended(). */
	int (*start)(struct driver *driver, hel_handle *out_control);
	/* Get a lane to a device for the driver; -ERR_NOT_FOUND: it has vanished. May suspend. */
	int (*bind)(struct task *task, struct driver *driver, uint64_t id, hel_handle *out_lane);
};

struct driver {
	const struct driver_ops *ops;
	struct job job;
	struct list devices; /* in the order of their coming */
	uint32_t n_devices;
	struct wait_queue changes;
	hel_handle control; /* while it runs */
	bool is_running;
	uint32_t n_starts;
	uint64_t backoff_ns; /* before the last start; 0: none */
	uint64_t not_before_ns;
};

/**
 * driver_init() - there is no device yet
 * @driver: caller's storage, for ever or until its job has been cancelled and has ended
 * @name: of the task; borrowed
 */
void driver_init(
	struct driver *driver, const struct driver_ops *ops, struct loop *loop, const char *name);

/**
 * driver_add() - a device has appeared
 * @id: of its object
 * @class: what it is, for the driver's log; copied
 *
 * Return: 0, -ERR_NO_SPACE (too many), -ERR_NO_MEMORY.
 */
MUST_USE int driver_add(struct driver *driver, uint64_t id, const char *class);

/** driver_remove() - a device has vanished; harmless if it is not this driver's */
void driver_remove(struct driver *driver, uint64_t id);

/** driver_ended() - the server that start() has started is no more */
void driver_ended(struct driver *driver);

#endif
