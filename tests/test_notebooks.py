"""The rules that every chapter keeps, and that each of them finds the fault that it is for."""

import ast
import json
import re
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml
from nbformat.v4 import new_output

from d2lvae import show
from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.runs import catalogue
from d2lvae.runs.cells import INJECTED as INJECTED_CELL
from d2lvae.runs.cells import checked
from d2lvae.runs.experiment import Experiment

TEMPLATE = Path(__file__).with_name('chapter_template.ipynb')
CHAPTERS = sorted(paths.NOTEBOOKS.glob('*.ipynb'))
RUNS = sorted(paths.RESULTS.glob('*/*/parameters.yaml'))
FIELDS = {name: field.description for name, field in Experiment.model_fields.items()}
MAX_LINES = 15
MAX_PARAMETERS = 20  # each on a line of its own; a chapter takes the others undeclared
MAX_BYTES = 2_000_000
MAX_TRUE = 3  # lines of a chapter that say True or False
FIRST, INJECTED = 'parameters', 'injected-parameters'
HIDDEN = ('hide-cell', 'remove-cell')  # checks, which pages leave out and nbval runs
TAGS = {FIRST, INJECTED, *HIDDEN, 'nbval-ignore-output'}
# Vector graphics and PDF differ from run to run, JPEG alters pixels, and a widget is an empty box
# without its kernel.
NOT_SHOWN = (
    'image/svg+xml',
    'application/pdf',
    'image/jpeg',
    'application/vnd.jupyter.widget-view+json',
)
RAW = re.compile(rf'\bNaN\b|\b(control_)?({"|".join(n for n in show.WORDS if "_" in n)})\b')
NOTEBOOK_METADATA, CELL_METADATA = {'kernelspec', 'language_info'}, {'tags'}
MACHINE_PATH = re.compile(
    r'(?<![\w.:/-])/(home|root|Users|tmp|work|workspace|content|opt|usr|var|mnt|media|srv)/'
    r'|\b[A-Z]:\\'
)


def complaints(nb):
    """What is wrong with a notebook, one sentence for each fault."""
    return [text for rule in RULES for text in rule(nb)]


def code_cells(nb):
    return [cell for cell in nb.cells if cell.cell_type == 'code']


def outputs(nb):
    return [output for cell in code_cells(nb) for output in cell.outputs]


def tagged(nb, tag):
    return [cell for cell in nb.cells if tag in cell.metadata.get('tags', [])]


def executed_in_order(nb):
    counts = [cell.execution_count for cell in code_cells(nb)]
    if counts != list(range(1, len(counts) + 1)):
        yield f'The cells were not executed from 1 to {len(counts)}: run `make chapters`.'


def parameters_come_first(nb):
    cells = tagged(nb, FIRST)
    if len(cells) != 1:
        yield f'{len(cells)} cells have the tag `{FIRST}`: give it to one.'
    elif cells[0] is not code_cells(nb)[0]:
        yield f'The cell `{FIRST}` is not the first code cell: move it up.'


def parameters_are_documented(nb):
    known = papermill.inspect_notebook(nb)
    for cell in tagged(nb, FIRST):
        for node in ast.parse(cell.source).body:
            text = ast.unparse(node)
            if not (isinstance(node, ast.AnnAssign) and is_literal(node.value)):
                yield f'`{text}` is no parameter: write `name: type = literal  # what it means`.'
            elif (name := node.target.id) not in known or not known[name]['help']:
                yield f'papermill would not explain `{text}`: give it a plain type and a comment.'
            elif name in FIELDS and first_words(known[name]['help']) != first_words(FIELDS[name]):
                yield f'`{name}` is explained otherwise where it is declared: {FIELDS[name]}.'


def first_words(text):
    """An explanation up to the first comma, semicolon or colon; a chapter may go on otherwise."""
    return re.split('[,;:]', text)[0]


def is_literal(node):
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def nothing_is_injected(nb):
    if tagged(nb, INJECTED):
        yield f'A cell has the tag `{INJECTED}`: delete it, it is of one run of papermill.'


def outputs_are_clean(nb):
    for output in outputs(nb):
        if output.output_type == 'error':
            yield f'A cell ends in {output.ename}: mend it, or catch the error and print it.'
        elif output.get('name') == 'stderr':
            yield f'A cell writes to stderr: remove the cause of {output.text.strip()[:60]!r}.'
        data = output.get('data', {})
        for kind in NOT_SHOWN:
            if kind in data:
                yield f'A cell has {kind} as output: draw with d2lvae.plots, without widgets.'
        if 'image/png' in data and not output.metadata.get('image/png', {}).get('alt'):
            yield 'A figure has no text alternative: draw it with d2lvae.plots.'


