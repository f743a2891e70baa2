"""Write docs/images anew: the Studio with the sweep of examples/sweep.py, as a person sees it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
BYTES_MAX = 300_000

#: Name, width, height, theme, view, and where the pointer is: the chart, across and down.
Shot = tuple[str, int, int, str, dict[str, Any], tuple[str, float, float] | None]
SHOTS: list[Shot] = [
    ("charts", 1440, 900, "light", {"metrics": "^(train|val)"}, ("train/loss", 0.3, 0.75)),
    ("nan", 1240, 720, "dark",
     {"chart": "train/loss", "y": "log", "at": 2500, "on_chart": "train/loss",
      "runs": "adamw-(1e-2|3e-3|1e-3-(s1|res))"}, None),
    ("groups", 1440, 900, "light",
     {"group": "learning_rate", "show": "all", "smooth": 0.97, "metrics": "^(train|val)",
      "y": "robust", "status": "Completed"}, ("train/loss", 0.3, 0.7)),
    ("table", 1440, 700, "dark", {"page": "table", "show": "all", "differing": 1}, None),
    ("phone", 390, 844, "light", {"metrics": "^(train|val)"}, None),
]  # fmt: skip


def shoot(page: Page, url: str, view: dict[str, Any], at: tuple[str, float, float] | None) -> None:
    """Open a view, wait until it is drawn, and put the pointer where it shows something."""
    page.goto(f"{url}/?{urlencode(view)}")
    page.wait_for_function(
        """() => [...document.querySelectorAll('[data-metric]')].filter((each) => each.studioScene)
            .length > 0 || document.querySelector('td')"""
    )
    page.wait_for_timeout(1200)
    if at is None:
        return
    metric, across, down = at
    box = page.locator(f'[data-metric="{metric}"] [role=application]').bounding_box()
    if box is None:
        message = f"{metric} is not on the screen"
        raise RuntimeError(message)
    place = box["x"] + across * box["width"], box["y"] + down * box["height"]
    page.mouse.move(*place)
    page.mouse.move(place[0] + 1, place[1])
    page.wait_for_timeout(700)


def main() -> None:
    """Serve the sweep and take the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, sync_playwright() as playwright:
        command = [
            sys.executable,
            "-m",
            "stepwell.cli.main",
            "serve",
            "--data",
            data,
            "--port",
            "0",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                line = next(line for line in iter(server.stdout or ()) if "http://" in line)
                url = next(word for word in line.split() if word.startswith("http://")).rstrip("/")
                sweep = [sys.executable, str(ROOT / "examples" / "sweep.py"), "--endpoint", url]
                subprocess.run(sweep, check=True)
                chromium = shutil.which("chromium")
                browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                for name, width, height, theme, view, at in SHOTS:
                    context = browser.new_context(
                        viewport={"width": width, "height": height}, color_scheme=theme
                    )
                    page = context.new_page()
                    shoot(page, url, view, at)
                    file = IMAGES / f"studio-{name}.png"
                    page.screenshot(path=file)
                    context.close()
                    size = file.stat().st_size
                    sys.stdout.write(f"{file.relative_to(ROOT)}: {size:,} bytes\n")
                    if size > BYTES_MAX:
                        message = f"{file.name} is larger than {BYTES_MAX:,} bytes"
                        raise RuntimeError(message)
                browser.close()
            finally:
                server.terminate()
                server.communicate()


if __name__ == "__main__":
    main()
