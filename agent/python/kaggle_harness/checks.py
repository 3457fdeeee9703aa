"""Trust checks: what each says, how much it weighs, and the verdict that they come to."""

from typing import Any, Literal

Weight = Literal["note", "unverified", "suspect"]
Check = dict[str, Any]


def check(name: str, ok: bool, weight: Weight, detail: str) -> Check:
    """One check. `weight`: what a solution is when it fails; a `note` changes no verdict."""
    return {"name": name, "ok": bool(ok), "weight": weight, "detail": detail[:300]}


def decide_verdict(checks: list[Check]) -> dict[str, Any]:
    """`verdict` (`verified`, `unverified` or `suspect`) and its `reasons`: the details of the failed checks that weigh most."""
    for weight in ("suspect", "unverified"):
        reasons = [c["detail"] for c in checks if not c["ok"] and c["weight"] == weight]
        if reasons:
            return {"verdict": weight, "reasons": reasons}
    return {"verdict": "verified", "reasons": []}
