"""Pictures and files inside JSON: data URLs, both ways.

https://www.rfc-editor.org/rfc/rfc2397
"""

import base64
from typing import Final
from urllib.parse import unquote_to_bytes

from dragoman.ir.failures import RequestError
from dragoman.ir.request import Base64Data, PlainText, UrlData
from dragoman.wire.media import decode_file, standard_base64, standard_type

_MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "xml": "application/xml",
}
"""By a file name's ending, for files whose data does not say what they are."""
_ENDINGS: Final = {media_type: ending for ending, media_type in _MEDIA_TYPES.items()}


def is_data_url(url: str) -> bool:
    """Tell whether `url` holds its data itself."""
    return url[:5].lower() == "data:"


def decode_data_url(url: str, path: str) -> Base64Data:
    """Return what a data URL holds; `path` names it. Raises RequestError when it is none."""
    media_type, data = _split(url, path)
    return Base64Data(media_type.partition(";")[0].strip().lower(), data)


def _split(url: str, path: str) -> tuple[str, str]:
    """Return a data URL's media type, with its parameters, and its data in base64."""
    head, comma, data = url[5:].partition(",")
    if not comma:
        raise RequestError(f"`{path}` is a data URL without a comma", param=path, hint="data:image/png;base64,...")
    media_type, _, encoding = head.rpartition(";")
    is_base64 = encoding.strip().lower() == "base64" and ";" in head
    media_type = (media_type if is_base64 else head).strip()
    if not media_type or media_type.startswith(";"):
        media_type = f"text/plain{media_type}"
    if not is_base64:
        return media_type, base64.b64encode(unquote_to_bytes(data)).decode()
    return media_type, unquote_to_bytes(data).decode("ascii", "replace") if "%" in data else data


def decode_image_url(url: str, path: str) -> Base64Data | UrlData:
    """Return the picture at a data or http URL. Raises RequestError when it is neither, or no picture."""
    if not is_data_url(url):
        return decode_url(url, path)
    media_type, data = _split(url, path)
    if not media_type.lower().startswith("image/"):
        raise RequestError(f"`{path}` is a data URL of the type `{media_type}`, not of an image", param=path)
    return Base64Data(standard_type(media_type, path), standard_base64(data, path))


def decode_url(url: str, path: str) -> UrlData:
    """Return an address that an upstream can fetch from. Raises RequestError for any other."""
    if url.partition(":")[0].lower() not in ("http", "https", "gs"):
        raise RequestError(f"`{path}` is neither an http nor a data URL", param=path)
    return UrlData(url)


def decode_file_data(data: str, filename: str | None, path: str) -> Base64Data | PlainText:
    """Return a file's content: a data URL, or bare base64 whose type the name tells. Text comes as text."""
    media_type, content = _split(data, path) if is_data_url(data) else (_media_type_of(filename, path), data)
    return decode_file(media_type, content, path, path)


def _media_type_of(filename: str | None, path: str) -> str:
    ending = (filename or "").rpartition(".")[2].lower()
    if ending not in _MEDIA_TYPES:
        raise RequestError(
            f"`{path}` does not say what it is",
            param=path,
            hint="write it as a data URL: data:application/pdf;base64,...",
        )
    return _MEDIA_TYPES[ending]


def file_name(title: str | None, media_type: str) -> str:
    """Return the name of a file of this type: OpenAI reads it by the ending, and refuses it without a name."""
    return title or f"document.{_ENDINGS.get(media_type, 'bin')}"


def data_url(source: Base64Data) -> str:
    """Return `source` as a data URL."""
    return f"data:{source.media_type};base64,{source.data}"
