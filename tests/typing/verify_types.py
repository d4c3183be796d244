"""Checks that every public name is completely typed, as a type checker other than mypy sees it.

    python tests/typing/verify_types.py

Public is what `aioimagebuilder`, `aioimagebuilder.blocking` and `aioimagebuilder.testing` export. What other
packages leave untyped (botocore, moto) is theirs.
"""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

PUBLIC_MODULES = ("aioimagebuilder", "aioimagebuilder.blocking", "aioimagebuilder.testing")


def public_names() -> set[str]:
    """Where each public object, and what it inherits, is defined (``aioimagebuilder.errors.AccessError``)."""
    modules = map(import_module, PUBLIC_MODULES)
    exported = {getattr(module, name) for module in modules for name in module.__all__}
    inherited = {base for each in exported for base in getattr(each, "__mro__", ())}
    return {
        f"{each.__module__}.{each.__qualname__}"
        for each in exported | inherited
        if each.__module__.startswith("aioimagebuilder.")
    }


def report() -> list[dict]:
    """What basedpyright finds of each symbol of the package."""
    tools = Path(sys.executable).parent
    done = subprocess.run(
        [tools / "basedpyright", "--verifytypes", "aioimagebuilder", "--ignoreexternal", "--outputjson"],
        env=os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout)["typeCompleteness"]["symbols"]


def is_complete(symbol: dict) -> bool:
    # A class is listed for what its members lack; they are listed, too, and say what.
    if not symbol["diagnostics"]:
        return True
    # The methods of the blocking face take their types from the async ones, by inference: public_api.py
    # holds what type checkers make of them.
    return symbol["isTypeAmbiguous"] and symbol["name"].startswith("aioimagebuilder.blocking.ImageBuilder.")


def main() -> int:
    names = public_names()
    symbols = [
        each
        for each in report()
        if any(each["name"] == name or each["name"].startswith(f"{name}.") for name in names)
    ]
    if len(symbols) < len(names):
        print(f"only {len(symbols)} symbols of {len(names)} public names were looked at", file=sys.stderr)
        return 1
    wanting = [each for each in symbols if not is_complete(each)]
    for each in wanting:
        said = "; ".join(one["message"].replace("\n", " ") for one in each["diagnostics"])
        print(f"{each['name']}: {said}", file=sys.stderr)
    print(f"{len(symbols) - len(wanting)} of {len(symbols)} public symbols are completely typed")
    return 1 if wanting else 0


if __name__ == "__main__":
    sys.exit(main())
