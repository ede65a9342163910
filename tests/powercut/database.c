/* SPDX-License-Identifier: MIT */
/*
 * The databases of the power-cut test, an ordinary Linux program: sqlite's transactions.
 *
 *	database FOLDER MARKERS SEED STEPS FIRST
 *
 * Three workers, each with a database in a folder of its own below FOLDER, and a marker on MARKERS
 * as the workers of workload.c have (numbers FIRST, ...), written when COMMIT has returned:
 *
 *	0  journal_mode=DELETE, synchronous=EXTRA: what was committed is durable
 *	1  journal_mode=WAL, synchronous=FULL: the same
 *	2  journal_mode=DELETE, synchronous=FULL: all but the last one, for sqlite does not wait
 *	   for the end of its journal's name
 *
 * Transaction n adds row n, writes row n - 7 anew, removes row n - 50, and says so in `state`; what
 * must be in a database follows from the number in there (tests/system/databases.py).
 */
#define _GNU_SOURCE /* O_DIRECT */
#include "plan.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_DATABASES   3
#define MARKER_STRIDE 4096
#define SIZE_MAX_ROW  3100
#define N_KEPT        50 /* rows */
#define REWRITTEN     7  /* so many steps later */

static const char *const modes[N_DATABASES] = {
	"pragma journal_mode=delete; pragma synchronous=extra;",
	"pragma journal_mode=wal; pragma synchronous=full; pragma wal_autocheckpoint=20;",
	"pragma journal_mode=delete; pragma synchronous=full;",
};

struct database {
	sqlite3 *connection;
	uint32_t number;
	uint32_t n_steps;
};

__attribute__((noreturn)) static void fail(const struct database *database, const char *what)
{
	fprintf(stderr, "database %u: step %u, %s: %s, %s\n", database->number, database->n_steps,
		what, database->connection != NULL ? sqlite3_errmsg(database->connection) : "",
		strerror(errno));
	exit(1);
}

static void run(const struct database *database, const char *words)
{
	if (sqlite3_exec(database->connection, words, NULL, NULL, NULL) != SQLITE_OK) {
		fail(database, words);
	}
}

/* A row has as many bytes as its number says; they change with its version. */
static int row_fill(uint32_t row, uint32_t version, uint8_t *out_bytes)
{
	uint32_t size = 10 + row * 7919 % 3000;

	for (uint32_t i = 0; i < size; i++) {
		out_bytes[i] = (uint8_t)(row * 31 + version * 17 + i);
	}
	return (int)size;
}

static void put_row(const struct database *database, uint32_t row, uint32_t version)
{
	static const char words[] = "insert or replace into rows values (?, ?, ?)";
	uint8_t bytes[SIZE_MAX_ROW];
	sqlite3_stmt *statement;
	int size = row_fill(row, version, bytes);

	if (sqlite3_prepare_v2(database->connection, words, -1, &statement, NULL) != SQLITE_OK ||
		sqlite3_bind_int(statement, 1, (int)row) != SQLITE_OK ||
		sqlite3_bind_int(statement, 2, (int)version) != SQLITE_OK ||
		sqlite3_bind_blob(statement, 3, bytes, size, SQLITE_TRANSIENT) != SQLITE_OK ||
		sqlite3_step(statement) != SQLITE_DONE ||
		sqlite3_finalize(statement) != SQLITE_OK) {
		fail(database, "a row");
	}
}

static void commit_step(struct database *database)
{
	uint32_t step = ++database->n_steps;
	char words[128];

	run(database, "begin");
	put_row(database, step, 0);
	if (step > REWRITTEN) {
		put_row(database, step - REWRITTEN, 1);
	}
	snprintf(words, sizeof(words),
		"delete from rows where number <= %d; update state set n_steps = %u",
		(int)step - N_KEPT, step);
	run(database, words);
	run(database, "commit");
}

static int work(const char *folder, const char *markers, uint64_t seed, uint32_t n_steps,
	uint32_t first, uint32_t number)
{
	struct database database = { .number = number };
	struct plan_marker marker = { .magic = PLAN_MAGIC, .seed = seed, .worker = first + number };
	int device = open(markers, O_WRONLY | O_DIRECT | O_DSYNC);
	uint8_t *sector = aligned_alloc(MARKER_STRIDE, MARKER_STRIDE);
	char path[256];

	snprintf(path, sizeof(path), "%s/%u/base", folder, number);
	if (device < 0 || sector == NULL || sqlite3_open(path, &database.connection) != SQLITE_OK) {
		fail(&database, path);
	}
	run(&database, modes[number]);
	memset(sector, 0, MARKER_STRIDE);
	while (database.n_steps < n_steps) {
		commit_step(&database);
		marker.n_steps = database.n_steps;
		memcpy(sector, &marker, sizeof(marker));
		if (pwrite(device, sector, MARKER_STRIDE, (off_t)marker.worker * MARKER_STRIDE) !=
			MARKER_STRIDE) {
			fail(&database, "marker");
		}
	}
	if (sqlite3_close(database.connection) != SQLITE_OK) {
		fail(&database, "close");
	}
	return 0;
}

/* An empty database, before any marker is written; the first cuts must find it. */
static void make(const char *folder, uint32_t number)
{
	struct database database = { .number = number };
	char path[256];

	snprintf(path, sizeof(path), "%s/%u", folder, number);
	if (mkdir(path, 0755) != 0) {
		fail(&database, path);
	}
	strcat(path, "/base");
	if (sqlite3_open(path, &database.connection) != SQLITE_OK) {
		fail(&database, path);
	}
	run(&database, modes[number]);
	run(&database,
		"create table rows (number integer primary key, version integer, bytes blob);"
		"create table state (n_steps integer); insert into state values (0)");
	if (sqlite3_close(database.connection) != SQLITE_OK) {
		fail(&database, "close");
	}
}

int main(int n_arguments, char **arguments)
{
	int status, result = 0;

	if (n_arguments != 6) {
		fprintf(stderr, "usage: database FOLDER MARKERS SEED STEPS FIRST\n");
		return 2;
	}
	if (mkdir(arguments[1], 0755) != 0) {
		perror(arguments[1]);
		return 1;
	}
	for (uint32_t i = 0; i < N_DATABASES; i++) {
		make(arguments[1], i);
	}
	sync();
	for (uint32_t i = 0; i < N_DATABASES; i++) {
		if (fork() == 0) {
			_exit(work(arguments[1], arguments[2], strtoull(arguments[3], NULL, 0),
				(uint32_t)atoi(arguments[4]), (uint32_t)atoi(arguments[5]), i));
		}
	}
	while (wait(&status) > 0) {
		result |= status != 0;
	}
	return result;
}
