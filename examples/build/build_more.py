"""Build the demo competitions that are not committed:  python examples/build/build_more.py [SLUG …] [--packages FOLDER] [--into FOLDER]

They are written to examples/built, which is not committed: some are too large, of others the licence says no. Needs
examples/build/requirements.txt, pip and npm, and for clothes, languages and one-liners a Debian with apt.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from from_frames import build_city_sales, build_movie_ratings, build_relapse, build_reviews, build_survivors
from from_media import build_clothes, build_emoji, build_languages
from from_texts import build_one_liners

BUILDERS: dict[str, Callable[[Path, Path], None]] = {
    "ship-survivors": build_survivors,
    "great-or-not": build_reviews,
    "city-house-sales": build_city_sales,
    "movie-ratings": build_movie_ratings,
    "relapse": build_relapse,
    "clothes-28x28": build_clothes,
    "emoji-sorter": build_emoji,
    "which-language": build_languages,
    "write-the-one-liner": build_one_liners,
}
BUILT = Path(__file__).resolve().parent.parent / "built"


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the demo competitions that are not committed.")
    parser.add_argument("slugs", nargs="*", metavar="SLUG", help=f"which ones: {', '.join(BUILDERS)}; all by default")
    parser.add_argument("--packages", type=Path, help="folder that keeps the downloaded packages")
    parser.add_argument("--into", type=Path, default=BUILT, help="where they go; examples/built by default")
    given = parser.parse_args()
    for slug in given.slugs:
        if slug not in BUILDERS:
            parser.error(f"there is no {slug}: choose of {', '.join(BUILDERS)}")
    with tempfile.TemporaryDirectory() as temporary:
        packages = given.packages or Path(temporary)
        packages.mkdir(parents=True, exist_ok=True)
        for slug in given.slugs or BUILDERS:
            print(f"{slug} …", flush=True)
            BUILDERS[slug](packages.resolve(), given.into.resolve())


if __name__ == "__main__":
    main()
