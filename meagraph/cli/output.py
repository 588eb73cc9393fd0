"""What the commands print: a progress bar, values in words, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from meagraph.display.cards import printable
from meagraph.errors import MEAGraphError
from meagraph.memory import ran_out, shortage
from meagraph.progress import Progress

if TYPE_CHECKING:
    from meagraph.evaluation.coverage import Measures
    from meagraph.latent.clustering import Clusters
    from meagraph.pruning.plan import PruningPlan

LISTED = 30  # clusters that are named on the terminal


class Bar:
    """A progress bar on the terminal; silent where there is none. Where memory runs out, it knows at which step."""

    def __init__(self, name: str) -> None:
        self.name, self.step = name, ""

    def __enter__(self) -> Progress:
        from tqdm import tqdm

        self.bar = tqdm(
            total=1000,
            desc=self.name,
            disable=None,
            bar_format="{desc:<28}{percentage:3.0f}%|{bar}| {elapsed}",
        )

        def report(done: int, total: int, message: str) -> None:
            self.step = message
            self.bar.set_description(message, refresh=False)
            self.bar.update(max(0, round(1000 * done / max(total, 1)) - self.bar.n))

        return report

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.bar.close()
        if ran_out(error):
            raise MEAGraphError(shortage(self.step)) from error


def say(as_json: bool, figures: Mapping[str, Any], *lines: str) -> None:
    """Print ``figures`` as JSON where that is asked for, else the ``lines``."""
    print(json.dumps(figures, indent=2) if as_json else "\n".join(lines))


def words(value: Any) -> str:
    """A value of a summary as text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {words(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(words(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def cluster_lines(clusters: Clusters, names: Sequence[str]) -> list[str]:
    """The largest clusters as a table: number, environments, and what sets each apart."""
    shown = list(zip(clusters.sizes.tolist(), names, strict=True))[:LISTED]
    lines = [f"  {'cluster':>7}{'environments':>14}  name"]
    lines += [f"  {number:>7}{size:>14,}  {printable(name)}" for number, (size, name) in enumerate(shown)]
    more = clusters.n_clusters - len(shown)
    return [*lines, *([f"  {'':>7}{'':>14}  and {more:,} more"] if more else [])]


def plan_figures(plan: PruningPlan) -> dict[str, Any]:
    """What a plan comes to, for JSON."""
    summary = plan.summary
    return {
        "structures": summary.structures,
        "structures_kept": summary.kept,
        "environments": summary.environments,
        "environments_chosen": summary.chosen,
        "environments_in_kept_structures": summary.atoms,
        "shares": list(plan.reasons),
    }


def plan_lines(plan: PruningPlan, measures: Measures | None = None) -> list[str]:
    """What a plan comes to, in words."""
    one = plan.summary
    covered = "" if measures is None else f", which have {measures.covered_environments:.1%} of all nearby"
    return [
        f"chosen   {one.chosen:,} of {one.environments:,} environments ({one.chosen / one.environments:.1%}){covered}",
        f"kept     {one.kept:,} of {one.structures:,} structures ({one.kept / one.structures:.1%}) with {one.atoms:,} "
        f"environments ({one.atoms / one.environments:.1%}), by the rule {plan.config.rule!r}",
        *(f"shares   {sentence}" for sentence in plan.reasons),
    ]


def quests_table(figures: dict[str, Any], caption: str) -> str:
    """QUESTS' measures as text, the parameters below."""
    from meagraph.evaluation.quests import SETS

    rows = [f"{'QUESTS':<30}{'environments':>13}{'entropy':>12}{'diversity':>13}{'overlap':>10}"]
    for name, label in SETS.items():
        one = figures[name]
        rows.append(
            f"  {label:<28}{one['used']:>13,}{one['entropy']:>12.4f}{one['diversity']:>13.4f}{one['overlap']:>10.4f}"
        )
    return "\n".join([*rows, f"  entropy and diversity in nats; {caption}"])


def cost_table(figures: dict[str, Any], draws: int) -> str:
    """Errors of the quick force field as text."""
    from ase.units import GPa

    heads = f"{'force RMSE':>12}{'worst group':>13}{'energy RMSE':>13}{'stress RMSE':>13}"
    rows = [f"{'quick force field fitted to':<30}{'environments':>13}{heads}"]
    for name, label in (
        ("kept", "kept structures"),
        ("random", f"random ones (median of {draws})"),
        ("whole", "everything"),
    ):
        one = {key: value[0] if isinstance(value, list) else value for key, value in figures[name].items()}
        stress = None if one["stress_rmse"] is None else one["stress_rmse"] / GPa
        others = (one["worst"], one["energy_rmse"], stress)
        words = "".join(f"{'–' if value is None else f'{value:.4f}':>13}" for value in others)
        rows.append(f"  {label:<28}{one['environments']:>13,.0f}{one['rmse']:>12.4f}{words}")
    units = "  eV/Å, eV per atom, GPa, on structures held out of all fits; it ranks plans and forecasts no other model"
    return "\n".join([*rows, units])
