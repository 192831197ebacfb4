"""The exceptions of the course that are written for people."""


class CourseError(Exception):
    """One sentence that says what is wrong and what to do; the command line prints only that."""


class LockedError(CourseError):
    """Another process is at it."""
