"""Which of the user's imported files count for a run, so that a change of one trains others not again."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from recbench.registry import module_name

HARMLESS = {"TypeVar", "float", "frozenset", "int", "len", "max", "min", "range", "set", "tuple"}  # functions
DECORATORS = {"abstractmethod", "cache", "classmethod", "functools", "override", "property", "staticmethod", "torch"}


def counting(sources: Mapping[str, str], words: Iterable[str]) -> dict[str, str]:
    """Return those of the user's files (name to digest) that count for a run which is described by these words.

    The words are the names of its methods and the settings that are text. A file counts if it registers what one of
    them names, or if the text of a file that counts names it or what it registers. It also counts where that cannot be
    told: if it registers nothing, or does more at its import than to define things.
    """
    names = {name: _registered(Path(name), digest) for name, digest in sources.items()}
    texts = list(words)
    counted: set[str] = set()
    while fresh := {name for name in sources if name not in counted and _is_meant(name, names[name], texts)}:
        counted |= fresh
        texts = [_text(Path(name), sources[name]) or "" for name in fresh]
    return {name: digest for name, digest in sources.items() if name in counted}


def _is_meant(name: str, registered: set[str] | None, texts: Iterable[str]) -> bool:
    if registered is None:
        return True
    word = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, {*registered, Path(name).stem}))})(?![\w-])")
    return any(word.search(text) for text in texts)


def _registered(file: Path, digest: str) -> set[str] | None:
    """Return the names that a file registers, None if it cannot be told what it is for."""
    module, text = _module(file, digest), _text(file, digest)
    if module is None or text is None:
        own = getattr(sys.modules.get(file.stem), file.suffix.removeprefix("."), None)  # of a script or a notebook
        return {str(own.name)} if isinstance(own, type) and hasattr(own, "name") else None
    harmless = HARMLESS | {word for word, value in vars(module).items() if _is_ours(value)}
    if not all(_only_defines(statement, harmless) for statement in ast.parse(text).body):
        return None
    own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    return {str(vars(value)["name"]) for value in own if isinstance(value, type) and "name" in vars(value)} or None


def _module(file: Path, digest: str) -> ModuleType | None:
    return sys.modules.get(module_name(file, digest))


def _text(file: Path, digest: str) -> str | None:
    """Return the text of an imported file, None if it has changed since, or is a class of a notebook."""
    path = getattr(_module(file, digest), "__file__", None)
    content = Path(path).read_bytes() if path is not None and Path(path).is_file() else b""
    return content.decode(errors="replace") if sha256(content).hexdigest().startswith(digest) else None


def _is_ours(value: object) -> bool:
    """Return whether it is a class of recbench, such as `Triplets`, `Logit` or `Range`, which only make a value."""
    return isinstance(value, type) and value.__module__.startswith("recbench.")


def _only_defines(statement: ast.stmt, harmless: Collection[str]) -> bool:
    """Return whether a statement at the top of a file or class does nothing but to define names.

    It may call what is `harmless`, and nothing else.
    """
    if isinstance(statement, ast.ClassDef):
        body = all(_only_defines(inner, harmless) for inner in statement.body)
        return body and all(map(_registers, statement.decorator_list))
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return all(_root(decorator) in DECORATORS for decorator in statement.decorator_list)
    if isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)  # a docstring
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return False
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    calls = [node.func for node in ast.walk(statement) if isinstance(node, ast.Call)]
    known = all(isinstance(function, ast.Name) and function.id in harmless for function in calls)
    return known and all(isinstance(target, ast.Name) for target in targets)


def _registers(decorator: ast.expr) -> bool:
    """Return whether a decorator of a class is `REGISTRY.add("name")`, or that of a dataclass."""
    if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute):
        return decorator.func.attr == "add" and all(isinstance(word, ast.Constant) for word in decorator.args)
    return _root(decorator) == "dataclass"


def _root(expression: ast.expr) -> str:
    """Return the first name of a function, an attribute of something, or a call of one of them."""
    while isinstance(expression, ast.Call | ast.Attribute):
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    return expression.id if isinstance(expression, ast.Name) else ""


def counted_paths(paths: Iterable[str], sources: Mapping[str, str]) -> list[str]:
    """Return those of the paths of --import that count for a run, whose `sources` are files by name."""
    return [path for path in paths if Path(path).name in sources]
