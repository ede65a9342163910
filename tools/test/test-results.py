#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Unit tests of the test runner: what counts as passed, failed and skipped."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cases  # noqa: E402
import results  # noqa: E402
import suites  # noqa: E402


def verdicts(text, status):
    return [(case.verdict, case.name) for case in results.cases_of('program', text, status)]


def case_lines_are_cases():
    text = 'noise\nok one\nnot ok two: it broke: badly\nskip three: no disk\nokay\n'
    found = results.parse_cases(text)
    assert [(case.verdict, case.name, case.reason) for case in found] == [
        ('ok', 'one', ''), ('not ok', 'two', 'it broke: badly'), ('skip', 'three', 'no disk')]


def case_names_may_have_blanks():
    assert results.parse_cases('ok two words\n')[0].name == 'two words'


def case_silent_programs_count_by_status():
    assert verdicts('', 0) == [('ok', 'program')]
    assert verdicts('text\n', 1) == [('not ok', 'program')]
    assert verdicts('no kvm\n', 77) == [('skip', 'program')]


def case_a_crash_is_a_failed_case():
    assert verdicts('ok one\n', 139) == [('ok', 'one'), ('not ok', 'program')]


def case_a_failed_case_is_not_counted_twice():
    assert verdicts('ok one\nnot ok two: x\n', 1) == [('ok', 'one'), ('not ok', 'two')]


def case_a_timeout_is_a_failed_case():
    assert verdicts('ok one\n', None) == [('ok', 'one'), ('not ok', 'program')]


def case_programs_are_run_and_stopped():
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, 'log')
        text, status = results.run_logged(['sh', '-c', 'echo ok a; exit 3'], log, 10)
        assert (text, status) == ('ok a\n', 3)
        text, status = results.run_logged(['sh', '-c', 'echo ok b; sleep 60'], log, 0.5)
        assert (text, status) == ('ok b\n', None)


def case_children_are_stopped_with_their_program():
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, 'log')
        mark = os.path.join(folder, 'mark')
        script = f'(sleep 1; touch {mark}) & exit 0'
        results.run_logged(['sh', '-c', script], log, 10)
        results.run_logged(['sleep', '1.3'], log, 10)
        assert not os.path.exists(mark)


def case_kernel_lines_lose_their_prefix():
    log = ('[    0.100000] kernel-test: ok event raises\n[    0.2] thor: this is ok for us\n'
           '[    0.300000] kernel-test: not ok queue: line 7\nok plain\n')
    assert suites._kernel_lines(log).splitlines() == [
        'ok event raises', 'not ok queue: line 7', 'ok plain']


def case_oracle_cases_that_are_missing_have_failed():
    oracle = results.Result('linux/x', results.parse_cases('ok a\nok b\nskip c: no\n'))
    found = suites._compare(oracle, 'linux/x', 'ok a\n', 0, 0.0, None)
    assert [(case.verdict, case.name) for case in found.cases] == [('ok', 'a'), ('not ok', 'b')]


def case_words_choose_tests():
    settings = suites.Settings('debug', ['list', 'pipe'], 1)
    assert settings.wants('host/base/list') and settings.wants('linux/pipes')
    assert not settings.wants('host/base/tree')
    assert suites.Settings('debug', [], 1).wants('anything')


if __name__ == '__main__':
    cases.run(globals())
