"""Which solutions a blend may be made of: its weights are shrunk toward the plain mean, which weak ones would spoil."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_ERRORS = 2.0
_SHARE_OF_GAIN = 0.1
_LEAST_FAMILIES = 2
_MOST = 12


def keep_members(costs: Array, naive: Array, families: list[str]) -> NDArray[np.int64]:
    """Indices of the members that are not clearly worse than the best (a dozen at most), and the best of another family where all are of one.

    `costs` (members, parts) and `naive` (parts): what each member and a constant lose on each part of the rows, smaller is better; infinite
    where it cannot be told. Clearly worse: by more than two standard errors of the paired difference, and by more than a tenth of what the
    best gains on the constant.
    """
    means = costs.mean(axis=1)
    best = int(np.argmin(means))
    if not np.isfinite(means[best]):
        return np.arange(len(costs))
    gain = float(naive.mean() - means[best])
    least_slack = _SHARE_OF_GAIN * gain if np.isfinite(gain) and gain > 0 else 0.0
    ranked = [int(m) for m in np.argsort(means, kind="stable") if np.isfinite(means[m])]
    kept = [m for m in ranked if means[m] - means[best] <= max(_ERRORS * _error(costs[m] - costs[best]), least_slack)][:_MOST]
    for member in ranked:
        known = {families[m] for m in kept}
        if len(known) >= _LEAST_FAMILIES:
            break
        # No worse than a constant: a family that knows nothing is none.
        if families[member] not in known and means[member] < naive.mean():
            kept.append(member)
    return np.sort(np.array(kept, dtype=np.int64))


def _error(differences: Array) -> float:
    """Standard error of a mean difference; 0 for a single part."""
    return 0.0 if len(differences) < 2 else float(differences.std(ddof=1) / np.sqrt(len(differences)))
