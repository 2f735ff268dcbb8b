"""Write requirements.lock and the locks beside it from pyproject.toml, by uv: `make lock [UPGRADE=--upgrade]`.

One line for each package: its version, the SHA-256 of each file on PyPI that CPython 3.11 on Linux x86-64 can
install, and their names. Versions stay as they are where pyproject.toml allows them. First what runs, then what
only the extra `dev` brings, from the line `DEV` on. In files of their own what only the extra `slurm` brings, what
the tools bring that exchanged studies go to, and what builds the documentation. The last two are solved last, with all
other versions as given: they ask for other versions of packages that runs need, and get none.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

LOCK = Path("requirements.lock")
HEAD = "# Written by `make lock` (envs/lock.py) from pyproject.toml. Don't edit; envs/setup.sh installs it."
DEV = "# Only for tests, benchmarks and `make lock`: the extra `dev`."
SLURM_LOCK, EXCHANGE_LOCK = Path("requirements-slurm.lock"), Path("requirements-exchange.lock")
DOCS_LOCK = Path("requirements-docs.lock")
BESIDE = {
    SLURM_LOCK: "# Written by `make lock`. What runs on Slurm need beside requirements.lock; see docs/cluster.md.",
    EXCHANGE_LOCK: "# Written by `make lock`. Tools that studies go to, beside requirements.lock: docs/exchange.md.",
    DOCS_LOCK: "# Written by `make lock`. What builds the documentation beside requirements.lock: `make docs`.",
}
"""The first lines of the locks beside requirements.lock."""
RUN = ("ingest", "torch", "keras", "workflow")
TOOLS = ("nnunet", "monai", "bids")
TARGET = ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"]


def main(uv: str, *options: str) -> None:
    """Write the locks; `options` go to uv."""
    with tempfile.TemporaryDirectory() as folder:
        pins, tools, docs = (Path(folder) / f"{name}.txt" for name in ("requirements", "tools", "docs"))
        known = "".join(lock.read_text() for lock in (LOCK, *BESIDE) if lock.exists())
        for path in (pins, tools, docs):  # uv keeps the versions of the file it writes to
            path.write_text("\n".join(re.findall(r"^[\w.-]+==\S+", known, re.M)) + "\n")
        compile_to(pins, uv, *named(*RUN, "dev", "slurm"), *options)
        for out, extras in ((tools, TOOLS), (docs, ("docs",))):
            compile_to(out, uv, *named(*RUN, *extras), "--constraints", str(pins), *options)
        run, whole, slurm = (packages(pins, uv, *RUN, *more) for more in ((), ("dev",), ("slurm",)))
        beside = {SLURM_LOCK: slurm, EXCHANGE_LOCK: packages(tools, uv, *RUN, *TOOLS)}
        beside[DOCS_LOCK] = packages(docs, uv, *RUN, "docs")
    runs = {package["name"] for package in run}
    parts = [HEAD, *(line(p) for p in run)]
    parts += [DEV, *(line(p) for p in whole if p["name"] not in runs)]
    LOCK.write_text("\n".join(parts) + "\n")
    print(f"{LOCK}: {len(run)} packages that run, {len(whole) - len(run)} more for `dev`")
    for lock, found in beside.items():
        only = [line(p) for p in found if p["name"] not in runs]
        lock.write_text("\n".join([BESIDE[lock], *only]) + "\n")
        print(f"{lock}: {len(only)}")


def named(*extras: str) -> list[str]:
    """Return the options of uv for these extras."""
    return [word for extra in extras for word in ("--extra", extra)]


def packages(pins: Path, uv: str, *extras: str) -> list[dict]:
    """Return what these extras need, as pinned, as PEP 751 writes it."""
    out = pins.with_name("pylock.toml")
    compile_to(out, uv, *named(*extras), "--constraints", str(pins), "--format", "pylock.toml")
    return tomllib.loads(out.read_text())["packages"]


def compile_to(out: Path, uv: str, *options: str) -> None:
    """Compile a lock with uv.

    Raises:
        subprocess.CalledProcessError: there is no solution; uv has printed why.
    """
    call = [uv, "pip", "compile", "pyproject.toml", "--group", "weights", *TARGET, *options]
    call += ["--quiet", "--no-annotate", "--output-file", str(out)]
    subprocess.run(call, check=True, stdout=subprocess.DEVNULL)


def line(package: dict) -> str:
    """Return the lock's line: of the wheels if there are any, else of the source archive."""
    files = package.get("wheels") or [package["sdist"]]
    hashes = sorted(f"--hash=sha256:{file['hashes']['sha256']}" for file in files)
    names = sorted(file["url"].rsplit("/", 1)[1] for file in files)
    return f"{package['name']}=={package['version']} {' '.join(hashes)}  # {' '.join(names)}"


if __name__ == "__main__":
    main(*sys.argv[1:])
