"""A chapter's parameters: what papermill injects is checked by name and by type."""

from datetime import date
from typing import Literal

import pytest

from d2lvae.base.errors import CourseError
from d2lvae.runs.cells import checked

DECLARED = {'num_epochs': int, 'lr': float, 'cosine': bool, 'loss': Literal['bce', 'l2']}
CELL = 'num_epochs: int = 2\nlr: float = 1e-3'


def notebook(cells=(), **values):
    """The globals() of a notebook whose cells were executed."""
    defaults = {'num_epochs': 2, 'lr': 1e-3, 'cosine': False, 'loss': 'bce'}
    return {
        '__name__': '__main__',
        '__annotations__': DECLARED,
        'In': ['', 'import d2lvae', CELL, *cells],
        'other': 'not a parameter',
        **defaults,
        **values,
    }


def refused(namespace):
    with pytest.raises(CourseError) as e:
        checked(namespace)
    assert '\n' not in str(e.value)
    return str(e.value)


def test_declared_parameters_come_back_with_their_values():
    expected = {'num_epochs': 2, 'lr': 1e-3, 'cosine': False, 'loss': 'bce'}
    assert checked(notebook()) == expected


def test_injected_values_take_the_place_of_the_defaults():
    cell = '# Parameters\nnum_epochs = 5\nloss = "l2"\n'
    values = checked(notebook([cell], num_epochs=5, loss='l2'))
    assert values == {'num_epochs': 5, 'lr': 1e-3, 'cosine': False, 'loss': 'l2'}


def test_outside_a_notebook_there_is_nothing_injected():
    namespace = notebook()
    del namespace['In']
    assert checked(namespace)['num_epochs'] == 2


def test_an_injected_name_that_nobody_declared_is_refused():
    sentence = refused(notebook(['# Parameters\nepochs = 5\n'], epochs=5))
    assert 'Unknown parameter epochs' in sentence
    assert all(name in sentence for name in DECLARED)


def test_an_undeclared_parameter_of_an_experiment_is_taken():
    cell = '# Parameters\nflip = True\nnum_epochs = 5\n'
    values = checked(notebook([cell], flip=True, num_epochs=5))
    assert (values['flip'], values['num_epochs']) == (True, 5)


def test_what_is_about_a_discriminator_is_refused_where_there_is_none():
    cell = '# Parameters\ndisc_weight = 2.0\n'
    assert 'Unknown parameter disc_weight' in refused(notebook([cell], disc_weight=2.0))
    with_disc = notebook([cell], disc_weight=2.0, discriminator='ConvDisc')
    with_disc['__annotations__'] = DECLARED | {'discriminator': str}
    assert checked(with_disc)['disc_weight'] == 2.0


@pytest.mark.parametrize('name', ['run', 'scale'])
def test_the_name_and_the_scale_of_a_run_are_no_parameters_of_a_chapter(name):
    assert f'Unknown parameter {name}' in refused(notebook([f'# Parameters\n{name} = "x"\n']))


def test_names_that_other_cells_assign_are_no_parameters():
    assert checked(notebook(['epochs = 5', 'X = 1\n# Parameters\nY = 2']))['num_epochs'] == 2


@pytest.mark.parametrize(
    'name, value, allowed',
    [
        ('num_epochs', '5', 'integer'),
        ('num_epochs', 5.5, 'integer'),
        ('num_epochs', True, 'integer'),
        ('lr', '1e-4', 'number'),
        ('lr', False, 'number'),
        ('lr', None, 'number'),
        ('cosine', 1, 'boolean'),
        ('loss', 'l1', "'bce' or 'l2'"),
    ],
)
def test_a_value_of_another_type_is_refused_with_name_and_value(name, value, allowed):
    sentence = refused(notebook([f'# Parameters\n{name} = {value!r}\n'], **{name: value}))
    assert f'Parameter {name} ' in sentence and f'was {value!r}' in sentence
    assert allowed in sentence


def test_an_integer_will_do_for_a_number():
    assert checked(notebook(lr=1))['lr'] == 1


GAN = {'discriminator': str, 'num_epochs': int, 'solo_epochs': int, 'disc_weight': float}


def of_a_discriminator(**values):
    defaults = {'discriminator': 'ConvDisc', 'solo_epochs': 1, 'disc_weight': 1.0}
    return notebook(**defaults | values) | {'__annotations__': GAN}


def test_a_chapter_about_discriminators_needs_combo_epochs_and_a_weight():
    assert checked(of_a_discriminator())['solo_epochs'] == 1
    assert 'solo_epochs (2) must be less than num_epochs (2)' in refused(
        of_a_discriminator(solo_epochs=2)
    )
    assert 'disc_weight must be more than 0' in refused(of_a_discriminator(disc_weight=0.0))


@pytest.mark.parametrize('given', [2023, 100000.0, date(2023, 1, 1)])
def test_a_name_of_digits_that_papermill_has_made_a_number_is_explained(given):
    namespace = notebook(dataset=given) | {'__annotations__': {'dataset': str}}
    sentence = refused(namespace)
    assert f'was {given!r}: to keep' in sentence and '-r dataset in place of -p' in sentence
