"""What the pages say is so: links lead somewhere, named files exist, code runs."""

import shutil
from pathlib import Path

import pytest
from reading import PAGES, ROOT, Block, blocks, links, sources

RUN = [ROOT / "docs" / "testing.md", *sorted((ROOT / "docs" / "extending").glob("*.md"))]


def name_of(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(getattr(value, "line", ""))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    missing = {link for link in links(page) if not (page.parent / link).exists()}
    assert not missing
    assert not {path for path in sources(page) if not (ROOT / path).exists()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "block"), [(p, b) for p in RUN for b in blocks(p) if b.language == "python"], ids=name_of
)
def test_code_runs(page: Path, block: Block) -> None:
    if "kubectl" in block.text and shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl on PATH")
    source = "\n" * (block.line - 1) + block.text  # so that a failure names the line of the page
    exec(compile(source, str(page), "exec"), {"__name__": "page"})
