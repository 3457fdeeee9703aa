"""Errors that reach the orchestrator as one line; everything else is a bug of ours."""


class HarnessError(Exception):
    """Base: `code` is the word on the wire."""

    code = "bug"


class BadInput(HarnessError):
    """The competition's files are at fault: says which file, column or row, and what to do."""

    code = "bad-input"


class Refused(HarnessError):
    """The request does not fit the state of the harness (wrong order, unknown number)."""

    code = "refused"


class BadOutput(Exception):
    """A solution's output was refused: one line that says what to fix. Becomes the `failure` of a grade."""


def shown(text: object, limit: int = 60) -> str:
    """A hostile value made fit for one line of a message."""
    clean = "".join(c if c.isprintable() else "?" for c in str(text))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