def outputs_are_to_be_read(nb):
    texts = [text for cell in nb.cells if not hidden(cell) for text in printed(cell)]
    lines = [line for text in texts for line in text.splitlines()]
    for line in lines:
        if RAW.search(line):
            yield f'Nobody can read {line.strip()[:60]!r}: make tables with d2lvae.show.'
    if sum('True' in line or 'False' in line for line in lines) > MAX_TRUE:
        yield f'More than {MAX_TRUE} lines say True or False: assert, or tag the cell hide-cell.'


def hidden(cell):
    return any(tag in HIDDEN for tag in cell.metadata.get('tags', []))


def printed(cell):
    """The texts of a cell's outputs, without the source code that it shows."""
    for output in cell.get('outputs', []):
        if not cell.source.startswith('show.source'):
            yield output.get('text') or output.get('data', {}).get('text/plain', '')


def tags_are_known(nb):
    for cell in nb.cells:
        for tag in set(cell.metadata.get('tags', [])) - TAGS:
            yield f'Nothing knows the tag {tag!r}: use {", ".join(sorted(TAGS - {INJECTED}))}.'


def kernel_is_the_environments(nb):
    name = nb.metadata.get('kernelspec', {}).get('name')
    if name != 'python3':
        yield f'The kernel is {name!r}: choose python3, which every environment has.'


def cells_are_short(nb):
    parameters = tagged(nb, FIRST)
    for cell in code_cells(nb):
        limit = MAX_PARAMETERS if cell in parameters else MAX_LINES
        if len(cell.source.splitlines()) > limit:
            yield f'A cell has more than {limit} lines: split {cell.source.splitlines()[0]!r}.'


def headings_are_there(nb):
    text = '\n'.join(cell.source for cell in nb.cells if cell.cell_type == 'markdown')
    titles = re.findall('^# .*', text, re.MULTILINE)
    if len(titles) != 1:
        yield f'There are {len(titles)} headings of level 1: keep one, the title.'
    for heading in ('Summary', 'Exercises'):
        if not re.search(f'^## {heading}$', text, re.MULTILINE):
            yield f'The heading `## {heading}` is missing: close the chapter with it.'


def file_is_small(nb):
    size = len(nbformat.writes(nb).encode())
    if size > MAX_BYTES:
        yield f'The file has {size / 1e6:.1f} MB, more than 2: draw fewer or smaller pictures.'


def paths_are_of_no_machine(nb):
    texts = [cell.source for cell in nb.cells]
    for output in outputs(nb):
        texts.append(output.get('text', ''))
        texts += [text for kind, text in output.get('data', {}).items() if kind.startswith('text/')]
    for text in texts:
        if found := MACHINE_PATH.search(text):
            line = text[found.start() :].splitlines()[0][:60]
            yield f'{line!r} is a path of one machine: use d2lvae.base.paths, and print no path.'


def metadata_are_stripped(nb):
    extra = set(nb.metadata) - NOTEBOOK_METADATA
    for cell in nb.cells:
        extra |= set(cell.metadata) - CELL_METADATA
    if extra:
        yield f'The metadata hold {", ".join(sorted(extra))}: run `make chapters`.'


RULES = (
    executed_in_order,
    parameters_come_first,
    parameters_are_documented,
    nothing_is_injected,
    outputs_are_clean,
    outputs_are_to_be_read,
    tags_are_known,
    kernel_is_the_environments,
    cells_are_short,
    headings_are_there,
    file_is_small,
    paths_are_of_no_machine,
    metadata_are_stripped,
)


def test_there_are_chapters():
    assert CHAPTERS, f'{paths.NOTEBOOKS} holds no chapter: restore the folder from git.'


@pytest.mark.parametrize('path', [TEMPLATE, *CHAPTERS], ids=lambda path: path.stem)
def test_a_chapter_keeps_every_rule(path):
    assert complaints(nbformat.read(path, as_version=4)) == []


