"""A person at the app's page, who does something and looks whether it is shown, and whether it is said to be saved."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.support.browser import choose
from tests.support.fuzzing.done import Base, Facts, Steps

if TYPE_CHECKING:
    import random

    from playwright.sync_api import Page

PATIENCE = 60.0  # s until what was done must be shown
KIND = {"clear": "cluster"}  # what changes the same as another, and would be one step with it
SETTLED = 0.3  # s after something is shown, from which "saved" is about it, too
WATCH = """(() => {
  const find = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.tagName === "BUTTON" && / · (saved|saving|NOT SAVED|not kept|elsewhere|only to look at)$/.test(
        node.textContent.trim())) return node;
      const found = node.shadowRoot && find(node.shadowRoot);
      if (found) return found;
    }
    return null;
  };
  let button = null, before = "", looked = 0;
  window.__saved = 0;
  window.__said = () => {
    if (!button?.isConnected && performance.now() - looked > 400) {
      looked = performance.now();
      button = find(document);
    }
    return button?.isConnected ? button.textContent.trim() : "";
  };
  setInterval(() => {
    const now = window.__said();
    if (now.endsWith("saved") && !before.endsWith("saved")) window.__saved += 1;
    before = now;
  }, 25);
})()"""  # in every document: counts how often "saved" appeared
READ = """() => {
  const found = {said: window.__said?.() ?? "", saved: window.__saved ?? 0, count: "", banner: false};
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.shadowRoot) walk(node.shadowRoot);
      if (node.classList.contains("count") && node.textContent.includes("selected")) found.count = node.textContent;
      if (node.classList.contains("lost")) found.banner = true;
    }
  };
  walk(document);
  const roots = (window.Bokeh?.documents ?? []).flatMap((one) => one.roots());
  const models = roots.flatMap((root) => [...root.references()]);
  for (const {data} of models) {
    const label = typeof data?.label === "string" ? data.label : "";
    if (label.startsWith("Keep fraction")) found.keep = label;
    if (label === "Compare with") found.plans = data.options;
    if (label === "Kept selections") found.named = data.options;
    if (label === "Colour by") found.colour = data.value;
    if (label.startsWith("Leave out structures")) found.leave_out = data.value;
  }
  return found;
}"""
LET_GO = """() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  node?.blur();
}"""
SOCKETS = """(() => {
  const Own = window.WebSocket, all = window.__sockets = [];
  window.WebSocket = class extends Own { constructor(...given) { super(...given); all.push(this); } };
})()"""
DROP = "() => { for (const one of window.__sockets) one.close(); window.__sockets.length = 0; }"


class Gone(Exception):
    """The server was killed meanwhile."""


class Person:
    """Who uses the page; ``alive`` tells whether the server still runs, ``sizes`` are those of the clusters."""

    def __init__(self, page: Page, alive: Callable[[], bool], sizes: list[int]) -> None:
        self.page, self.alive, self.sizes = page, alive, sizes
        self.inspected = -1
        self.flagged = self.twins = frozenset[int]()  # rows that are flagged, or that would be with others
        self.last = ""
        self._steps_right = 1

    def choices(self, steps: Steps) -> list[str]:
        """What can be done now, and not the same twice in a row: that would be one step, or two, by how fast it is."""
        back, forth = steps.can_move
        now = steps.now
        some = {
            "cluster": True,
            "clear": now.cluster >= 0,
            "flag": now.cluster < 0,
            "share": now.keep < 95,
            "plan": True,
            "name": now.cluster >= 0,
            "colour": True,
            "leave out": True,
        }
        moves = [name for name, there in (("undo", back), ("undo", back), ("redo", forth), ("redo", forth)) if there]
        return [name for name, there in some.items() if there and KIND.get(name, name) != self.last] + moves

    def choose(self, steps: Steps, draw: random.Random, number: int) -> tuple[str, Steps]:
        """What to do next, and where that leads."""
        what = draw.choice(self.choices(steps))
        now = steps.now
        if what in ("undo", "redo"):
            return what, steps.move(-1 if what == "undo" else 1)
        if what == "flag":
            self.inspected = self._next_row(now, steps)
        after: Facts = {
            "cluster": lambda: replace(now, cluster=(now.cluster + 1) % len(self.sizes)),
            "clear": lambda: replace(now, cluster=-1),
            "flag": lambda: replace(now, judged=now.judged | {self.inspected}),
            "share": lambda: replace(now, keep=now.keep + 1),
            "plan": lambda: replace(now, plans=(*now.plans, f"p{number:04}")),
            "name": lambda: replace(now, named=tuple(sorted((*now.named, f"s{number:04}")))),
            "colour": lambda: replace(now, colour="element" if now.colour == "cluster" else "cluster"),
            "leave out": lambda: replace(now, leave_out=not now.leave_out),
        }[what]()
        return what, steps.did(after)

    def _next_row(self, now: Facts, steps: Steps) -> int:
        taken = {row for facts in steps.moments for row in facts.judged} | self.flagged | self.twins
        row = self.inspected + 1
        while row in taken:
            row += 1
        self._steps_right = row - self.inspected
        return row

    def act(self, what: str, after: Facts) -> None:
        """Do it, as a person does."""
        page = self.page
        if what in ("cluster", "clear", "flag", "undo", "redo"):
            page.evaluate(LET_GO)
        keys = {"cluster": "]", "clear": "Escape", "undo": "Control+z", "redo": "Control+Shift+z"}
        if what in keys:
            page.keyboard.press(keys[what])
        elif what == "flag":
            for _ in range(self._steps_right):
                page.keyboard.press("ArrowRight")
            page.keyboard.press("x")
        elif what == "share":
            page.get_by_role("slider", name=re.compile("^Keep fraction")).press("ArrowRight")
        elif what == "plan":
            page.get_by_label("Name of the plan").fill(after.plans[-1])
            page.locator(".tab-7").get_by_role("button", name="Keep", exact=True).click()
        elif what == "name":
            field = page.get_by_label("Name of the selection")
            new = max(after.named)
            field.fill(new)
            field.press("Enter")
        elif what == "colour":
            choose(page, "Colour by", after.colour.title())
        elif what == "leave out":
            page.get_by_label("Leave out structures with flags").click()
        self.last = "" if what in ("undo", "redo") else KIND.get(what, what)

    def unlike(self, facts: Facts, base: Base) -> list[str]:
        """What the page shows otherwise than ``facts``."""
        seen = self.page.evaluate(READ)
        chosen = self.sizes[facts.cluster] if facts.cluster >= 0 else 0
        flagged = len(base.flagged | facts.judged)
        count = seen["count"].replace(",", "")
        wanted = {
            "selected": count.startswith(f"{chosen} of"),
            "flagged": re.search(rf"\b{flagged} flagged", count),
            "share": seen.get("keep", "").endswith(f" {facts.keep} %"),
            "plans": names_of(seen.get("plans", [])) == list(facts.plans),
            "named": names_of(seen.get("named", [])) == list(facts.named),
            "colour": str(seen.get("colour")).lower() == facts.colour,
            "leave out": seen.get("leave_out") == facts.leave_out,
        }
        return [f"{name} in {seen}" for name, right in wanted.items() if not right]

    def wait_for(self, facts: Facts, base: Base) -> None:
        """Until the page shows ``facts``. Raises Gone where the server was killed, AssertionError if it never does."""
        end = time.monotonic() + PATIENCE
        while wrong := self.unlike(facts, base):
            if not self.alive():
                raise Gone
            if time.monotonic() > end:
                raise AssertionError(f"the page does not show what was done: {wrong}")
            self.page.wait_for_timeout(100)

    def saved(self) -> int:
        """How often the page has said so."""
        return int(self.page.evaluate(READ)["saved"])

    def wait_saved(self, before: int) -> None:
        """Until what is shown is said to be saved, more often than ``before``. Raises as :meth:`wait_for`."""
        self.page.wait_for_timeout(1000 * SETTLED)
        end = time.monotonic() + PATIENCE
        while not ((seen := self.page.evaluate(READ))["said"].endswith("saved") and seen["saved"] > before):
            if not self.alive():
                raise Gone
            if time.monotonic() > end:
                raise AssertionError(f"not saved: {seen}")
            self.page.wait_for_timeout(100)


def names_of(options: Any) -> list[str]:
    """The words of choices, however the page holds them."""
    if not options or isinstance(options, dict):
        return list(options or ())
    return [one if isinstance(one, str) else str(one["label"] if isinstance(one, dict) else one[0]) for one in options]
