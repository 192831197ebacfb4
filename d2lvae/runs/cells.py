"""The parameters cell of a chapter, checked before anything is trained."""

import ast

import pydantic

from d2lvae.base.errors import CourseError
from d2lvae.base.parameters import sentence
from d2lvae.runs.experiment import NOT_PARAMETERS, Experiment

INJECTED = '# Parameters'  # the first line of the cell that papermill adds


def checked(namespace):
    """The declared parameters of a notebook, name to value, with the values that were injected.

    `namespace` is the notebook's `globals()`. Its parameters cell declares each one with a type,
    `num_epochs: int = 2`; papermill adds a cell that overrides some, and only warns of a name that
    nobody declared. Of those the parameters of an `Experiment` are taken too, which checks them.

    Raises
    ------
    CourseError
        If a name was injected that is none of these, a value has another type than declared, or
        there is nothing to compare: no combo epoch, or no weight of the discriminator.
    """
    declared, others = namespace['__annotations__'], {}
    for name in injected_names(namespace.get('In', [])):
        if name not in known(declared):
            raise CourseError(
                f'Unknown parameter {name}: this chapter knows {", ".join(known(declared))}.'
            )
        if name not in declared:
            others[name] = namespace[name]
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
    if 'discriminator' in declared:
        check_combo(values | others)
    return values | others


def check_combo(parameters):
    """CourseError if a chapter about discriminators would train none."""
    if parameters.get('solo_epochs') == parameters['num_epochs']:
        raise CourseError(
            f'solo_epochs ({parameters["solo_epochs"]}) must be less than num_epochs '
            f'({parameters["num_epochs"]}): this chapter looks at the combo epochs after them.'
        )
    if parameters.get('disc_weight') == 0:
        raise CourseError(
            'disc_weight must be more than 0: this chapter compares with the plain VAE anyway.'
        )


def known(declared):
    """Names that a chapter takes: those that it declares, then the others of an `Experiment`.

    Where there is no discriminator, nothing that is about one.
    """
    of_no_use = () if 'discriminator' in declared else Experiment.of('combo', 'disc')
    fields = [n for n in Experiment.model_fields if n not in (*NOT_PARAMETERS, *of_no_use)]
    return list(dict.fromkeys([*declared, *fields]))


def injected_names(cells):
    """The names that papermill's cell assigns, if there is one among the executed cells."""
    for source in cells:
        if source.startswith(INJECTED):
            for node in ast.parse(source).body:
                yield from (target.id for target in getattr(node, 'targets', []))
