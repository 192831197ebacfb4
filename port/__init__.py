"""The course's training in PyTorch: for the speed table, and for the study's size on a GPU.

Read it beside `d2lvae/`: modules, classes and functions have their namesakes there, where the
equations and their sources stand. Nothing here imports `d2lvae`, because PyTorch and MXNet in one
process hang.
"""


class PortError(Exception):
    """One sentence that says what is wrong and what to do; the command line prints only that."""


def named(registry, name, where):
    """The entry of a registry; PortError if the course has one that the port lacks."""
    if name not in registry:
        raise PortError(f'The port knows no {name}: write it in PyTorch and add it to {where}.')
    return registry[name]
