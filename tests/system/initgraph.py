#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The graph of thor's start, as thor.initgraph prints it."""

import glob
import os
import re
import tempfile

import guest
from guest import check, check_equal

_DECLARATION = re.compile(r'^INIT_(?:TASK|STAGE)\(\w+, "([a-z-]+)"', re.MULTILINE)


def _boot():
    """(nodes in the order in which they ran, edges, the log)"""
    with tempfile.TemporaryDirectory(prefix='hati-test-') as folder:
        path = os.path.join(folder, 'log')
        outcome = guest.run('busybox', 'true',
                            options=('--log', path, '--append', 'thor.initgraph'))
        check_equal(outcome.status, 0, 'status')
        with open(path, encoding='utf-8', errors='replace') as file:
            log = file.read()
    graph = '\n'.join(re.findall(r'initgraph: (.*)', log))
    check(graph.startswith('digraph init {') and graph.endswith('}'), graph)
    nodes = re.findall(r'^"([^"]+)" \[', graph, re.MULTILINE)
    edges = re.findall(r'^"([^"]+)" -> "([^"]+)";$', graph, re.MULTILINE)
    return nodes, edges, log


def _declared():
    """The names of all tasks and stages in thor's sources, but for tests and the simulator."""
    names = set()
    for path in glob.glob(os.path.join(guest.TOP, 'kernel/thor/**/*.c'), recursive=True):
        if '/tests/' not in path and '/arch/sim/' not in path:
            with open(path, encoding='utf-8') as file:
                names.update(_DECLARATION.findall(file.read()))
    return names


def the_graph_has_all_tasks_in_order():
    nodes, edges, log = _boot()
    check_equal(set(nodes), _declared(), 'what ran')
    check_equal(len(nodes), len(set(nodes)), 'number of tasks')
    place = {name: number for number, name in enumerate(nodes)}
    for before, after in edges:
        check(place[before] < place[after], f'{after} ran before {before}')
    check_equal(nodes[-1], 'bootstrap', 'the last task')
    for stage in ('memory', 'tasking', 'ready'):
        check(re.search(rf'init: {stage} after \d+ us', log), f'no time of {stage}')


guest.main([the_graph_has_all_tasks_in_order])
