"""Pictures and files inside JSON: data URLs, both ways.

https://www.rfc-editor.org/rfc/rfc2397
"""

import base64
from typing import Final
from urllib.parse import unquote_to_bytes

from dragoman.ir.failures import RequestError
from dragoman.ir.request import Base64Data, PlainText, UrlData
from dragoman.wire.media import standard_base64

_MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
}
"""By a file name's ending, for files whose data does not say what they are."""


def is_data_url(url: str) -> bool:
    """Tell whether `url` holds its data itself."""
    return url[:5].lower() == "data:"


def decode_data_url(url: str, path: str) -> Base64Data:
    """Return what a data URL holds; `path` names it. Raises RequestError when it is none."""
    head, comma, data = url[5:].partition(",")
    if not comma:
        raise RequestError(f"`{path}` is a data URL without a comma", param=path, hint="data:image/png;base64,...")
    media_type, *parameters = head.split(";")
    if parameters and parameters[-1].strip().lower() == "base64":
        return Base64Data(
            media_type.lower() or "text/plain",
            unquote_to_bytes(data).decode("ascii", "replace") if "%" in data else data,
        )
    return Base64Data(media_type.lower() or "text/plain", base64.b64encode(unquote_to_bytes(data)).decode())


def decode_image_url(url: str, path: str) -> Base64Data | UrlData:
    """Return the picture at a data or http URL. Raises RequestError when it is neither, or no picture."""
    if not is_data_url(url):
        return decode_url(url, path)
    data = decode_data_url(url, path)
    if not data.media_type.startswith("image/"):
        raise RequestError(f"`{path}` is a data URL of the type `{data.media_type}`, not of an image", param=path)
    return Base64Data(data.media_type, standard_base64(data.data, path))


def decode_url(url: str, path: str) -> UrlData:
    """Return an address that an upstream can fetch from. Raises RequestError for any other."""
    if url.partition(":")[0].lower() not in ("http", "https", "gs"):
        raise RequestError(f"`{path}` is neither an http nor a data URL", param=path)
    return UrlData(url)


def decode_file_data(data: str, filename: str | None, path: str) -> Base64Data | PlainText:
    """Return a file's content: a data URL, or bare base64 whose type the name tells. Text comes as text."""
    source = decode_data_url(data, path) if is_data_url(data) else Base64Data(_media_type_of(filename, path), data)
    if not source.data and source.media_type.startswith("text/"):
        return PlainText("")  # an empty file
    source = Base64Data(source.media_type, standard_base64(source.data, path))
    text = plain_text(source)
    return source if text is None else PlainText(text)


def _media_type_of(filename: str | None, path: str) -> str:
    ending = (filename or "").rpartition(".")[2].lower()
    if ending not in _MEDIA_TYPES:
        raise RequestError(
            f"`{path}` does not say what it is",
            param=path,
            hint="write it as a data URL: data:application/pdf;base64,...",
        )
    return _MEDIA_TYPES[ending]


def data_url(source: Base64Data) -> str:
    """Return `source` as a data URL."""
    return f"data:{source.media_type};base64,{source.data}"


def plain_text(source: Base64Data) -> str | None:
    """Return the words of a text file, which every protocol can carry; None when it is none."""
    if not source.media_type.startswith("text/"):
        return None
    try:
        return base64.b64decode(source.data, validate=True).decode()
    except ValueError:
        return None
