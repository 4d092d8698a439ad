"""What may be lost is written down."""

import re
from pathlib import Path

from dragoman.protocols import openai_chat
from dragoman.protocols.openai_chat.losses import RAW_LOSSES, REPLY_LOSSES, REQUEST_LOSSES
from dragoman.vendors import openai

FOLDERS = (Path(openai_chat.__file__).parent, Path(openai.__file__).parent)
SOURCE = "".join(path.read_text() for folder in FOLDERS for path in folder.glob("*.py") if path.name != "losses.py")


def test_every_loss_that_the_code_records_is_declared_and_the_other_way_round() -> None:
    recorded = set(re.findall(r'(?:tally\.add|losses\.add|ledger\.\w+)\(\s*"(\w+)"', SOURCE))
    recorded |= set(re.findall(r'_document_texts\(block, path, "(\w+)"', SOURCE))
    # What a client's request loses when it is read is the reader's own.
    assert recorded - {"unknown_field"} == set(REQUEST_LOSSES)
    assert set(RAW_LOSSES) <= set(REQUEST_LOSSES)


def test_each_declared_loss_is_in_the_codec_once() -> None:
    declared = [note.code for note in openai_chat.PROTOCOL.loses]
    assert sorted(declared) == sorted({*REQUEST_LOSSES, *(note.code for note in REPLY_LOSSES)})
