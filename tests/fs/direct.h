/* SPDX-License-Identifier: MIT */
/* Direct transfers (protocols/fs/direct.h): fs.mode=direct, loans, and a part of removal. */
#ifndef TESTS_FS_DIRECT_H
#define TESTS_FS_DIRECT_H

#include "fs-client.h"

#include <tests/native/task-tests.h>

#define N_DIRECT_TESTS 8
#define N_LOAN_TESTS   12

/** direct_tests - of a disk of 8 MiB with pattern 0, whose first MiB has pattern 8 in the end */
extern const struct task_test direct_tests[N_DIRECT_TESTS];

/** loan_tests - loans.c: of a disk of 8 MiB, whose first MiB has pattern 8 in the end */
extern const struct task_test loan_tests[N_LOAN_TESTS];

/** direct_before_removal() - a transfer of a disk that will be taken out */
MUST_USE bool direct_before_removal(struct task *task, struct fs_client *session);

/** direct_after_removal() - what another one says then; the channel stays open */
MUST_USE bool direct_after_removal(void);

#endif
