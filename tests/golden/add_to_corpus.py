"""Add a file of a landed state to the corpus: `python tests/golden/add_to_corpus.py COMMIT NAME`, in a clone with its history.

The tree of the commit is laid out aside and writes the file itself, with its own engine and its own `recorded_files`; what
stands here only says what to write (corpus_history.py). A file of the corpus is never changed: one that no longer replays means
that files in the hands of users no longer do.
"""

from __future__ import annotations

import io
import lzma
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"


def file_of(commit: str) -> bytes:
    """Let a landed state write its file."""
    archive = subprocess.run(["git", "archive", commit], cwd=HERE.parents[1], stdout=subprocess.PIPE, check=True).stdout
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(tree, filter="data")
        target = Path(folder) / "file.db"
        path = os.pathsep.join([str(tree), str(tree / "tests")])
        script = [sys.executable, str(HERE / "corpus_history.py"), str(target)]
        subprocess.run(script, cwd=tree, env={**os.environ, "PYTHONPATH": path}, check=True)
        return target.read_bytes()


def read(name: str, target: Path) -> Path:
    """Put a file of the corpus where it can be used."""
    target.write_bytes(lzma.decompress((CORPUS / f"{name}.db.xz").read_bytes()))
    return target


if __name__ == "__main__":
    commit, name = sys.argv[1:]
    place = CORPUS / f"{name}.db.xz"
    if place.exists():
        sys.exit(f"{place.name} is there already, and is never changed")
    place.write_bytes(lzma.compress(file_of(commit), preset=9 | lzma.PRESET_EXTREME))
    sys.stdout.write(f"{place.name}: {place.stat().st_size:,} bytes\n")
