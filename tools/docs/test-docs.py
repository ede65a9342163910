#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unit tests of the handbook's checker and of its Markdown."""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, '../test')]
import cases  # noqa: E402
import docs  # noqa: E402
import markdown  # noqa: E402


def rendered(text):
    return markdown.render(text, lambda target: target)


def case_paragraphs_and_headings():
    assert rendered('# A `b` *c*\n\none\ntwo\n') == \
        '<h1 id="a-b-c">A <code>b</code> <em>c</em></h1>\n<p>one two</p>'


def case_html_is_text():
    assert rendered('a < b & `<c>`') == '<p>a &lt; b &amp; <code>&lt;c&gt;</code></p>'


def case_code_is_left_alone():
    assert rendered('```\n*a* [b](c)\n```') == '<pre>*a* [b](c)</pre>'
    assert '<em>' not in rendered('`*a*`')


def case_links():
    assert rendered('[a `b`](c.md#d)') == '<p><a href="c.md#d">a <code>b</code></a></p>'


def case_lists_nest():
    markup = rendered('* a\n  * b\n* c\n')
    assert markup.count('<ul>') == 2 and markup.count('<li>') == 3
    assert '<ol>' in rendered('1. a\n2. b\n')


def case_tables():
    markup = rendered('| a | b |\n|---|---|\n| `c\\|d` | e |\n')
    assert markup.count('<th>') == 2 and markup.count('<td>') == 2


def case_quotes():
    assert rendered('> a\n> b') == '<blockquote><p>a b</p></blockquote>'


def case_anchors_are_the_usual_ones():
    assert markdown.slug('The `x()` call, and *more*') == 'the-x-call-and-more'


def case_links_in_code_do_not_count():
    assert markdown.links('`[a](b)` [c](d)\n```\n[e](f)\n```\n') == [(1, 'd')]


def case_broken_links_are_found():
    pages = {'docs/README.md': '# A\n[x](none.md) [y](#b) [z](#a) [o](https://x.y)\n'}
    found = list(docs.check_links(pages))
    assert len(found) == 2 and 'none.md' in found[0] and '#b' in found[1], found


def case_lonely_pages_are_found():
    pages = {'docs/README.md': '# A\n[x](a.md)\n', 'docs/a.md': '# A\n', 'docs/b.md': '# B\n'}
    assert [place.split(':')[0] for place in docs.check_reachable(pages)] == ['docs/b.md']


def case_paths_in_code_are_checked():
    pages = {'docs/README.md': '# A\n`tools/docs/docs.py` `tools/none.c` `a/b` `tools/docs/`\n'}
    found = list(docs.check_paths(pages))
    assert len(found) == 1 and 'tools/none.c' in found[0], found


def case_links_lead_to_html_and_to_files():
    pages = {'docs/README.md': '', 'docs/a/b.md': ''}
    assert docs.link_in_html('docs/a/b.md', '../README.md#x', pages) == '../index.html#x'
    assert docs.link_in_html('docs/README.md', 'a/b.md', pages) == 'a/b.html'
    assert docs.link_in_html('docs/README.md', '../LICENSE', pages).endswith('../../../LICENSE')


if __name__ == '__main__':
    cases.run(globals())
