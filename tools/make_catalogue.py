"""Make src/dragoman/catalog/models.jsonl from a file of models.dev's: `python -m tools.make_catalogue FILE`.

It takes what `dragoman models --refresh` takes: https://models.dev/api.json, or a snapshot of it in columns, compressed or not.
"""

import sys
from pathlib import Path
from typing import Final

from dragoman.catalog import FILE_NAME
from dragoman.catalog.files import text_of
from dragoman.catalog.models_dev import read_models_dev

TARGET: Final = Path(__file__).parents[1] / "src/dragoman/catalog" / FILE_NAME


def main(source: str) -> None:
    """Write the file and say so."""
    about, shelves = read_models_dev(Path(source).read_bytes())
    TARGET.write_bytes(text_of(about, shelves))
    print(f"{TARGET.name}: {len(shelves)} providers, {sum(len(rows) for _, rows in shelves)} models")


if __name__ == "__main__":
    main(sys.argv[1])
