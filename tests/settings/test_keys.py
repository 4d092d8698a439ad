"""Keys and headers that could not be sent are refused where they are written, and never shown."""

from pathlib import Path

import pytest

from dragoman.settings import Secret, SettingsError
from tests.settings.test_loading import CHAT, complaint, read

ALONE = "\nhint: write the key alone: a line break at its end often comes from a file"
ANEW = "\nhint: copy it anew: it holds a line break, another control character, or one outside latin-1"


@pytest.mark.parametrize("key", ["sk-abc\\n", " sk-abc", "\\tsk-abc", "sk-abc\u2003", " sk-abc \\n"])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[server]\nport = 1\nkeys = ["good", "KEY"]\n', "FILE:3: the server has white space around its `key`"),
        (CHAT + 'api_key = "KEY"\n', "FILE:4: provider `chat` has white space around its `api_key`"),
        ('[claude]\noauth_token = "KEY"\n', "FILE:2: the Claude back end has white space around its `oauth_token`"),
    ],
)
def test_white_space_around_a_key_is_told(tmp_path: Path, text: str, told: str, key: str) -> None:
    assert complaint(tmp_path, text.replace("KEY", key)) == told + ALONE


@pytest.mark.parametrize("value", ["sk-a\\nbc", "sk-\\u0000", "sk-\\u001b[31m", "sk-\u2026", "\u201csk-abc\u201d"])
def test_what_no_header_can_carry_is_told(tmp_path: Path, value: str) -> None:
    told = complaint(tmp_path, CHAT + f'api_key = "{value}"\n')
    assert told == "FILE:4: `api_key` of provider `chat` is what no header can carry" + ANEW
    told = complaint(tmp_path, CHAT + f'headers = {{ X-Team = "{value}" }}\n')
    assert told == "FILE:4: `X-Team` of provider `chat` is what no header can carry" + ANEW


def test_white_space_around_a_variables_value_is_no_part_of_the_key(tmp_path: Path) -> None:
    """Secrets of Kubernetes' are often made of files, which end in a line break."""
    own = read(tmp_path, CHAT, {"DRAGOMAN_PROVIDERS_CHAT_API_KEY": " sk-abc\n"})
    other = read(tmp_path, CHAT + 'api_key = "env:KEY"\n', {"KEY": "sk-abc\n"})
    assert own.providers["chat"].api_key == other.providers["chat"].api_key == Secret("sk-abc")
    told = complaint(tmp_path, CHAT + 'api_key = "env:KEY"\n', {"KEY": "sk-\nabc"})
    assert told == "FILE:4: `api_key` of provider `chat` is what no header can carry" + ANEW


def test_a_key_of_blanks_in_a_flag_or_a_variable_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^--key: the server has white space around its `key`\n"):
        read(tmp_path, "", server__keys=["sk-abc\n"])
    told = complaint(tmp_path, CHAT, {"DRAGOMAN_PROVIDERS_CHAT_API_KEY": "  "})
    assert told.startswith("DRAGOMAN_PROVIDERS_CHAT_API_KEY: provider `chat` has an empty `api_key`\n")
