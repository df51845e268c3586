"""Write the stubs beside their .proto files, or check that they are what the .proto files say.

``python proto/generate.py`` writes; ``python proto/generate.py --check`` compares and fails on a difference.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def generate(target: Path) -> list[Path]:
    """Run protoc with the Python, gRPC and mypy plug-ins; returns the files written."""
    import grpc_tools
    from grpc_tools import protoc

    sources = sorted(str(path.relative_to(HERE)) for path in HERE.glob("hefu/v1/*.proto"))
    scripts = Path(sysconfig.get_path("scripts"))
    arguments = [
        "protoc",
        f"-I{HERE}",
        f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
        f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
        f"--python_out={target}",
        f"--grpc_python_out={target}",
        f"--mypy_out={target}",
        f"--mypy_grpc_out={target}",
        *sources,
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed; see its message above")
    return sorted(target.glob("hefu/v1/*_pb2*"))


def main() -> int:
    """Generate, or with ``--check`` compare with what is committed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a stub is not up to date")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as name:
        made = generate(Path(name))
        stale = [
            path.name
            for path in made
            if not (HERE / "hefu/v1" / path.name).exists()
            or not filecmp.cmp(path, HERE / "hefu/v1" / path.name, shallow=False)
        ]
        if check:
            print("\n".join(f"stale: {name}; run make proto" for name in stale) or f"{len(made)} stubs up to date")  # noqa: T201
            return 1 if stale else 0
        for path in made:
            shutil.copyfile(path, HERE / "hefu/v1" / path.name)
    print(f"{len(made)} stubs written")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