def injected_into(chapter, given):
    """What a chapter makes of parameters that papermill adds after its own."""
    nb = nbformat.read(chapter, as_version=4)
    cells = [
        *(cell.source for cell in tagged(nb, FIRST)),
        '\n'.join([INJECTED_CELL, *(f'{name} = {value!r}' for name, value in given.items())]),
    ]
    namespace = {'In': cells}
    for cell in cells:
        exec(cell, namespace)
    return checked(namespace)


@pytest.mark.parametrize('run', RUNS, ids=lambda run: run.parent.name)
def test_a_finished_runs_parameters_can_be_given_to_its_chapters(run):
    folder = json.loads((run.parent / 'summary.json').read_text())['run']
    for number in catalogue.find(folder).chapters:
        [chapter] = paths.NOTEBOOKS.glob(f'{number}_*.ipynb')
        given = yaml.safe_load(run.read_text())
        if given.get('disc_weight') == 0:  # which every chapter about discriminators trains anyway
            with pytest.raises(CourseError, match='disc_weight must be more than 0'):
                injected_into(chapter, given)
        else:
            assert injected_into(chapter, given).items() >= given.items()


# A fault for each rule, brought into the template, and a part of the one sentence that must come


def output(kind, **content):
    def spoil(nb):
        code_cells(nb)[-1].outputs = [new_output(kind, **content)]

    return spoil


def shown(metadata=None, **data):
    data = {kind.replace('_', '/'): content for kind, content in data.items()}
    return output('display_data', data=data, metadata=metadata or {})


def said(text):
    return output('stream', name='stdout', text=text)


def source(text, cell=-1):
    def spoil(nb):
        code_cells(nb)[cell].source = text

    return spoil


def tag(name, cell=-1):
    def spoil(nb):
        code_cells(nb)[cell].metadata.tags = [name]

    return spoil


def not_executed(nb):
    code_cells(nb)[-1].execution_count = None


def no_summary(nb):
    nb.cells[-1].source = nb.cells[-1].source.replace('## Summary', '## End')


def foreign_kernel(nb):
    nb.metadata.kernelspec.name = 'mine'


def record_of_papermill(nb):
    nb.metadata.papermill = {}


FAULTS = {
    'not executed': (not_executed, 'were not executed'),
    'no parameters': (tag('hide-cell', 0), '0 cells have the tag'),
    'derived': (source('seed: int = 2 * int(3)  # of every draw', 0), 'is no parameter'),
    'no comment': (source('seed: int = 0', 0), 'papermill would not explain'),
    'other comment': (source('lr: float = 1e-3  # speed', 0), 'is explained otherwise'),
    'injected': (tag(INJECTED), '`injected-parameters`'),
    'error': (output('error', ename='ValueError', evalue=''), 'ends in ValueError'),
    'stderr': (output('stream', name='stderr', text='slow'), 'writes to stderr'),
    'jpeg': (shown(image_jpeg=''), 'image/jpeg'),
    'no words': (shown(image_png=''), 'no text alternative'),
    'NaN': (said('psnr  NaN'), 'Nobody can read'),
    'raw name': (said('control_ssim  0.5'), 'Nobody can read'),
    'checks': (said('sharper: True\n' * (MAX_TRUE + 1)), 'lines say True or False'),
    'tag': (tag('hide_cell'), 'Nothing knows the tag'),
    'kernel': (foreign_kernel, "The kernel is 'mine'"),
    'long cell': (source('x = 1\n' * (MAX_LINES + 1)), 'more than 15 lines'),
    'no summary': (no_summary, '`## Summary` is missing'),
    'large': (said('x' * MAX_BYTES), 'more than 2'),
    'path': (shown(text_plain="PosixPath('/tmp/x')"), 'path of one machine'),
    'papermill': (record_of_papermill, 'hold papermill'),
}


@pytest.mark.parametrize('spoil, complaint', FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(spoil, complaint):
    nb = nbformat.read(TEMPLATE, as_version=4)
    spoil(nb)
    [found] = complaints(nb)
    assert complaint in found


def test_a_hidden_check_may_print_what_it_likes():
    nb = nbformat.read(TEMPLATE, as_version=4)
    said('control_ssim: True\n' * 9)(nb)
    tag('hide-cell')(nb)
    assert complaints(nb) == []


def test_an_address_is_no_path_of_a_machine():
    nb = nbformat.read(TEMPLATE, as_version=4)
    source('# https://example.org/home/index, ../results/usr/, a/tmp/b')(nb)
    assert complaints(nb) == []
