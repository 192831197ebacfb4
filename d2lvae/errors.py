"""The one exception of the course that is written for people."""


class CourseError(Exception):
    """One sentence that says what is wrong and what to do; the command line prints only that."""
