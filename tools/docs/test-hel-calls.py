#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The pages on the hel calls are what the headers say."""

import os
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))

command = [sys.executable, '-B', os.path.join(FOLDER, 'hel_calls.py'), '--check']
sys.exit(subprocess.run(command, check=False).returncode)
