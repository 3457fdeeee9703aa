"""A short tour through points: the nearest neighbour's way, made better by 2-opt and or-opt moves, shaken where it is stuck.

Every shake cuts a piece of at most fifty points into three and swaps two of them (a local double bridge, Martin, Otto and Felten 1991);
what does not come out shorter is undone. How many shakes there are depends on the parameters, the deadline only cuts them short.

Written by assemble.py from parts/tour_search.py; change that file.
"""


# ---- the command line of the solution contract, and the task

import argparse
import json
import os
import time
from pathlib import Path

STARTED = time.monotonic()


def read_arguments():
    """The contract's command line."""
    parser = argparse.ArgumentParser()
    for name in ("train", "predict", "out", "params"):
        parser.add_argument(f"--{name}", type=Path, required=name != "params")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--deadline", type=float, default=3600.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--assets", type=Path)
    return parser.parse_args()


ARGUMENTS = read_arguments()
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = str(ARGUMENTS.threads)

TASK = json.loads((ARGUMENTS.train / "task.json").read_text(encoding="utf-8"))
PARAMS = json.loads(ARGUMENTS.params.read_text(encoding="utf-8")) if ARGUMENTS.params else {}
NOTES = {}


def seconds_left():
    """Seconds until the deadline that the harness gave."""
    return ARGUMENTS.deadline - (time.monotonic() - STARTED)


# ---- the model

import csv
import math
import random

import numpy as np
import pyarrow.parquet as pq
from scipy.spatial import cKDTree

NEIGHBOURS = 8
MOST_SEGMENT = 3
SHARE_OF_TIME = 0.8
SMALLEST_GAIN = 1e-9


class Tour:
    """A round trip as a list of points. Point `n`, where there is one, is as far as nothing from all others: a way that does not return."""

    def __init__(self, points, is_open):
        self.points = [tuple(p) for p in points.tolist()]
        self.count = len(self.points) + is_open
        self.free = len(self.points) if is_open else None
        found = cKDTree(points).query(points, k=min(NEIGHBOURS + 1, len(points)))[1]
        self.near = [[int(c) for c in row if c != i] for i, row in enumerate(np.atleast_2d(found))]
        if is_open:
            self.near.append([])
        self.order = self.start(points)
        self.place = [0] * self.count
        self.write(0, list(self.order), log=None)

    def far(self, a, b):
        """Length of the way between two points."""
        return 0.0 if a == self.free or b == self.free else math.dist(self.points[a], self.points[b])

    def length(self):
        """Of the round trip."""
        return sum(self.far(self.order[i - 1], self.order[i]) for i in range(self.count))

    def start(self, points):
        """From each point to the nearest that is left; far from all that are left: to the next one along a curve of stripes."""
        stripe = max(1, round(math.sqrt(len(points) / 2)))
        low, high = points[:, 0].min(), points[:, 0].max()
        lane = np.minimum(((points[:, 0] - low) / max(high - low, 1e-12) * stripe).astype(int), stripe - 1)
        along = np.lexsort((np.where(lane % 2 == 0, points[:, 1], -points[:, 1]), lane)).tolist()
        left, order, current, next_along = set(range(len(points))), [], along[0], 0
        while True:
            order.append(current)
            left.discard(current)
            if not left:
                break
            nearest = next((c for c in self.near[current] if c in left), None)
            while nearest is None:
                nearest, next_along = (along[next_along] if along[next_along] in left else None), next_along + 1
            current = nearest
        return order if self.free is None else [*order, self.free]

    def write(self, low, piece, log):
        """Puts a piece of the order in place; what was there goes to the log."""
        if log is not None:
            log.append((low, self.order[low : low + len(piece)]))
        self.order[low : low + len(piece)] = piece
        place = self.place
        for i, c in enumerate(piece, low):
            place[c] = i

    def undo(self, log):
        """Takes all of a log back."""
        while log:
            self.write(*log.pop(), log=None)

    def after(self, a):
        return self.order[(self.place[a] + 1) % self.count]

    def before(self, a):
        return self.order[self.place[a] - 1]

    def turn(self, a, b, log):
        """Turns the way from a on to b around: of it and the rest, the part that does not reach over the list's end."""
        i, j = self.place[a], self.place[b]
        low, high = (i, j) if i <= j else (j + 1, i - 1)
        if low < high:
            self.write(low, self.order[low : high + 1][::-1], log)

    def try_turn(self, a, log):
        """A 2-opt move at a that gains; the points whose neighbours changed, or None. Also returns the gain."""
        for forward in (True, False):
            b = self.after(a) if forward else self.before(a)
            direct = self.far(a, b)
            for c in self.near[a]:
                gain = direct - self.far(a, c)
                if gain <= SMALLEST_GAIN:
                    break
                d = self.after(c) if forward else self.before(c)
                gain += self.far(c, d) - self.far(b, d)
                if gain > SMALLEST_GAIN and c != b and d != a:
                    if forward:
                        self.turn(b, c, log)
                    else:
                        self.turn(c, b, log)
                    return gain, (a, b, c, d)
        return 0.0, None

    def try_move(self, a, log):
        """Moves a piece of up to three points that begins or ends at a next to a neighbour of a."""
        at, order, count = self.place[a], self.order, self.count
        for size in range(1, MOST_SEGMENT + 1):
            for low in {at, at - size + 1}:
                high = low + size - 1
                if low < 1 or high > count - 2:
                    continue
                other = order[high] if low == at else order[low]
                p, n = order[low - 1], order[high + 1]
                gone = self.far(p, order[low]) + self.far(order[high], n) - self.far(p, n)
                if gone <= SMALLEST_GAIN:
                    continue
                for c in self.near[a]:
                    near = self.far(a, c)
                    if near >= gone:
                        break
                    k = self.place[c]
                    if low <= k <= high:
                        continue
                    for side in (1, -1):
                        m = k + side
                        if not 0 <= m < count or low <= m <= high:
                            continue
                        d = order[m]
                        gain = gone - near - self.far(other, d) + self.far(c, d)
                        if gain > SMALLEST_GAIN:
                            self.carry(low, high, min(k, m), first=a if (side == 1) else other, log=log)
                            return gain, (p, n, c, d, a, other)
        return 0.0, None

    def carry(self, low, high, edge, first, log):
        """Takes the piece low…high to between the places edge and edge + 1, so that `first` comes first there."""
        piece = self.order[low : high + 1]
        if piece[0] != first:
            piece.reverse()
        if edge > high:
            self.write(low, self.order[high + 1 : edge + 1] + piece, log)
        else:
            self.write(edge + 1, piece + self.order[edge + 1 : low], log)

    def improve(self, queue, log, is_over):
        """Moves that gain, from the points in the queue on, until none is left. Returns what was gained."""
        waiting, total = set(queue), 0.0
        while queue and not is_over():
            a = queue.pop()
            waiting.discard(a)
            while True:
                gain, touched = self.try_turn(a, log)
                if touched is None:
                    gain, touched = self.try_move(a, log)
                if touched is None:
                    break
                total += gain
                for point in touched:
                    if point not in waiting:
                        waiting.add(point)
                        queue.append(point)
        return total

    def shake(self, chance, log):
        """A double bridge over a short piece. Returns what it costs, and the points at its ends."""
        most = min(50, self.count - 2)
        if most < 6:
            return 0.0, []
        low = chance.randrange(0, self.count - most - 1)
        cuts = sorted(chance.sample(range(low + 1, low + most), 3))
        i, j, k = cuts
        order = self.order
        ends = [order[i - 1], order[i], order[j - 1], order[j], order[k - 1], order[k]]
        cost = self.far(ends[0], ends[3]) + self.far(ends[4], ends[1]) + self.far(ends[2], ends[5])
        cost -= self.far(ends[0], ends[1]) + self.far(ends[2], ends[3]) + self.far(ends[4], ends[5])
        self.write(i, order[j:k] + order[i:j], log)
        return cost, ends


