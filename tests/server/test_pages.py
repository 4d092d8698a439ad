"""What is served beside the protocols."""

import msgspec
from openapi_spec_validator import OpenAPIV31SpecValidator

from dragoman.protocols import discover
from dragoman.server.pages import about, json_page, openapi, text_page
from dragoman.server.router import Router

PATHS = Router(discover().values(), ()).paths


def test_the_openapi_document_is_valid_with_and_without_keys() -> None:
    for needs_key in (False, True):
        document = msgspec.json.decode(msgspec.json.encode(openapi(PATHS, needs_key)))
        assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
        assert ("security" in document) is needs_key


def test_every_operation_has_a_name_of_its_own() -> None:
    document = openapi(PATHS, needs_key=False)
    names = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert len(names) == len(set(names))


def test_pages_have_a_type_and_a_body() -> None:
    assert text_page("pong")({}) == (b"text/plain; charset=utf-8", b"pong")
    kind, body = json_page(about)({})
    assert kind == b"application/json"
    assert msgspec.json.decode(body)["name"] == "dragoman"
