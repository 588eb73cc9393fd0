"""Watchers of the survey that tell another map from another level of the clusters on the same one."""

from __future__ import annotations

from collections.abc import Callable

from param.parameterized import Event

from meagraph.pipeline.survey import Survey


def another_level(*events: Event) -> bool:
    """Whether these events tell of nothing but another level of the clusters on the same map."""
    surveys = [(event.old, event.new) for event in events]
    return bool(surveys) and all(
        isinstance(old, Survey) and isinstance(new, Survey) and old.embedding is new.embedding for old, new in surveys
    )


def on_another_map(update: Callable[..., object]) -> Callable[..., None]:
    """Let a watcher of the survey be told of other maps only, not of other levels of the clusters on the same one."""

    def run(*events: Event) -> None:
        if not another_level(*events):
            update(*events)

    return run
