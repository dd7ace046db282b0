"""The error that states a user's mistake."""

from __future__ import annotations


class KBNetError(ValueError):
    """Input, a file or an option is not as expected: the message says what was expected, what came, and what to do.

    The command line shows it as one line. Any other ``ValueError`` is a bug and keeps its traceback. The class has its
    own module because ``kbnet.frame`` imports NumPy, which the help of a command does without.
    """
