"""Checks with basedpyright that every public name is completely typed.

    python tests/typing/verify_types.py

Public names are those that the package and its public modules
export. Types that are missing in other packages (botocore, moto) are ignored.
"""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

PUBLIC_MODULES = (
    "aioimagebuilder",
    "aioimagebuilder.blocking",
    "aioimagebuilder.instrumentation",
    "aioimagebuilder.instrumentation.opentelemetry",
    "aioimagebuilder.testing",
)


def public_names() -> set[str]:
    """Return the full names of public objects and of their bases."""
    modules = map(import_module, PUBLIC_MODULES)
    exported = {getattr(module, name) for module in modules for name in module.__all__}
    inherited = {base for each in exported for base in getattr(each, "__mro__", ())}
    return {
        f"{each.__module__}.{each.__qualname__}"
        for each in exported | inherited
        if each.__module__.startswith("aioimagebuilder.")
    }


def verified_symbols() -> list[dict]:
    """Return the symbols of the package with the diagnostics of basedpyright."""
    tools = Path(sys.executable).parent
    result = subprocess.run(
        [tools / "basedpyright", "--verifytypes", "aioimagebuilder", "--ignoreexternal", "--outputjson"],
        env=os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(result.stdout)["typeCompleteness"]["symbols"]


def is_complete(symbol: dict) -> bool:
    # A class without diagnostics of its own is listed because of its members, which are listed as well.
    if not symbol["diagnostics"]:
        return True
    # The types of the blocking methods are inferred from the async ones; public_api.py checks them.
    return symbol["isTypeAmbiguous"] and symbol["name"].startswith("aioimagebuilder.blocking.ImageBuilder.")


def main() -> int:
    names = public_names()
    symbols = [
        each
        for each in verified_symbols()
        if any(each["name"] == name or each["name"].startswith(f"{name}.") for name in names)
    ]
    if len(symbols) < len(names):
        print(f"Only {len(symbols)} symbols of {len(names)} public names were verified.", file=sys.stderr)
        return 1
    incomplete = [each for each in symbols if not is_complete(each)]
    for each in incomplete:
        messages = "; ".join(one["message"].replace("\n", " ") for one in each["diagnostics"])
        print(f"{each['name']}: {messages}", file=sys.stderr)
    print(f"{len(symbols) - len(incomplete)} of {len(symbols)} public symbols are completely typed")
    return 1 if incomplete else 0


if __name__ == "__main__":
    sys.exit(main())
