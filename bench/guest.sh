#!/bin/sh
# SPDX-License-Identifier: MIT
# What runs in the guest: the state at the start of the command, then the benchmarks.
osbench --boot
exec osbench "$@"
