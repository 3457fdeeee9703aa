"""Lets a program for games answer the positions of one round: one move a row, each within its time.

The program is TRAIN_DIR/agent.py as it would be submitted: the last function that it defines is the player.
"""

import csv
import signal
import traceback

LIMIT_S = TASK["objective"]["move_limit_s"]
BOARD = TASK["board"]


class TooLate(BaseException):
    """A move took longer than it may. Not an Exception, so that a player's own handlers do not swallow it."""


class Facts(dict):
    """What Kaggle hands to an agent: fields by name or by key."""

    __getattr__ = dict.__getitem__


def stop_move(signum, frame):
    raise TooLate


def load_player(path):
    """The player of a program file as a function of (board, mark)."""
    names = {"__name__": "agent", "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    players = [value for name, value in names.items() if callable(value) and not name.startswith("__")]
    if not players:
        raise SystemExit("agent.py defines no function")
    player = players[-1]
    if getattr(player, "__name__", "") == "act":
        return player
    configuration = Facts(columns=BOARD["columns"], rows=BOARD["rows"], inarow=BOARD["in_a_row"], actTimeout=LIMIT_S, timeout=LIMIT_S)
    arguments = player.__code__.co_argcount if hasattr(player, "__code__") else 2
    return lambda board, mark: player(*[Facts(board=board, mark=mark), configuration][:arguments])


def ask(player, board, mark):
    """A column, or −1 where the player failed or was too late."""
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        return int(player(board, mark))
    except TooLate:
        return -1
    except Exception:
        if not NOTES.get("failed"):
            traceback.print_exc()
        NOTES["failed"] = NOTES.get("failed", 0) + 1
        return -1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main():
    """One row of predictions.csv for each row of rows.csv."""
    signal.signal(signal.SIGALRM, stop_move)
    player = load_player(ARGUMENTS.train / "agent.py")
    with (ARGUMENTS.predict / "rows.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    moves = [(row["key"], ask(player, [int(cell) for cell in row["board"]], int(row["mark"]))) for row in rows]
    with (ARGUMENTS.out / "predictions.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("key", "move"), *moves])
    if rows and NOTES.get("failed") == len(rows):
        raise SystemExit("the player failed at every position: see the first error above")


main()
