"""The exceptions of the course that are written for people."""


class CourseError(Exception):
    """One sentence that says what is wrong and what to do; the command line prints only that."""


class LockedError(CourseError):
    """Another process is at it."""


def one_line(error):
    """What an exception of any kind says, in one line: the command line has no room for more."""
    text = ' '.join(str(error).split())
    return text if isinstance(error, CourseError) else f'{type(error).__name__}: {text}'
