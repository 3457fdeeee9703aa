"""What a generated program may not carry: answers (solution contract, section 5). Judged from its tokens; nothing of it is run."""

import io
import re
import tokenize
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from .errors import BadInput
from .file_bytes import read_bytes
from .task import Task

PROGRAM_BYTES = 256 << 10
LITERAL_CHARACTERS = 2_000
ALL_LITERAL_CHARACTERS = 16_000
MATCHES = 5
_ID_CHARACTERS = 4
_DIGITS = 5
_PUNCTUATION = frozenset("[]{}(),:+-*.=")
_SILENT = frozenset({tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT})
_CONSTANTS = frozenset({"None", "True", "False"})


def find_carried_answers(task: Task, path: Path) -> str | None:
    """Why the program is refused, in one line; None when it may run."""
    try:
        data, _ = read_bytes(path, PROGRAM_BYTES)
    except BadInput as error:
        return str(error)
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(data).readline))
    except (tokenize.TokenError, SyntaxError, ValueError, UnicodeDecodeError) as error:
        return f"it is no Python text that can be read ({type(error).__name__})"
    longest, total = _measure_literals(tokens)
    if longest > LITERAL_CHARACTERS:
        return f"it holds a literal of {longest} characters ({LITERAL_CHARACTERS} are allowed): data belong into the data folders"
    if total > ALL_LITERAL_CHARACTERS:
        return f"its literals have {total} characters together ({ALL_LITERAL_CHARACTERS} are allowed): data belong into the data folders"
    found = _count_matches(task, _list_values(tokens))
    return (
        f"it names {found} ids or rare values of the data ({MATCHES} are allowed): rules must not be about single rows"
        if found > MATCHES
        else None
    )


def _measure_literals(tokens: list[tokenize.TokenInfo]) -> tuple[int, int]:
    """Characters of the longest run of literals (a list, a dictionary, strings one after the other), and of all."""
    longest = total = here = 0
    for token in tokens:
        if _is_literal(token):
            here += len(token.string)
            total += len(token.string)
            longest = max(longest, here)
        elif token.type not in _SILENT and not (token.type == tokenize.OP and set(token.string) <= _PUNCTUATION):
            here = 0
    return longest, total


def _is_literal(token: tokenize.TokenInfo) -> bool:
    is_text = token.type in (tokenize.STRING, tokenize.NUMBER) or tokenize.tok_name[token.type].startswith("FSTRING")
    return is_text or (token.type == tokenize.NAME and token.string in _CONSTANTS)


def _list_values(tokens: list[tokenize.TokenInfo]) -> list[str]:
    """What strings and numbers say; words within strings too, so that one long string of ids counts as many."""
    values: list[str] = []
    for token in tokens:
        if token.type == tokenize.NUMBER:
            values.append(token.string.replace("_", ""))
        elif _is_literal(token) and token.type != tokenize.NAME:
            text = token.string.lstrip("rbfuRBFU").strip("\"'")
            values.append(text)
            values += re.split(r"[\s,;:|=]+", text)
    return values


def _count_matches(task: Task, values: list[str]) -> int:
    """Distinct literals that equal an id of at least four characters, or a value of five digits or more that a column has once or twice."""
    wanted = {v for v in values if len(v) >= _ID_CHARACTERS}
    numbers = {_as_number(v) for v in wanted if len(re.sub(r"\D", "", v)) >= _DIGITS}
    found: set[object] = set()
    names = set(task.id_columns) | set(task.profile["id_columns"])
    for column in task.submission_ids:
        found |= wanted.intersection(column.to_pylist())
    for name in task.features.column_names:
        column = task.features.column(name)
        if name in names:
            found |= wanted.intersection(str(v) for v in column.to_pylist() if v is not None)
        elif task.profile["column_types"][name] == "numeric" and numbers:
            kept = np.array(sorted(n for n in numbers if n is not None))
            array = pc.cast(column, "float64").to_numpy(zero_copy_only=False)
            counts = [int(np.sum(array == n)) for n in kept]
            found |= {str(n) for n, count in zip(kept, counts, strict=True) if 1 <= count <= 2}
    return len(found)


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
