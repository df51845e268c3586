"""The house stands as its plan says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.architecture.conftest import Room

# The only code that may hold a Source and an Engine together; the engines' own rooms hold both kinds of words.
WORLD = "connector/hefu_connector/computing/world.py"
HOLDERS = {
    WORLD,
    "connector/hefu_connector/bootstrap.py",
    "connector/hefu_connector/ports.py",
}


def test_imports_run_downwards_only(root: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_only_the_enforcement_point_and_the_bootstrap_hold_a_source_and_an_engine(rooms: tuple[Room, ...]) -> None:
    holders = {room.path for room in rooms if "Source" in _ports(room) and "Engine" in _ports(room)}
    assert holders <= HOLDERS
    assert WORLD in holders, "the scan finds nothing any more"
    handed = {room.path for room in rooms if "hefu_connector.computing.world" in _imports(room)}
    computing = {f"connector/hefu_connector/computing/{name}.py" for name in ("enforcement", "working", "filed_ends")}
    simulated = {each for each in handed if each.startswith("deploy/hefu_space/simulator/")}
    assert handed - simulated == {"connector/hefu_connector/bootstrap.py", *computing}


def test_only_the_bootstrap_makes_both_sources_and_engines(rooms: tuple[Room, ...]) -> None:
    makers = {
        room.path
        for room in rooms
        if any(name.startswith("hefu_connector.sources") for name in _imports(room))
        and "hefu_connector.engines.statistics" in _imports(room)
    }
    assert makers <= HOLDERS


def test_the_connectors_own_process_imports_no_engine_library() -> None:
    """E-a: what parses data or draws noise is loaded in workers only."""
    script = (
        "import sys, hefu_connector.bootstrap, hefu_connector.commands\n"
        "heavy = ('duckdb', 'opendp', 'pyarrow', 'pandas', 'numpy', 'tenseal', 'pyld', 'lxml')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_base_verifies_without_any_extra() -> None:
    """A regulator needs gRPC, protobuf and cryptography, and no more."""
    extras = ("sqlalchemy", "sqlmodel", "rich", "ruamel", "sqlglot", "duckdb", "opendp", "pyarrow", "alembic")
    script = (
        f"import sys\nsys.modules.update(dict.fromkeys({extras!r}))\n"
        "sys.argv = ['hefu', 'verify', '--help']\nimport runpy\nrunpy.run_module('hefu', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "verify" in done.stdout


def test_policies_neither_ask_the_clock_nor_draw_chance(rooms: tuple[Room, ...]) -> None:
    banned = {"now", "utcnow", "today", "urandom", "uuid4"}
    found = [
        f"{room.path}:{call.lineno}"
        for room in rooms
        if room.path.startswith("policies/")
        for call in room.calls()
        if isinstance(call.func, ast.Attribute) and call.func.attr in banned
    ]
    assert found == []


def _imports(room: Room) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(room.tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return found


def _ports(room: Room) -> set[str]:
    """Names of `hefu_connector.ports` that a room uses."""
    used = {name.rpartition(".")[2] for name in _imports(room) if name.startswith("hefu_connector.ports.")}
    for node in ast.walk(room.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ports":
            used.add(node.attr)
    if room.path.endswith("hefu_connector/ports.py"):
        used |= {node.name for node in ast.walk(room.tree) if isinstance(node, ast.ClassDef)}
    return used


def test_a_worker_that_counts_loads_no_library_it_does_not_use() -> None:
    script = (
        "import sys\n"
        "from hefu_connector.engines import counting\n"
        "counting.warm()\n"
        "print([name for name in ('sklearn', 'scipy', 'polars', 'mbi', 'ibis') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_worker_loads_no_contract_key_or_certificate() -> None:
    """They cost each new worker a third of its start, and it has no use for them, but a total for its masks."""
    script = (
        "import sys, importlib\n"
        "from hefu_connector.workers import heavy, main\n"
        "heavy_ones = [module for name, module in heavy.HEAVY.items() if not name.startswith('total')]\n"
        "for each in (*main.ENGINES.values(), *main.MAKERS.values(), *heavy_ones):\n"
        "    importlib.import_module(each)\n"
        "unwanted = ('cryptography', 'grpc', 'google', 'sqlalchemy', 'hefu.envelope', 'hefu_policies.agreeing',\n"
        "            'hefu_policies.deciding', 'hefu_policies.odrl')\n"
        "print([each for each in unwanted if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
