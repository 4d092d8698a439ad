"""Bytes in base64 arrive as they are, in whichever way they were written; what is none is refused."""

import base64
import binascii
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.failures import RequestError
from dragoman.ir.request import Base64Data, PlainText
from dragoman.wire.media import decode_file, standard_base64, standard_type


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
    ("media_type", "family", "expected"),
    [
        ("image/png", "image/", "image/png"),
        ("IMAGE/JPEG", "image/", "image/jpeg"),
        ("image/svg+xml; charset=utf-8", "image/", "image/svg+xml"),
        ("image/png ;x=y", "image/", "image/png"),
        ("application/vnd.ms-excel", "", "application/vnd.ms-excel"),
    ],
)
def test_a_media_type_is_made_the_standard_one(media_type: str, family: str, expected: str) -> None:
    assert standard_type(media_type, "media_type", family) == expected


@pytest.mark.parametrize(
    ("media_type", "family"),
    [("text/plain", "image/"), ("", ""), ("png", ""), ("image/", "image/"), ("image/png,x", "image/")],
)
def test_what_is_no_media_type_is_refused(media_type: str, family: str) -> None:
    with pytest.raises(RequestError, match="`media_type`"):
        standard_type(media_type, "media_type", family)


@pytest.mark.parametrize(
    ("media_type", "text", "charset"),
    [
        ("text/plain", "\u00e9", "utf-8"),
        ("text/plain;charset=US-ASCII", "e", "ascii"),
        ("text/plain;charset=latin-1", "\u00e9", "latin-1"),
        ('TEXT/CSV; header=present; Charset="Windows-1252"', "\u20ac", "cp1252"),
        ("text/html; charset=Shift_JIS", "\u65e5\u672c", "shift_jis"),
        ("text/plain;charset=utf-16", "\u00e9", "utf-16"),
    ],
)
def test_words_are_read_by_the_charset_that_their_type_says(media_type: str, text: str, charset: str) -> None:
    data = base64.b64encode(text.encode(charset)).decode()
    assert decode_file(media_type, data, "data", "media_type") == PlainText(text)


@pytest.mark.parametrize(
    ("media_type", "data", "field"),
    [
        ("text/plain;charset=klingon", "6Q==", "media_type"),
        ("text/plain;charset=punycode", "6Q==", "media_type"),
        ("text/plain;charset=iso-8859-12", "6Q==", "media_type"),
        ("text/plain;charset=utf-16", "6Q==", "data"),
        ("text/plain;charset=latin-1", "?", "data"),
        ("plain", "6Q==", "media_type"),
    ],
)
def test_words_that_cannot_be_read_are_refused(media_type: str, data: str, field: str) -> None:
    with pytest.raises(RequestError) as refused:
        decode_file(media_type, data, "data", "media_type")
    assert refused.value.failure.param == field


def test_what_is_no_text_stays_bytes() -> None:
    assert decode_file("Application/PDF; x=y", "AAAA", "data", "type") == Base64Data("application/pdf", "AAAA")
    assert decode_file("text/plain", "6Q==", "data", "type") == Base64Data("text/plain", "6Q==")
    assert decode_file("text/plain", "", "data", "type") == PlainText("")
