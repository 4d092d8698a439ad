"""Measure how far the local estimate of tokens is off, beside four public tokenisers: `python -m tools.count_error`.

It needs the network once: the vocabularies come inside packages (js-tiktoken from npm: OpenAI's o200k_base and cl100k_base;
mistral-common and dashscope from PyPI: Mistral's Tekken and Qwen's), as does tiktoken, which runs all four. Nothing is installed;
they are unpacked in a temporary folder.

The corpus: this repository (its pages as prose, its Python, its C, the agent's body of the benchmark and the recordings as JSON)
and Article 1 of the Universal Declaration of Human Rights in eight languages. Each is cut into pieces of 4 kB, as
requests are; the error is that of the sum over a corpus, and the mean of the pieces' own errors. Calibrated means: after each
piece the true count is learned, and the second half of the pieces is judged.
"""

import base64
import importlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from bench.protocols import RAW
from bench.workloads import WORKLOADS, request_bytes
from dragoman.stores.calibration import Calibrations
from dragoman.transforms.counting import estimate_text

ROOT: Final = Path(__file__).parents[1]
NPM: Final = "js-tiktoken@1.0.21"
PYPI: Final = ("tiktoken==0.14.0", "regex", "mistral-common==1.13.1", "dashscope==2.0.2")
PIECE: Final = 4096
# github.com/QwenLM/Qwen, tokenization_qwen.py
QWEN: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# https://www.un.org/en/about-us/universal-declaration-of-human-rights
ARTICLE_1: Final[Mapping[str, str]] = {
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und "
    "sollen einander im Geist der Brüderlichkeit begegnen.",
    "French": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience "
    "et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "Spanish": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia, "
    "deben comportarse fraternalmente los unos con los otros.",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны "  # noqa: RUF001
    "поступать в отношении друг друга в духе братства.",
    "Arabic": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. وقد وهبوا عقلاً وضميرًا وعليهم أن يعامل بعضهم بعضًا بروح الإخاء.",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है।",
    "Chinese": "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
    "Japanese": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
}

Count = Callable[[str], int]


def tokenisers(folder: Path) -> dict[str, Count]:
    """Return the four tokenisers by their names, from packages fetched into `folder`."""
    run("npm", "pack", "--silent", NPM, "--pack-destination", str(folder))
    run("tar", "xzf", str(next(folder.glob("js-tiktoken-*.tgz"))), "-C", str(folder))
    run("uv", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PYPI)
    sys.path.insert(0, str(folder))
    tiktoken = importlib.import_module("tiktoken")

    def counter(name: str, pattern: str, ranks: Mapping[bytes, int]) -> Count:
        encoding = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        return lambda text: len(encoding.encode_ordinary(text))

    found = {name: counter(name, *js_ranks(folder, name)) for name in ("o200k_base", "cl100k_base")}
    tekken = json.loads((folder / "mistral_common/data/tekken_240911.json").read_text())
    size = tekken["config"]["default_vocab_size"] - tekken["config"]["default_num_special_tokens"]
    ranks = {base64.b64decode(row["token_bytes"]): row["rank"] for row in tekken["vocab"][:size]}
    found["Tekken"] = counter("tekken", tekken["config"]["pattern"], ranks)
    lines = (folder / "dashscope/resources/qwen.tiktoken").read_bytes().splitlines()
    rows = (line.split() for line in lines if line)
    found["Qwen"] = counter("qwen", QWEN, {base64.b64decode(token): int(rank) for token, rank in rows})
    return found


def js_ranks(folder: Path, name: str) -> tuple[str, dict[bytes, int]]:
    """Return the pattern and the vocabulary in js-tiktoken's file: lines of `! first-rank token token ...`."""
    source = (folder / f"package/dist/ranks/{name}.js").read_text()
    data: Any = json.loads(source[source.index("{") : source.rindex("}") + 1])
    ranks: dict[bytes, int] = {}
    for line in data["bpe_ranks"].splitlines():
        _, first, *tokens = line.split(" ")
        ranks |= {base64.b64decode(token): int(first) + place for place, token in enumerate(tokens)}
    return data["pat_str"], ranks


def corpora() -> dict[str, list[str]]:
    """Return what is counted, by kind, in pieces."""

    def read(*globs: str) -> str:
        return "\n".join(path.read_text() for glob in globs for path in sorted(ROOT.glob(glob)))

    agent = request_bytes(WORKLOADS["agent"], RAW, 0).partition(b"\r\n\r\n")[2].decode()
    prose = re.sub(r"\|.*", "", read("*.md", "docs/*.md"))
    return {
        "prose": pieces(prose),
        "Python": pieces(read("src/**/*.py")),
        "C": pieces(read("bench/*.c")),
        "an agent's body": pieces(agent),
        "JSON": pieces(read("tests/recordings/*/*.json")),
        **{language: [article] for language, article in ARTICLE_1.items()},
    }


def pieces(text: str) -> list[str]:
    """Cut a text."""
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def errors(texts: list[str], count: Count) -> tuple[float, float, float]:
    """Return the errors of an estimate, as shares of the truth: of the sum, the pieces' mean, the mean once calibrated."""
    truths, guesses = [count(text) for text in texts], [estimate_text(text) for text in texts]
    calibrations = Calibrations()
    calibrated: list[float] = []
    for truth, guess in zip(truths, guesses, strict=True):
        calibrated.append(abs(guess * calibrations.factor("p", "m") / truth - 1))
        calibrations.learn("p", "m", guess, truth)
    late = calibrated[len(calibrated) // 2 :]
    single = [abs(guess / truth - 1) for truth, guess in zip(truths, guesses, strict=True)]
    return sum(guesses) / sum(truths) - 1, mean(single), mean(late)


def mean(values: Iterable[float]) -> float:
    """Return the mean."""
    values = list(values)
    return sum(values) / len(values)


def run(*words: str) -> None:
    """Run a command that has to succeed."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Print the table, in Markdown."""
    with tempfile.TemporaryDirectory() as name:
        counts = tokenisers(Path(name))
        print("| corpus | " + " | ".join(counts) + " |\n|---" + "|---" * len(counts) + "|")
        for kind, texts in corpora().items():
            cells = []
            for count in counts.values():
                total, single, late = errors(texts, count)
                cells.append(f"{total:+.0%}" if len(texts) == 1 else f"{total:+.0%} ({single:.0%}, {late:.0%})")
            print(f"| {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
