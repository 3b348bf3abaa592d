"""Errors that a user can act on. The command line prints the message alone and exits with the code."""

import errno


class RelabError(Exception):
    """The work failed for a reason that the message explains."""

    exit_code = 1


class RequestError(RelabError):
    """What was asked for is wrong: nothing was run."""

    exit_code = 2


class SpecError(RequestError):
    """A spec does not say what can be done; the message lists every mistake in it."""


class NotFound(RequestError):
    """A method, corpus, study or file that is not there."""


class DataError(RequestError):
    """A corpus file that its reader cannot accept: ``file:line: reason``."""


class StoreError(RelabError):
    """The study's store cannot be read or written."""


class ClaimRefuted(RelabError):
    """The work is done, and a claim of the study is reversed by it."""

    exit_code = 3


def out_of_space(error: BaseException) -> bool:
    """Whether a full disk is behind an error. Libraries in Rust say so in their message alone."""
    seen: BaseException | None = error
    while seen is not None:
        if (isinstance(seen, OSError) and seen.errno == errno.ENOSPC) or "No space left on device" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
