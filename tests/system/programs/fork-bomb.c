/* SPDX-License-Identifier: MIT */
/*
 * Forks until that fails, which has to be with EAGAIN or ENOMEM, and ends all children again.
 *
 *	fork-bomb [N_MAX]
 *
 * Prints the number of children and the error. 0 if the error is right and all children are gone.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int n_max = argc > 1 ? atoi(argv[1]) : 200000;
	int n_children = 0, n_reaped = 0, error = 0;
	int gate[2];
	char byte;

	if (pipe(gate) != 0) {
		return 1;
	}
	while (n_children < n_max) {
		pid_t child = fork();

		if (child < 0) {
			error = errno;
			break;
		}
		if (child == 0) {
			close(gate[1]);
			(void)!read(gate[0], &byte, 1);   /* until the parent closes the pipe */
			_exit(0);
		}
		n_children++;
	}
	close(gate[0]);
	close(gate[1]);
	while (wait(NULL) > 0) {
		n_reaped++;
	}
	printf("%d children, %d reaped, %s\n", n_children, n_reaped,
		error ? strerror(error) : "no error");
	return n_reaped == n_children && (error == EAGAIN || error == ENOMEM) ? 0 : 1;
}