def search(tour, shakes, chance):
    """Improves the tour, then shakes it so often; stops early when the deadline comes near."""
    stop = (1 - SHARE_OF_TIME) * ARGUMENTS.deadline

    def is_over():
        return seconds_left() < stop

    tour.improve(list(range(tour.count))[::-1], None, is_over)
    done = 0
    while done < shakes and not is_over():
        done += 1
        log = []
        cost, ends = tour.shake(chance, log)
        gained = tour.improve(list(ends), log, is_over) if ends else 0.0
        if cost - gained > -SMALLEST_GAIN:
            tour.undo(log)
    NOTES["shakes"] = done


def main():
    """Writes the points' ids in the order of the tour."""
    objective = TASK["objective"]
    table = pq.read_table(ARGUMENTS.train / "tables" / "points.parquet")
    ids = table.column(TASK["id_column"]).to_pylist()
    points = np.column_stack([table.column(c).to_numpy() for c in TASK["coordinates"]]).astype(np.float64)
    opening = objective["opening"]
    tour = Tour(points, is_open=opening is None and not objective["returns"])
    search(tour, int(PARAMS.get("shakes_a_point", 0) * len(ids)), random.Random(ARGUMENTS.seed))
    first = tour.free if tour.free is not None else ids.index(opening) if opening is not None else tour.order[0]
    at = tour.place[first]
    turned = tour.order[at:] + tour.order[:at]
    visited = [ids[i] for i in turned if i != tour.free] + ([opening] if opening is not None else [])
    with (ARGUMENTS.out / "predictions.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([(TASK["target"],), *((name,) for name in visited)])
    (ARGUMENTS.out / "notes.json").write_text(json.dumps(NOTES), encoding="utf-8")


main()
