# SPDX-License-Identifier: MIT
"""The part of Markdown that the handbook uses, as HTML.

Headings, paragraphs, fenced code, block quotes, tables, nested lists; in a line: code, emphasis,
links. No HTML passes through.
"""

import html
import re

_HEADING = re.compile(r'^(#{1,6}) +(.*?) *#*$')
_ITEM = re.compile(r'^( *)([-*+]|\d+\.) +(.*)$')
_FENCE = re.compile(r'^ *```+ *(\S*)')
_INLINE_CODE = re.compile(r'(`+)(.+?)\1')
_LINK = re.compile(r'!?\[([^\]]+)\]\(([^)\s]+)(?: "[^"]*")?\)')


def without_code(text):
    """The text with the contents of code blocks and inline code blanked out."""
    lines, in_fence = [], False
    for line in text.split('\n'):
        if _FENCE.match(line):
            in_fence = not in_fence
            line = ''
        lines.append('' if in_fence else _INLINE_CODE.sub('', line))
    return '\n'.join(lines)


def inline_codes(text):
    """[(line number, code)] of inline code outside fenced blocks."""
    found, in_fence = [], False
    for number, line in enumerate(text.split('\n'), 1):
        if _FENCE.match(line):
            in_fence = not in_fence
        elif not in_fence:
            found += [(number, match[2]) for match in _INLINE_CODE.finditer(line)]
    return found


def links(text):
    """[(line number, target)]"""
    found = []
    for number, line in enumerate(without_code(text).split('\n'), 1):
        found += [(number, match[2]) for match in _LINK.finditer(line)]
    return found


def slug(heading):
    """The anchor of a heading, as the usual renderers make it."""
    text = re.sub(r'[`*]|\]\([^)]*\)|\[', '', heading).strip().lower()
    return re.sub(r'[^\w\- ]', '', text).replace(' ', '-')


def headings(text):
    """[(level, text)]"""
    found, in_fence = [], False
    for line in text.split('\n'):
        if _FENCE.match(line):
            in_fence = not in_fence
        match = _HEADING.match(line)
        if match and not in_fence:
            found.append((len(match[1]), match[2]))
    return found


def inline(text, link_target):
    """One line's code, emphasis and links as HTML."""
    kept = []

    def keep(markup):
        kept.append(markup)
        return f'\0{len(kept) - 1}\0'

    text = _INLINE_CODE.sub(lambda m: keep(f'<code>{html.escape(m[2].strip())}</code>'), text)
    text = html.escape(text, quote=False)
    text = _LINK.sub(lambda m: keep(f'<a href="{html.escape(link_target(m[2]))}">') + m[1]
                     + keep('</a>'), text)
    text = re.sub(r'\*\*(.+?)\*\*', r'<strong>\1</strong>', text)
    text = re.sub(r'(?<![\w*])\*([^*\s][^*]*?)\*(?![\w*])', r'<em>\1</em>', text)
    while '\0' in text:
        text = re.sub('\0(\\d+)\0', lambda m: kept[int(m[1])], text)
    return text


class _Renderer:
    """Turns lines into HTML, a block at a time."""

    def __init__(self, text, link_target):
        self._lines = text.split('\n')
        self._at = 0
        self._link_target = link_target
        self._output = []

    def _inline(self, text):
        return inline(text, self._link_target)

    def _line(self):
        return self._lines[self._at] if self._at < len(self._lines) else None

    def _take_while(self, wanted):
        taken = []
        while self._line() is not None and wanted(self._line()):
            taken.append(self._line())
            self._at += 1
        return taken

    def render(self):
        while self._line() is not None:
            self._block()
        return '\n'.join(self._output)

    def _block(self):
        line = self._line()
        if not line.strip():
            self._at += 1
        elif _FENCE.match(line):
            self._fence()
        elif _HEADING.match(line):
            level, text = _HEADING.match(line).groups()
            self._output.append(f'<h{len(level)} id="{slug(text)}">{self._inline(text)}'
                                f'</h{len(level)}>')
            self._at += 1
        elif line.startswith('>'):
            quoted = self._take_while(lambda row: row.startswith('>'))
            inner = '\n'.join(row[1:].removeprefix(' ') for row in quoted)
            self._output.append(f'<blockquote>{render(inner, self._link_target)}</blockquote>')
        elif line.lstrip().startswith('|'):
            self._table()
        elif _ITEM.match(line):
            self._list()
        elif line.startswith('    '):
            code = self._take_while(lambda row: row.startswith('    ') or not row.strip())
            text = '\n'.join(row[4:] for row in code).rstrip()
            self._output.append(f'<pre>{html.escape(text)}</pre>')
        else:
            self._paragraph()

    def _fence(self):
        self._at += 1
        code = self._take_while(lambda row: not _FENCE.match(row))
        self._at += 1
        self._output.append(f'<pre>{html.escape(chr(10).join(code))}</pre>')

    def _paragraph(self):
        rows = [self._line()]
        self._at += 1
        rows += self._take_while(lambda row: row.strip() and not _FENCE.match(row)
                                 and not _HEADING.match(row) and not _ITEM.match(row)
                                 and not row.lstrip().startswith('|'))
        self._output.append(f'<p>{self._inline(" ".join(row.strip() for row in rows))}</p>')

    def _table(self):
        rows = self._take_while(lambda row: row.lstrip().startswith('|'))
        cells = [re.split(r'(?<!\\)\|', row.strip().strip('|')) for row in rows]
        is_rule = len(cells) > 1 and all(re.fullmatch(r' *:?-+:? *', cell) for cell in cells[1])
        self._output.append('<table>')
        for number, row in enumerate(cells):
            if is_rule and number == 1:
                continue
            tag = 'th' if is_rule and number == 0 else 'td'
            body = ''.join(f'<{tag}>{self._inline(cell.strip())}</{tag}>' for cell in row)
            self._output.append(f'<tr>{body}</tr>')
        self._output.append('</table>')

    def _list(self):
        indent, mark, _ = _ITEM.match(self._line()).groups()
        tag = 'ol' if mark[0].isdigit() else 'ul'
        self._output.append(f'<{tag}>')
        while self._line() is not None:
            match = _ITEM.match(self._line())
            if not match or len(match[1]) != len(indent):
                break
            self._item(len(indent), match)
        self._output.append(f'</{tag}>')

    def _item(self, indent, match):
        """One item: its line, and all lines that are indented deeper."""
        inner_indent = match.start(3)
        self._at += 1
        rows = self._take_while(lambda row: not row.strip() or
                                len(row) - len(row.lstrip()) > indent or
                                not (_ITEM.match(row) or _HEADING.match(row)
                                     or len(row) - len(row.lstrip()) <= indent))
        while rows and not rows[-1].strip():
            rows.pop()
        body = [match[3]] + [row[inner_indent:] if not row[:inner_indent].strip()
                             else row.lstrip() for row in rows]
        markup = render('\n'.join(body), self._link_target)
        if markup.count('<p>') == 1 and markup.startswith('<p>'):
            markup = markup.replace('<p>', '', 1).replace('</p>', '', 1)
        self._output.append(f'<li>{markup}</li>')


def render(text, link_target):
    """A page's body as HTML; link_target maps the target of a link."""
    return _Renderer(text, link_target).render()
