"""Every script in examples/ runs as a newcomer runs it, and draws what it says."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
MISSING = [name for name in ("matplotlib", "sklearn", "tqdm") if find_spec(name) is None]


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.skipif(bool(MISSING), reason=f"{MISSING} missing: pip install -e '.[examples]'")
@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_example(script: Path, tmp_path: Path):
    folder = tmp_path.resolve() / "deep" / "pictures"
    no_display = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-W", "error", str(script), "--output", str(folder)]
    run = subprocess.run(
        command, cwd=tmp_path, env=no_display, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert str(folder) in run.stdout
    pictures = sorted(folder.iterdir())
    assert pictures
    for picture in pictures:
        assert not is_blank(picture), f"{picture.name} is blank"
        assert picture.name in run.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["deep"], "it writes into one folder only"


def is_blank(picture: Path) -> bool:
    """Whether there is nothing to see in a picture or a page."""
    if picture.suffix == ".html":
        return not re.fullmatch(r"<!doctype html>.+</html>\s*", picture.read_text("utf-8"), re.S)
    if picture.suffix == ".svg":
        return ElementTree.parse(picture).find(".//{http://www.w3.org/2000/svg}rect") is None
    from matplotlib.image import imread

    pixels = imread(picture)
    return not (pixels != pixels[0, 0]).any()
