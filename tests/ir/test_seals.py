import base64

from hypothesis import given
from hypothesis import strategies as st

from dragoman.ir.seals import Seal, may_return, read_seal, write_seal
from tests.support.ir_strategies import characters

words = st.text(characters, max_size=40)
seals = st.builds(Seal, words, words, words, words, words)


@given(seal=seals)
def test_what_is_sealed_comes_back_byte_equal(seal: Seal) -> None:
    assert read_seal(write_seal(seal)) == seal


@given(seal=seals)
def test_a_sealed_text_is_valid_base64_as_a_whole(seal: Seal) -> None:
    base64.b64decode(write_seal(seal), validate=True)


@given(text=st.text())
def test_other_texts_are_no_seals_and_no_errors(text: str) -> None:
    assert read_seal(text) is None
    back = read_seal("DRAGOMAN" + text)
    assert back is None or read_seal(write_seal(back)) == back


def test_a_seal_returns_to_its_own_upstream_only() -> None:
    seal = Seal("anthropic-messages", "signature", "claude", "model-1")
    assert may_return(seal, "anthropic-messages", "claude")
    assert not may_return(seal, "anthropic-messages", "bedrock")
    assert not may_return(seal, "openai-chat", "claude")


def test_a_seal_may_be_of_use_to_the_model_alone_that_made_it() -> None:
    seal = Seal("gemini-generate", "signature", "google", "gemini-pro")
    assert may_return(seal, "gemini-generate", "google", "gemini-pro")
    assert not may_return(seal, "gemini-generate", "google", "gemini-flash")
    assert may_return(Seal("gemini-generate", "signature", "google"), "gemini-generate", "google", "gemini-flash")
    assert may_return(Seal("gemini-generate", "signature"), "gemini-generate", "google", "gemini-flash")


def test_a_native_artefact_returns_to_any_upstream_of_its_protocol() -> None:
    assert may_return(Seal("anthropic-messages", "signature"), "anthropic-messages", "claude")
