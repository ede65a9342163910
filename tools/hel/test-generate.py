#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is made of abi/hel/definition is in the tree as it would be made now."""

import os
import subprocess
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))

command = [sys.executable, '-B', os.path.join(FOLDER, 'generate.py'), '--check']
sys.exit(subprocess.run(command, check=False).returncode)
