"""The solutions: one for each exercise, executed in order, each with a check of its answer."""

import re

import nbformat
import pytest
from test_notebooks import CHAPTERS, RULES, code_cells, parameters_come_first
from test_notebooks import headings_are_there as of_a_chapter

from d2lvae.base import paths

OF_SOLUTIONS = [rule for rule in RULES if rule not in (parameters_come_first, of_a_chapter)]


def solution_of(chapter):
    return nbformat.read(paths.ROOT / 'solutions' / chapter.name, as_version=4)


def exercises(chapter):
    """The numbers of a chapter's exercises, which close it."""
    text = nbformat.read(chapter, as_version=4).cells[-1].source
    return re.findall(r'^(\d+)\. ', text.partition('## Exercises')[2], re.MULTILINE)


def sections(nb):
    """The cells below each heading of an exercise, by its number."""
    found = {}
    for cell in nb.cells:
        if heading := re.search(r'^## Exercise (\d+)', cell.source, re.MULTILINE):
            found[heading[1]] = []
        elif found:
            list(found.values())[-1].append(cell)
    return found


@pytest.mark.parametrize('chapter', CHAPTERS, ids=lambda path: path.stem)
def test_solutions_keep_the_rules_of_chapters(chapter):
    nb = solution_of(chapter)
    assert [text for rule in OF_SOLUTIONS for text in rule(nb)] == []


def unsolved(nb, numbers):
    """What is missing in a notebook of solutions, one sentence for each fault."""
    found = sections(nb)
    if list(found) != numbers:
        yield f'There are solutions to {", ".join(found)} of {", ".join(numbers)}.'
    for number, cells in found.items():
        code = [cell for cell in cells if cell.cell_type == 'code']
        if not any(cell.outputs for cell in code):
            yield f'Exercise {number} shows nothing.'
        if not any(re.search('^assert ', cell.source, re.MULTILINE) for cell in code):
            yield f'The answer of exercise {number} is not checked.'


@pytest.mark.parametrize('chapter', CHAPTERS, ids=lambda path: path.stem)
def test_every_exercise_has_a_solution_that_shows_and_checks_its_answer(chapter):
    assert exercises(chapter)
    assert list(unsolved(solution_of(chapter), exercises(chapter))) == []


def test_what_is_missing_is_found():
    nb, numbers = solution_of(CHAPTERS[0]), exercises(CHAPTERS[0])
    last = sections(nb)[numbers[-1]]
    for cell in code_cells(nb)[-len(last) :]:
        cell.source = cell.source.replace('assert ', 'print ')
    assert list(unsolved(nb, numbers)) == [f'The answer of exercise {numbers[-1]} is not checked.']
    assert list(unsolved(nb, [*numbers, '9']))[0].startswith('There are solutions to 1, 2')
