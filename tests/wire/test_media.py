"""Bytes in base64 arrive as they are, in whichever way they were written; what is none is refused."""

import base64
import binascii
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.failures import RequestError
from dragoman.wire.media import require_type, standard_base64


@given(
    data=st.binary(min_size=1),
    is_padded=st.booleans(),
    blank=st.sampled_from(["", "\r\n", "\n", " ", "\t", "\f"]),
    is_urlsafe=st.booleans(),
)
def test_every_way_to_write_bytes_comes_to_one(data: bytes, is_padded: bool, blank: str, is_urlsafe: bool) -> None:
    expected = base64.b64encode(data).decode()
    written = base64.urlsafe_b64encode(data).decode() if is_urlsafe else expected
    if not is_padded:
        written = written.rstrip("=")
    written = blank.join(["", written[:7], written[7:], ""])
    assert standard_base64(written, "data") == expected


@given(text=st.text(alphabet="AZaz09+/-_=\n !\u00e9", max_size=12) | st.text(max_size=12))
def test_what_comes_out_is_base64(text: str) -> None:
    with suppress(RequestError):
        assert binascii.a2b_base64(standard_base64(text, "data"), strict_mode=True)


@pytest.mark.parametrize(
    "text", ["", "=", "==", "A", "AAAAA", "not base64!!", "AA==AA==", "AA\vAA", " ", "A\u00e9AA", "\n"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as refused:
        standard_base64(text, "source.data")
    assert refused.value.failure.param == "source.data"
    assert "`source.data`" in refused.value.failure.message


def test_usual_data_is_not_copied() -> None:
    data = base64.b64encode(bytes(1000)).decode()
    assert standard_base64(data, "data") is data


@pytest.mark.parametrize(
    ("media_type", "family", "is_fine"),
    [
        ("image/png", "image/", True),
        ("IMAGE/JPEG", "image/", True),
        ("image/svg+xml; charset=utf-8", "image/", True),
        ("application/vnd.ms-excel", "", True),
        ("text/plain", "image/", False),
        ("", "", False),
        ("png", "", False),
        ("image/", "image/", False),
        ("image/png,x", "image/", False),
    ],
)
def test_a_media_type_is_one(media_type: str, family: str, is_fine: bool) -> None:
    if is_fine:
        require_type(media_type, "media_type", family)
        return
    with pytest.raises(RequestError, match="`media_type`"):
        require_type(media_type, "media_type", family)
