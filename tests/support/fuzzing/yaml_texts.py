"""How a text of YAML is damaged: what only YAML has (aliases, tags, merges, odd scalars), and its entries as JSON's."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import yaml

SCALARS = [
    *("~", "yes", "0o17", "017", "1:30", "1_000", ".inf", "-.Inf", ".nan", "1e3", "0x1F", "2001-01-01", "=", "<<"),
    *("!!binary aGVsbG8=", "!!set {a, b}", "!!omap [a: 1]", "!!int '3'", "!!float a", "!!timestamp x", "!unknown 3"),
    *("!!python/object/apply:os.system ['true']", "!!python/name:os.system", "!!null ''", "? a", "- a", "*a", "&a"),
    *('"\\x00"', '"\\uD800"', '"\\e[2J"', "'", '"', "|\n  a\n b", ">-", "@a", "`a`", "%YAML 9.9", "[a", "{a: ", "\t a"),
    *(
        "9" * 400,
        "9" * 5000,
        "1" + ":30" * 300,
        "-" + "9" * 30,
        "../../etc/passwd",
        "/dev/zero",
        "/etc/passwd",
        "a" * 3000,
    ),
]
WHOLE = [
    "",
    "---\n---\na: 1\n",
    "a: &a [1, 2]\nb: *a\n",
    "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "&a [*a]",
    "- " * 20_000,
    "[" * 100_000,
    "{a: " * 5_000,
    "? " * 3_000,
    "a: 1\n<<: {recipe: 1}\n",
    "recipe: 1\nrecipe: 1\n",
    "\ufeffrecipe: 1\n",
    "recipe: 1\r\rdata: []\r",
    "recipe: 1\x00\n",
    "recipe: 1\x85data: 1\u2028",
    "%TAG ! tag:yaml.org,2002:python/\n--- !object/apply:os.system [true]\n",
    "\u202erecipe: 1\n",
]


def yaml_changed(content: bytes, draw: random.Random, changed: Callable[[Any, random.Random], Any]) -> bytes:
    """``content`` with one thing wrong; ``changed`` is how entries of JSON are damaged."""
    if draw.random() < 0.08:
        return draw.choice(WHOLE).encode("utf-8", "surrogatepass")
    if draw.random() < 0.75:
        return yaml.safe_dump(changed(yaml.safe_load(content), draw), sort_keys=False, allow_unicode=True).encode()
    lines = content.decode().split("\n")
    at = draw.randrange(len(lines))
    key, colon, value = lines[at].partition(": ")
    match draw.randrange(6):
        case 0 if colon:
            lines[at] = f"{key}: {draw.choice(SCALARS)}"
        case 1 if colon:
            lines[at] = f"{draw.choice(SCALARS)}: {value}"
        case 2:
            lines[at] = draw.choice(["  ", "\t", " ", "- "]) + lines[at]
        case 3 if "," in lines[at]:
            parts = lines[at].split(",")
            parts[draw.randrange(len(parts))] = f" x: {draw.choice(SCALARS)}"
            lines[at] = ",".join(parts)
        case 4:
            lines[at] = lines[at].lstrip()
        case _:
            lines.insert(at, draw.choice(lines))
    return "\n".join(lines).encode("utf-8", "surrogatepass")
