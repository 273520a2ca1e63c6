"""The house stays readable: bounds on files and functions, a docstring at every door, no room without a subject."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "extensa"
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "misc"}


def source_files() -> list[Path]:
    """Every module of the product."""
    return sorted(p for p in SOURCE.rglob("*.py") if "_data" not in p.parts)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a module as ``path:name`` with the lines of its body, docstring left out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[0]
        has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        documented = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
        yield f"{path.relative_to(ROOT)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1 - documented


def test_no_file_outgrows_its_idea() -> None:
    lines = {str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in source_files()}

    assert [] == [f"{name}: {count}" for name, count in lines.items() if count > 600]
    assert 150 >= median(lines.values())
    assert 400 >= quantiles(lines.values(), n=20)[-1]


def test_no_function_outgrows_a_screen() -> None:
    sizes = dict(pair for path in source_files() for pair in functions(path))

    assert [] == [f"{name}: {count}" for name, count in sizes.items() if count > 80]
    assert 40 >= quantiles(sizes.values(), n=20)[-1]


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(p.relative_to(ROOT)) for p in source_files() if ast.get_docstring(ast.parse(p.read_text())) is None]

    assert [] == silent


def test_no_room_or_file_without_a_subject() -> None:
    named = {p.stem for p in source_files()} | {p.name for p in SOURCE.iterdir() if p.is_dir()}

    assert set() == named & FORBIDDEN_NAMES
