"""What transforms may record is what docs/losses lists."""

import re
from pathlib import Path

from dragoman import transforms
from dragoman.transforms.losses import LOSES

RECORDED = re.compile(r'\.(?:dropped|degraded|emulated|clamped|repaired)\(\s*"(\w+)"')


def test_every_code_that_is_recorded_is_listed_and_no_other() -> None:
    sources = Path(next(iter(transforms.__path__))).glob("*.py")
    recorded = {code for source in sources for code in RECORDED.findall(source.read_text())}
    assert recorded == {note.code for note in LOSES}
