#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the handbook and writes it as HTML.

    docs.py [--check] [--output FOLDER]

Prints "ok RULE" or "not ok RULE: ..." for each rule:

    docs-links      each link leads to a page, a file or a heading that exists
    docs-reachable  each page below docs/ can be reached from docs/README.md
    docs-paths      each path of the tree that stands in code font exists
    docs-title      each page begins with a heading
"""

import argparse
import html
import os
import re
import shutil
import subprocess
import sys

import markdown

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START = 'docs/README.md'
_N_PLACES_SHOWN = 20
_PATH_IN_CODE = re.compile(r'[\w.-]+(/[\w.+-]+)+/?')

STYLE = """
body { max-width: 52em; margin: 2em auto; padding: 0 1em; font: 16px/1.5 sans-serif; }
pre, code { font: 14px/1.4 monospace; background: #f4f4f2; }
pre { padding: .7em 1em; overflow-x: auto; } td, th { padding: .2em .6em; vertical-align: top; }
table { border-collapse: collapse; } td, th { border: 1px solid #ccc; text-align: left; }
nav { font-size: 90%; border-bottom: 1px solid #ccc; }
"""


def load_pages():
    """{path: text} of all pages of the tree: the handbook and the folders' READMEs."""
    listing = subprocess.run(['git', '-C', TOP, 'ls-files', '*.md'], check=True,
                             capture_output=True, text=True)
    pages = {}
    for path in listing.stdout.split():
        full_path = os.path.join(TOP, path)
        if os.path.exists(full_path):
            with open(full_path, encoding='utf-8') as file:
                pages[path] = file.read()
    return pages


def is_outside(target):
    return re.match(r'[a-z]+:', target) is not None


def target_path(page, target):
    """(path in the tree, anchor) of a link on a page."""
    path, _, anchor = target.partition('#')
    if not path:
        return page, anchor
    return os.path.normpath(os.path.join(os.path.dirname(page), path)), anchor


def check_links(pages):
    anchors = {path: {markdown.slug(text) for _, text in markdown.headings(pages[path])}
               for path in pages}
    for page, text in pages.items():
        for number, target in markdown.links(text):
            if is_outside(target):
                continue
            path, anchor = target_path(page, target)
            if not os.path.exists(os.path.join(TOP, path)):
                yield f"{page}:{number}: '{target}' does not exist"
            elif anchor and path in anchors and anchor not in anchors[path]:
                yield f"{page}:{number}: '{target}': no such heading"


def check_reachable(pages):
    seen, waiting = set(), [START]
    while waiting:
        page = waiting.pop()
        if page in seen or page not in pages:
            continue
        seen.add(page)
        waiting += [target_path(page, target)[0] for _, target in markdown.links(pages[page])
                    if not is_outside(target)]
    for page in pages:
        if page.startswith('docs/') and page not in seen:
            yield f'{page}: no link leads here from {START}'


def check_paths(pages):
    folders = {name for name in os.listdir(TOP)
               if os.path.isdir(os.path.join(TOP, name))} - {'build'}
    for page, text in pages.items():
        for number, code in markdown.inline_codes(text):
            if not _PATH_IN_CODE.fullmatch(code) or code.split('/')[0] not in folders or \
                    code.startswith('boot/hati/'):   # a path in the initrd
                continue
            if not os.path.exists(os.path.join(TOP, code)):
                yield f"{page}:{number}: '{code}' does not exist"


def check_titles(pages):
    for page, text in pages.items():
        if not text.startswith('# '):
            yield f'{page}:1: no heading in the first line'


RULES = {
    'docs-links': check_links,
    'docs-reachable': check_reachable,
    'docs-paths': check_paths,
    'docs-title': check_titles,
}


def check(pages):
    """Prints a line per rule; returns the number of rules that are broken."""
    n_broken = 0
    for rule, find in RULES.items():
        places = list(find(pages))
        for place in places[:_N_PLACES_SHOWN]:
            print(place)
        if places:
            n_broken += 1
            print(f'not ok {rule}: {len(places)} places, the first is {places[0]}')
        else:
            print(f'ok {rule}')
    return n_broken


def html_path(path):
    return re.sub(r'(^|/)README\.md$', r'\1index.html', path).replace('.md', '.html')


def link_in_html(page, target, pages):
    """A page's link: to another page's HTML, or to the file in the tree."""
    if is_outside(target):
        return target
    path, anchor = target_path(page, target)
    here = os.path.dirname(html_path(page))
    suffix = f'#{anchor}' if anchor else ''
    if path in pages:
        return os.path.relpath(html_path(path), here or '.') + suffix
    return os.path.relpath(os.path.join(TOP, path), os.path.join(TOP, 'build/docs', here))


def title_of(text, path):
    found = markdown.headings(text)
    return re.sub(r'[`*]', '', found[0][1]) if found else path


def write(pages, folder):
    """Writes all pages as HTML, and a list of them."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in pages.items():
        output = os.path.join(folder, html_path(path))
        os.makedirs(os.path.dirname(output), exist_ok=True)
        start = os.path.relpath(html_path(START), os.path.dirname(html_path(path)) or '.')
        everything = os.path.relpath('pages.html', os.path.dirname(html_path(path)) or '.')
        body = markdown.render(text, lambda target, path=path: link_in_html(path, target, pages))
        with open(output, 'w', encoding='utf-8') as file:
            file.write(f'<!doctype html><meta charset="utf-8"><title>'
                       f'{html.escape(title_of(text, path))}</title><style>{STYLE}</style>'
                       f'<nav><a href="{start}">handbook</a> '
                       f'<a href="{everything}">all pages</a></nav>\n{body}\n')
    rows = ''.join(f'<li><a href="{html_path(path)}">{html.escape(title_of(pages[path], path))}'
                   f'</a> <code>{path}</code></li>\n' for path in sorted(pages))
    with open(os.path.join(folder, 'pages.html'), 'w', encoding='utf-8') as file:
        file.write(f'<!doctype html><meta charset="utf-8"><title>All pages</title>'
                   f'<style>{STYLE}</style><h1>All pages</h1><ul>{rows}</ul>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--check', action='store_true', help='only check')
    parser.add_argument('--output', default=os.path.join(TOP, 'build/docs'))
    options = parser.parse_args()
    pages = load_pages()
    n_broken = check(pages)
    if not options.check:
        write(pages, options.output)
        print(f'docs: {len(pages)} pages in {os.path.relpath(options.output)}, '
              'begin with docs/index.html')
    return 1 if n_broken else 0


if __name__ == '__main__':
    sys.exit(main())
