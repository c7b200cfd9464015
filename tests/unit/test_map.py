"""The documents for engineers name only files, functions and classes that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator" / "sovereign_operator"
PAGES = [ROOT / "operator" / "ARCHITECTURE.md", ROOT / ".github" / "CONTRIBUTING.md"]
REFERENCE = re.compile(r"`(?P<path>[\w./-]+\.(?:py|yaml|tpl|md|toml|txt))(?::(?P<name>[\w.]+))?`")
FOLDER = re.compile(r"`(?P<path>(?:charts|hack|tests|crds)(?:/[\w.-]+)+)/?`")


def find(path: str) -> Path | None:
    """Return the file or folder with this path, relative to the package or to the repository."""
    return next((base / path for base in (PACKAGE, ROOT, ROOT / "operator") if (base / path).exists()), None)


def defined(tree: ast.AST, prefix: str = "") -> set[str]:
    """Return the names of all functions, classes, methods and constants of a module."""
    names: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                names |= defined(node, f"{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {prefix + target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_name_of_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = list(REFERENCE.finditer(text))
    assert len(found) > 10
    for match in found:
        path, name = match["path"], match["name"]
        file = find(path)
        assert file, f"{page.name} names {path}, which does not exist"
        if name:
            assert name in defined(ast.parse(file.read_text(encoding="utf-8"))), f"{path} has no {name}"
    for match in FOLDER.finditer(text):
        assert find(match["path"]), f"{page.name} names {match['path']}, which does not exist"
