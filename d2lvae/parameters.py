"""The parameters cell of a chapter, checked before anything is trained."""

import ast

import pydantic

from d2lvae.errors import CourseError
from d2lvae.experiment import sentence

INJECTED = '# Parameters'  # the first line of the cell that papermill adds


def checked(namespace):
    """The declared parameters of a notebook, name to value, with the values that were injected.

    `namespace` is the notebook's `globals()`. Its parameters cell declares each one with a type,
    `num_epochs: int = 2`; papermill adds a cell that overrides some, and only warns of a name that
    nobody declared.

    Raises
    ------
    CourseError
        If a name was injected that is not declared, or a value has another type than declared.
    """
    declared = namespace['__annotations__']
    for name in injected_names(namespace.get('In', [])):
        if name not in declared:
            raise CourseError(
                f'Unknown parameter {name}: this chapter knows {", ".join(declared)}.'
            )
    model = pydantic.create_model(
        'Parameters',
        __config__={'strict': True},
        **{name: (kind, ...) for name, kind in declared.items()},
    )
    values = {name: namespace[name] for name in declared}
    try:
        model(**values)
    except pydantic.ValidationError as e:
        raise CourseError(sentence(e.errors()[0])) from None
    return values


def with_epochs(parameters):
    """Parameters without `combo_epochs`, which gives `num_epochs` where that is 0.

    A chapter lets one choose the epochs of either phase, and a finished run's `parameters.yaml`
    says how many there were in all.
    """
    parameters = dict(parameters)
    combo_epochs = parameters.pop('combo_epochs')
    num_epochs = parameters['num_epochs'] or parameters['solo_epochs'] + combo_epochs
    return parameters | {'num_epochs': num_epochs}


def injected_names(cells):
    """The names that papermill's cell assigns, if there is one among the executed cells."""
    for source in cells:
        if source.startswith(INJECTED):
            for node in ast.parse(source).body:
                yield from (target.id for target in getattr(node, 'targets', []))
