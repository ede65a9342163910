/* SPDX-License-Identifier: MIT */
/* The stages of the start. What provides each stands with the code that does. */
#include <thor/init/init.h>

/* Frames can be allocated, and with them heap and kernel objects. */
INIT_STAGE(memory, "memory");

/* This CPU has a clock, a timer and a scheduler: threads can be made, and wait. */
INIT_STAGE(tasking, "tasking", .needs = { "memory" });

/* All that user mode may ask of thor works, on all CPUs. */
INIT_STAGE(ready, "ready", .needs = { "tasking" });
