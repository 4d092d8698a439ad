import pytest

from dragoman.engine.headers import downward, upward, with_item


def test_keys_and_the_connections_own_headers_do_not_go_up() -> None:
    headers = {
        "authorization": "Bearer key",
        "x-api-key": "key",
        "api-key": "key",
        "x-amz-security-token": "key",
        "cookie": "a=b",
        "connection": "keep-alive, X-Hop",
        "x-hop": "1",
        "anthropic-beta": "a,b",
        "x-custom": "kept",
    }
    assert upward(headers) == [("anthropic-beta", "a,b"), ("x-custom", "kept")]


def test_cookies_and_framing_do_not_come_down_and_the_upstreams_request_id_gets_a_name_of_its_own() -> None:
    headers = {"set-cookie": "a=b", "content-length": "7", "x-request-id": "up", "x-ratelimit-remaining": "3"}
    assert downward(headers) == [(b"x-ratelimit-remaining", b"3"), (b"x-upstream-request-id", b"up")]


@pytest.mark.parametrize(
    ("rows", "after"),
    [
        ([], [("x-list", "new")]),
        ([("a", "b")], [("a", "b"), ("x-list", "new")]),
        ([("x-list", "old, older"), ("a", "b")], [("a", "b"), ("x-list", "old,older,new")]),
        ([("x-list", "old,new")], [("x-list", "old,new")]),
    ],
)
def test_an_item_is_added_to_a_list(rows: list[tuple[str, str]], after: list[tuple[str, str]]) -> None:
    assert with_item(rows, "x-list", "new") == after
