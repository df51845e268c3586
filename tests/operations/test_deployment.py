"""Container files, compose, charts and units: rendered, linted, and as locked down as they say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml
from hefu.__main__ import parser

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
TOWERS = ("broker", "connector")
KUBERNETES = "1.33"
MOST = {
    "broker": {
        "replicas": 3,
        "environmentFrom": [{"secretRef": {"name": "pg"}}],
        "image": {"digest": "sha256:" + "0" * 64},
        "storage": {"className": "fast"},
        "traces": {"endpoint": "http://collector:4318"},
        "networkPolicy": {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]},
    },
    "connector": {
        "endpoint": "hefu.hospital.example:7410",
        "data": [{"name": "lake", "persistentVolumeClaim": {"claimName": "lake", "readOnly": True}}],
        "storage": {"existingClaim": "state"},
        "networkPolicy": {"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]},
        "environment": [{"name": "PGPASSFILE", "value": "/data/lake/pgpass"}],
    },
}


def _run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(each) for each in words], cwd=ROOT, capture_output=True, text=True, check=False)


def _rendered(tower: str, values: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    chart = helm_python.Chart.load(DEPLOY / f"helm/hefu-{tower}")
    for name, text in chart.render(values, name="one", namespace="hefu").items():
        if name.endswith(".yaml"):
            yield from (each for each in yaml.safe_load_all(text) if each)


def _dockerfile(tower: str) -> str:
    return (DEPLOY / f"containers/{tower}.Dockerfile").read_text()


# ---------------------------------------------------------------- container files


@pytest.mark.parametrize("tower", TOWERS)
def test_container_files_pass_hadolint(tower: str) -> None:
    done = _run(BIN / "hadolint", f"deploy/containers/{tower}.Dockerfile")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tower", TOWERS)
def test_an_image_runs_as_nobody_of_the_host_and_holds_one_tower(tower: str) -> None:
    text = _dockerfile(tower)
    last = text.rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in last
    sources = [each for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for each in line.split()[:-1]]
    assert [each for each in sources if not (ROOT / each).exists()] == []
    packages = {each.partition("/")[2] for each in sources if "/" in each}
    assert packages == {"hefu", "hefu_policies", f"hefu_{tower}"}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*", "what is not named does not reach a build"
    assert [each for each in sources if f"!{each}" not in ignored] == []


@pytest.mark.parametrize("tower", TOWERS)
def test_a_tower_works_where_the_others_are_absent(tower: str) -> None:
    absent = {"hefu_broker", "hefu_connector", "hefu_audit", "hefu_space"} - {f"hefu_{tower}"}
    script = (
        f"import sys\nsys.modules.update(dict.fromkeys({sorted(absent)!r}))\n"
        "from hefu.__main__ import main\n"
        f"try: main(['{tower}', 'serve', '--help'])\nexcept SystemExit as end: assert end.code == 0\n"
        "assert main(['doctor', '--dir', '/']) == 2\n"
        "sys.exit(main(['demo']))"
    )
    done = _run(sys.executable, "-c", script)
    assert "--http" in done.stdout, done.stderr
    assert (done.returncode, "pip install 'hefu[demo]'" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("tower", TOWERS)
def test_what_an_image_starts_is_a_command_of_ours(tower: str) -> None:
    command = json.loads(re.search(r"^CMD (\[.*\])$", _dockerfile(tower).rpartition("\nFROM ")[2], re.MULTILINE)[1])
    arguments = parser(command).parse_args(command)
    assert arguments.http.endswith(":9464")


# ---------------------------------------------------------------- compose


def test_the_compose_file_is_of_its_schema_and_gives_no_rights() -> None:
    done = _run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/compose/compose.yaml")
    assert done.returncode == 0, done.stdout
    services = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())["services"]
    assert set(services) == {"broker", "join", "connector"}
    for each in services.values():
        assert each["read_only"] is True
        assert each["cap_drop"] == ["ALL"]
        assert each["user"] == "10001:10001"
        assert each["ulimits"] == {"core": 0}
        assert "no-new-privileges:true" in each["security_opt"]
        assert not {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"} & set(each)
        if "command" in each:
            parser(each["command"]).parse_args(each["command"])


@pytest.mark.parametrize(
    "path",
    ["compose/compose.yaml", *(f"helm/hefu-{each}/{name}.yaml" for each in TOWERS for name in ("values", "Chart"))],
)
def test_yaml_is_tidy(path: str) -> None:
    rules = "{extends: default, rules: {line-length: {max: 120}, document-start: disable, " + (
        "comments: {min-spaces-from-content: 2}, braces: {max-spaces-inside: 1}}}"
    )
    done = _run(BIN / "yamllint", "--strict", "-d", rules, DEPLOY / path)
    assert done.returncode == 0, done.stdout


# ---------------------------------------------------------------- charts


@pytest.mark.parametrize("tower", TOWERS)
def test_charts_pass_helms_linter(tower: str) -> None:
    report = helm_python.lint(DEPLOY / f"helm/hefu-{tower}", strict=True)
    assert (report["messages"], report["errors"]) == ([], [])


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("most", [False, True], ids=["defaults", "everything set"])
def test_what_a_chart_renders_is_strictly_valid(tower: str, most: bool) -> None:
    kinds = set()
    for each in _rendered(tower, MOST[tower] if most else None):
        kubernetes_validate.validate(each, KUBERNETES, strict=True)
        kinds.add(each["kind"])
    assert {"StatefulSet", "Service", "NetworkPolicy"} <= kinds
    assert most is False or "PodDisruptionBudget" in kinds


@pytest.mark.parametrize("tower", TOWERS)
def test_every_container_of_a_chart_is_locked_down_probed_and_limited(tower: str) -> None:
    (found,) = [each for each in _rendered(tower, MOST[tower]) if each["kind"] == "StatefulSet"]
    pod = found["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for each in (*pod.get("initContainers", ()), *pod["containers"]):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in each["resources"]["limits"]
    (main,) = pod["containers"]
    assert main["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert main["readinessProbe"]["httpGet"]["path"] == "/readyz"
    (run,) = [each for each in pod["volumes"] if each["name"] == "run"]
    assert run["emptyDir"]["medium"] == "Memory"


@pytest.mark.parametrize("tower", TOWERS)
def test_what_a_chart_starts_are_commands_of_ours(tower: str) -> None:
    (found,) = [each for each in _rendered(tower, MOST[tower]) if each["kind"] == "StatefulSet"]
    pod = found["spec"]["template"]["spec"]
    for each in (*pod.get("initContainers", ()), *pod["containers"]):
        words = each["args"]
        if "command" in each:
            words = words[0].partition("exec hefu ")[2].split()
        if words:
            parser(words).parse_args(words)


@pytest.mark.parametrize("tower", TOWERS)
def test_metrics_are_reached_by_those_who_watch_and_by_nobody_else(tower: str) -> None:
    (policy,) = [each for each in _rendered(tower) if each["kind"] == "NetworkPolicy"]
    rules = [rule for rule in policy["spec"]["ingress"] if any(port["port"] == "http" for port in rule["ports"])]
    assert len(rules) == 1
    assert rules[0]["from"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    public = [each for each in _rendered(tower) if each["kind"] == "Service" and each["metadata"]["name"] == "one"]
    assert "http" not in {port["name"] for port in public[0]["spec"]["ports"]}


@pytest.mark.parametrize(
    ("tower", "values"),
    [
        ("broker", {"replica": 2}),
        ("connector", {"endpoint": "no port"}),
        ("connector", {"ports": {"listen": 80}}),
        ("broker", {"image": {"digest": "latest"}}),
    ],
)
def test_a_chart_refuses_values_that_it_does_not_know(tower: str, values: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError):
        list(_rendered(tower, values))


# ---------------------------------------------------------------- systemd


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_units_are_sandboxed_as_systemd_judges_it(tower: str) -> None:
    unit = f"deploy/systemd/hefu-{tower}.service"
    done = _run("systemd-analyze", "security", "--offline=true", "--threshold=21", "--no-pager", unit)
    assert done.returncode == 0, done.stdout[-600:]


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_reads_every_line_of_a_unit(tower: str, tmp_path: Path) -> None:
    text = (DEPLOY / f"systemd/hefu-{tower}.service").read_text()
    program = re.search(r"^ExecStart=(\S+) (.*)$", text, re.MULTILINE)
    unit = tmp_path / f"hefu-{tower}.service"
    unit.write_text(text.replace(program[1], str(BIN / "hefu")))
    done = _run("systemd-analyze", "verify", "--man=no", unit)
    assert (done.returncode, done.stderr.strip()) == (0, "")

    parser(program[2].split()).parse_args(program[2].split())


@pytest.mark.parametrize("tower", TOWERS)
def test_a_unit_grants_nothing_it_does_not_need(tower: str) -> None:
    """What systemd-analyze would say, where it is not installed."""
    lines = (DEPLOY / f"systemd/hefu-{tower}.service").read_text().splitlines()
    for line in (
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "SystemCallFilter=@system-service",
        "LimitCORE=0",
        "User=hefu",
    ):
        assert line in lines
    namespaces = {"broker": "yes", "connector": "user net ipc"}[tower]
    assert f"RestrictNamespaces={namespaces}" in lines
