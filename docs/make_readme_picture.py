"""Photograph a report for the README: the top of the page, as headless Chromium shows it.

python docs/make_readme_picture.py runs/demo/report.html docs/report.png
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--virtual-time-budget=4000", "--force-device-scale-factor=1.5"),
)


def main(page: Path, picture: Path, *, width: int = 1180, height: int = 1290) -> None:
    """Open `page`, wait for its scripts and save what a window of this size shows, in the light scheme."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"make_readme_picture: none of {', '.join(BROWSERS)} is on PATH; install chromium")
    if not page.is_file():
        raise SystemExit(f"make_readme_picture: {page}: no such file; run `make demo` first")
    with tempfile.TemporaryDirectory() as profile:
        options = (f"--user-data-dir={profile}", f"--window-size={width},{height}", f"--screenshot={picture.resolve()}")
        subprocess.run(
            [browser, *FLAGS, *options, page.resolve().as_uri()], check=True, timeout=120, capture_output=True
        )
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:3] or ["runs/demo/report.html", "docs/report.png"]))
