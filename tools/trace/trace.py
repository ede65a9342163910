#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Converts what user/ostrace has streamed out.

    tools/trace/trace.py STREAM [--log LOG] --json OUT     for chrome://tracing and ui.perfetto.dev
    tools/trace/trace.py STREAM [--log LOG] --text         one line per event
    tools/trace/trace.py STREAM [--log LOG] --build BUILD [--program PATH]... --folded OUT
                                                           the samples as folded stacks
"""

import argparse
import sys

import chrome
import folded
import stream
import symbols


def _print_text(trace, names):
    for event in trace.events:
        words = ' '.join(f'{word:#x}' for word in event.words)
        name = names.get(event.thread, f'{event.thread:x}')
        print(f'{event.ns / 1e9:.9f} {event.cpu} {name} {event.kind} {words}')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('stream')
    parser.add_argument('--log', help="the kernel's and servers' log of that run, for names")
    parser.add_argument('--json', metavar='OUT')
    parser.add_argument('--text', action='store_true')
    parser.add_argument('--folded', metavar='OUT')
    parser.add_argument('--build', help='folder of the build that ran, with --folded')
    parser.add_argument('--program', action='append', default=[],
                        help='a program that ran in the guest, for the names of its functions')
    options = parser.parse_args()
    try:
        trace = stream.read(options.stream)
    except (OSError, stream.Broken) as error:
        sys.exit(f'trace: {options.stream}: {error}')
    names = stream.thread_names(options.log)
    if options.json:
        chrome.write(trace, names, options.json)
    if options.folded:
        known = symbols.Symbols(options.build or '.', options.program)
        folded.write(trace, names, known, options.folded)
    if options.text:
        _print_text(trace, names)
    if not trace.is_complete:
        print('trace: the end is missing', file=sys.stderr)
    for cpu, n_lost in sorted(trace.n_lost.items()):
        print(f'trace: CPU {cpu}: {n_lost} events were lost', file=sys.stderr)


if __name__ == '__main__':
    main()
