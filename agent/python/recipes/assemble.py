"""Writes the self-contained recipes from `parts/`: a solution is one file that needs nothing beside it.

`python agent/python/recipes/assemble.py` writes; with `--check` it only says which files are stale, and ends with code 1.
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PARTS = ["arguments", "task", "tables", "media", "splits", "columns", "text"]
RECIPES = {
    "gradient_boosting": PARTS,
    "xgboost_shallow": PARTS,
    "linear": PARTS,
    "extra_trees": PARTS,
    "text_linear": PARTS,
    "nearest_answers": [*PARTS, "masks"],
    "image_pixels": ["arguments", "task", "masks"],
    "text_extract": PARTS,
    "item_neighbours": ["arguments", "task"],
    "tour_search": ["arguments"],
    "play_positions": ["arguments"],
    "four_in_a_row_quick": ["four_in_a_row"],
    "four_in_a_row_search": ["four_in_a_row"],
}


def assemble(name: str) -> str:
    """The text of one recipe: its description, the parts it needs, its own part last."""
    own = (FOLDER / "parts" / f"{name}.py").read_text(encoding="utf-8")
    end = own.index('"""\n', 3)
    description, body = own[:end], own[end + 4 :]
    pieces = [description.rstrip() + f'\n\nWritten by assemble.py from parts/{name}.py; change that file.\n"""\n']
    for part in RECIPES[name]:
        text = (FOLDER / "parts" / f"{part}.py").read_text(encoding="utf-8")
        title, _, rest = text.partition("\n")
        heading = title.strip('"').removeprefix("Part: ").rstrip(".")
        pieces.append(f"# ---- {heading}\n\n{rest.strip()}\n")
    pieces.append(f"# ---- the model\n\n{body.strip()}\n")
    return "\n\n".join(pieces)


def main() -> int:
    """Writes or checks every recipe."""
    stale = 0
    for name in RECIPES:
        path, text = FOLDER / f"{name}.py", assemble(name)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if "--check" in sys.argv:
            print(f"{path.name} is stale: run assemble.py")
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
