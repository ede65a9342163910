/* SPDX-License-Identifier: MIT */
/*
 * The completion side of a queue (abi/hel/queue.h), for spin: elements, chunks, the supply ring,
 * waiting and alerts, between the kernel, one thread of user mode and another one that alerts,
 * interleaved at every access of memory that both see.
 *
 * Checked: the thread takes every element once and in order, none is lost while no chunk is
 * supplied, a chunk is never written while the thread may still read it, and no wake-up is lost:
 * a run may only end when everything has arrived, alerts too: the thread looks at what the other one
 * has written only when a wait ended with an alert.
 *
 * WITHOUT_WAKE, WITHOUT_FLUSH, LOOK_WITHOUT_LOCK, EARLY_SUPPLY, ALERT_WITHOUT_LATCH,
 * ALERT_WITHOUT_LOCK and LATCH_TAKEN_EARLY are mistakes that spin must find.
 *
 *	kernel: complete()	writes an element, then chunk.progress, then n_completions, and wakes
 *				whoever waits, with the queue's lock held
 *	user: drive(seen)	flushes what stalled, and waits if n_completions == seen, with the
 *				lock held, too; an alert that was kept ends a wait before it begins
 *	alerter: alert()	wakes who waits, or leaves the alert for the next wait, with the lock
 *				held
 */
#define N_ELEMENTS 5 /* completions in all */
#define N_CHUNKS   2
#define CHUNK_SIZE 2 /* elements of a chunk */
#define SUPPLY     4 /* slots of the supply ring */
#define NONE       255
#define N_ALERTS   2

/* Shared memory. */
byte element[N_CHUNKS * CHUNK_SIZE];
byte progress[N_CHUNKS];
bit is_full[N_CHUNKS]; /* HEL_CHUNK_DONE */
byte supply[SUPPLY];
byte supply_tail;
byte n_completions;
byte n_written; /* by the one that alerts */

/* The kernel's own, guarded by `lock`. */
bit lock;
byte chunk = NONE;
byte used;
byte supply_head;
byte n_stalled; /* completions that found no chunk, in order */
byte next_value = 1; /* of the next element that is written */
bit is_waiting; /* the thread is on the queue's list */
bit is_alerted; /* nobody was waiting: the next wait ends at once */
bit was_alerted; /* how the wait of the thread has ended */

/* For the checks. */
bit is_readable[N_CHUNKS]; /* user mode has not handed the chunk back since it was filled */

inline acquire() { atomic { lock == 0 -> lock = 1 } }
inline release() { lock = 0 }

/* One element if there is room; `has_room` says so. The lock is held. */
inline write_element()
{
	has_room = 1;
	if
	:: chunk != NONE && used == CHUNK_SIZE -> is_full[chunk] = 1; chunk = NONE
	:: else
	fi;
	if
	:: chunk == NONE && supply_head != supply_tail ->
		chunk = supply[supply_head % SUPPLY];
		supply_head++;
		used = 0;
		assert(!is_readable[chunk]);
		is_readable[chunk] = 1
	:: chunk == NONE && supply_head == supply_tail -> has_room = 0
	:: else
	fi;
	if
	:: has_room ->
		element[chunk * CHUNK_SIZE + used] = next_value;
		next_value++;
		used++;
		progress[chunk] = used;
		n_completions++
	:: else
	fi
}

inline wake()
{
#ifdef WITHOUT_WAKE
	skip
#else
	is_waiting = 0
#endif
}

/* Operations complete one after the other, at any time. */
active proctype kernel()
{
	byte n_left = N_ELEMENTS;
	bit has_room;

	do
	:: n_left > 0 ->
		n_left--;
		acquire();
		if
		:: n_stalled == 0 ->
			write_element();
			if
			:: has_room -> wake()
			:: else -> n_stalled++
			fi
		:: else -> n_stalled++
		fi;
		release()
	:: n_left == 0 -> break
	od
}

active proctype alerter()
{
	byte n_left = N_ALERTS;
	bit is_told;

	do
	:: n_left > 0 ->
		n_left--;
		n_written++;
#ifdef ALERT_WITHOUT_LOCK
		is_told = is_waiting;
		acquire();
#else
		acquire();
		is_told = is_waiting;
#endif
		if
		:: is_told -> was_alerted = 1; is_waiting = 0
#ifdef ALERT_WITHOUT_LATCH
		:: else
#else
		:: else -> is_alerted = 1
#endif
		fi;
		release()
	:: else -> break
	od
}

active proctype user()
{
	byte n_taken;
	byte n_noticed; /* of what the other one has written */
	byte read_chunk = NONE; /* the chunk that is being read */
	byte offset;
	byte head; /* our copy of the place in the supply ring */
	byte tail;
	byte seen;
	bit has_room;

	/* All chunks are supplied at the start. */
	do
	:: tail < N_CHUNKS -> supply[tail % SUPPLY] = tail; tail++; supply_tail = tail
	:: else -> break
	od;
	do
	:: n_taken == N_ELEMENTS && n_noticed == N_ALERTS -> break
	:: else ->
		if
		:: read_chunk == NONE && head != tail -> read_chunk = supply[head % SUPPLY]
		:: else
		fi;
		if
		:: read_chunk != NONE && offset < progress[read_chunk] ->
			/* Elements come in order, each once. */
			assert(element[read_chunk * CHUNK_SIZE + offset] == n_taken + 1);
			offset++;
			n_taken++
#ifdef EARLY_SUPPLY
		:: read_chunk != NONE && offset > 0 && offset == progress[read_chunk] ->
#else
		:: read_chunk != NONE && offset == progress[read_chunk] && is_full[read_chunk] ->
#endif
			head++;
			offset = 0;
			progress[read_chunk] = 0;
			is_full[read_chunk] = 0;
			is_readable[read_chunk] = 0;
			supply[tail % SUPPLY] = read_chunk;
			tail++;
			supply_tail = tail;
			read_chunk = NONE
		:: else ->
			/* drive(): nothing is there that has not been taken */
			seen = n_taken;
			acquire();
			was_alerted = 0;
			do
#ifndef WITHOUT_FLUSH
			:: n_stalled > 0 ->
				write_element();
				if
				:: has_room -> n_stalled--
				:: else -> break
				fi
#endif
			:: else -> break
			od;
#ifdef LOOK_WITHOUT_LOCK
			release();
			if
			:: n_completions == seen -> acquire(); is_waiting = 1
			:: else -> acquire()
			fi;
#else
			if
#ifdef LATCH_TAKEN_EARLY
			:: is_alerted -> is_alerted = 0; was_alerted = (n_completions == seen)
			:: n_completions == seen && !is_alerted -> is_waiting = 1
#else
			:: n_completions == seen && is_alerted -> is_alerted = 0; was_alerted = 1
			:: n_completions == seen && !is_alerted -> is_waiting = 1
#endif
			:: else
			fi;
#endif
			release();
			/* asleep until somebody wakes us */
			is_waiting == 0;
			if
			:: was_alerted -> n_noticed = n_written
			:: else
			fi
		fi
	od
}
