"""A recipe as text: exact both ways, readable, safe to read, and what is wrong is named by line and key."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from meagraph.descriptors import DescriptorConfig
from meagraph.errors import MEAGraphError
from meagraph.evaluation.quests import QuestsConfig
from meagraph.latent.clustering import ClusteringConfig
from meagraph.pipeline.config import PipelineConfig
from meagraph.pruning.settings import PruningConfig
from meagraph.recipe import BY_PLAN, File, Judged, Predicted, Recipe, Report
from meagraph.recipe.parts import RECIPE_VERSION, numbers_of, ranges, unusual_reading

SMALL = Recipe(data=(File("train.extxyz", "ab" * 32),))
FULL = Recipe(
    data=(File("a b.xyz", "0" * 64), File("runs/c.xyz", "1" * 64)),
    name="Ta: 5 %",
    fingerprint="2" * 64,
    opened=("runs/*.xyz", "no"),
    known=(File("known.xyz", "3" * 64),),
    known_opened=("known/",),
    reading={
        "energy_key": ["REF_energy", "energy"],
        "on_error": "quarantine",
        "max_atoms": 7,
        "allow_unlabelled": True,
    },
    others=(File("desc.npy", "4" * 64),),
    analysis=PipelineConfig(
        descriptors=DescriptorConfig(r_cut=4.5),
        widths=(16, 8),
        clustering=ClusteringConfig(clusters=3),
        seed=2**32 - 1,
        pooling_rate=0.1 + 0.2,
    ),
    model=File("m.safetensors", "5" * 64),
    fine_tune=True,
    drop_duplicates="near",
    distance=1e-5,
    predictions=Predicted(files=(File("p.xyz", "6" * 64),), reading={"format": "extxyz"}),
    judgements=(
        Judged("outlier", 3, "a" * 32, (0, 1, 2, 7), "Ana", "far off", "two\nlines: # no comment"),
        Judged("ordinary", 4, "b" * 32, (5,)),
    ),
    leave_out_flagged=False,
    keep_ordinary=True,
    plan=PruningConfig(
        number=40, unit="structures", fractions={3: 1.0, -1: 0.25}, protected=("a, b", "true"), alpha=0.5
    ),
    try_shares=False,
    report=Report(True, 8, ("meagraph", "random"), QuestsConfig(sample=5)),
    parts={"dropped": BY_PLAN, "a few": "0-1 50"},
    made_with="meaviz 0.0",
)
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)


@pytest.mark.parametrize("recipe", [SMALL, FULL, replace(FULL, predictions=Predicted(family="MACE_"))])
def test_there_and_back(recipe: Recipe) -> None:
    text = recipe.to_yaml()
    assert Recipe.from_yaml(text) == recipe
    assert Recipe.from_yaml(text).to_yaml() == text


def test_only_what_is_not_as_usual_is_written() -> None:
    lines = [line for line in SMALL.to_yaml().splitlines() if not line.startswith("#")]
    assert lines == ["recipe: 1", "data:", f"- {{path: train.extxyz, sha256: {'ab' * 32}}}"]


def test_each_setting_and_judgement_is_a_line() -> None:
    lines = FULL.to_yaml().splitlines()
    assert "  widths: [16, 8]" in lines
    assert "  clustering: {clusters: 3}" in lines
    assert "  fractions: {-1: 0.25, 3: 1.0}" in lines
    assert "  leave_out_flagged: false" in lines
    assert sum("verdict" in line for line in lines) == 2


@settings(max_examples=30, deadline=None)
@given(name=TEXT, path=TEXT, note=TEXT, group=TEXT, atoms=st.lists(st.integers(0, 99), min_size=1, unique=True))
def test_any_text_survives(name: str, path: str, note: str, group: str, atoms: list[int]) -> None:
    said = Judged("outlier", 1, "c" * 32, tuple(sorted(atoms)), name, note, path)
    recipe = Recipe(
        data=(File(path),), name=name, judgements=(said,), plan=PruningConfig(protected=(group,)), parts={name: "3"}
    )
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


@given(st.lists(st.integers(0, 60), unique=True).map(sorted))
def test_numbers_as_ranges(numbers: list[int]) -> None:
    assert list(numbers_of(ranges(numbers), 61)) == numbers


def test_ranges_are_read_with_care() -> None:
    assert ranges([0, 1, 2, 5]) == "0-2 5"
    for bad in ("2-1", "1 1", "3 2", "-1", "1-2-3", "x", "9", "1-9", "1,2", "0-99999999999999"):
        with pytest.raises(MEAGraphError, match="Expected ascending numbers"):
            numbers_of(bad, 9)


def changed(**top: Any) -> str:
    return yaml.safe_dump({"recipe": 1, "data": [{"path": "a.xyz"}], **top}, sort_keys=False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"r\.yaml: expected a mapping .* came None"),
        ("- 1", r"line 1: expected a mapping"),
        ("recipe: 1\nplan: [", r"line 2: expected YAML"),
        ("data: []", r"recipe: expected the version of a recipe, 1, but came None"),
        (f"recipe: {RECIPE_VERSION + 1}", r"line 1, recipe: .*update MEAViz"),
        ("recipe: 1\nrecipe: 1", r"line 2, recipe: expected each key once"),
        ("recipe: 1\ndata: &a [{path: x}]\nknown: *a", r"line 2: expected no alias"),
        ("recipe: 1\ndata: !!python/object/apply:os.system [ls]", r"line 2: .*tag:yaml\.org,2002:python"),
        ("recipe: 1", r"expects the files of its data"),
        (changed(plans={}), r"plans: expected a key among recipe, .* plan"),
        (changed(plan={"keep": "many"}), r"line 5, plan\.keep: expected a number, but came 'many'"),
        (changed(plan={"keep": 7}), r"plan: .*The keep fraction must be above 0 and at most 1, got 7"),
        (changed(plan={"keeps": 0.1}), r"line 5, plan\.keeps: expected a key among keep"),
        (changed(plan={"number": True}), r"plan\.number: expected a whole number, but came True"),
        (changed(plan={"fractions": {"x": 1}}), r"plan\.fractions\.x: expected a whole number"),
        (changed(plan={"protected": "bcc"}), r"plan\.protected: expected a list"),
        (changed(plan={"keep_ordinary": 1}), r"plan\.keep_ordinary: expected true or false"),
        (
            changed(analysis={"descriptors": {"r_cut": None}}),
            r"line 6, .*\.r_cut: expected a number",
        ),
        (changed(analysis={"graph": []}), r"analysis\.graph: expected a mapping"),
        (changed(reading={"energi_key": "e"}), r"reading\.energi_key: expected a key among format, energy_key"),
        (changed(reading={"max_atoms": 1.5}), r"reading\.max_atoms: expected a whole number"),
        (changed(reading={"energy_key": [1]}), r"reading\.energy_key\[0\]: expected a text"),
        (changed(known=[{"sha256": "x"}]), r"known\[0\]\.sha256: expected a SHA-256|known\[0\]: expected the path"),
        (changed(others=[{"path": "x", "sha256": "12"}]), r"line 6, others\[0\]\.sha256: expected a SHA-256"),
        (changed(judgements=[{"verdict": "odd", "structure": 1, "atoms": 1, "key": "k"}]), r"\[0\]\.verdict: .*'odd'"),
        (changed(judgements=[{"verdict": "outlier", "atoms": 1, "key": "k"}]), r"a judgement with its structure"),
        (
            changed(judgements=[{"verdict": "outlier", "structure": 1, "atoms": "2-1", "key": "k"}]),
            r"\.atoms: .* 0-15 20",
        ),
        (changed(judgements=[{"verdict": "outlier", "structure": -1, "atoms": 1, "key": "k"}]), r"from 0, but came -1"),
        (changed(predictions={}), r"predictions: expected either a family of names or files"),
        (changed(duplicates={"drop": "all"}), r"duplicates\.drop: expected one of exact"),
        (changed(report={"curves": ["best"]}), r"report\.curves\[0\]: expected one of meagraph"),
        (changed(report={"cost": "x"}), r"report\.cost: expected a whole number"),
        (changed(model={"fine_tune": True}), r"model: expected the path of a file"),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str) -> None:
    with pytest.raises(MEAGraphError) as raised:
        Recipe.from_yaml(text, path="r.yaml")
    assert re.search(says, str(raised.value)), raised.value
    assert str(raised.value).startswith("r.yaml")


def test_numbers_as_people_write_them() -> None:
    """YAML takes 1e-3 for a text, and 5.0 for no whole number."""
    text = changed(analysis={"training": {"learning_rate": "1e-3", "epochs": 5.0}}, plan={"keep": 1})
    found = Recipe.from_yaml(text)
    assert found.analysis.training.learning_rate == 1e-3
    assert (found.analysis.training.epochs, found.plan.keep) == (5, 1.0)


def test_deep_nests_and_large_texts_are_refused() -> None:
    for text in ("recipe: " + "[" * 1500, "recipe: 1\ndata: " + "{a: " * 1500):
        with pytest.raises(MEAGraphError, match="at most 50 deep"):
            Recipe.from_yaml(text)


def test_reading_options_are_plain() -> None:
    assert unusual_reading({"energy_key": ["e"], "elements": (), "group_key": "config_type", "on_error": "stop"}) == {
        "energy_key": "e"
    }
    assert unusual_reading({"energy_key": ("e", "f"), "elements": ["Cu", "Ag"]}) == {
        "energy_key": ["e", "f"],
        "elements": ["Cu", "Ag"],
    }


def test_defaults_are_those_of_this_version_of_recipes() -> None:
    """What is not written means these: where one changes, earlier recipes must go on to mean the old one.

    Then the version of recipes rises, and reading an earlier one puts the old default in.
    """
    usual = Recipe(data=(File("x"),))
    assert RECIPE_VERSION == 1
    analysis, plan = (flat(asdict(one)) for one in (usual.analysis, usual.plan))
    assert {name: analysis.get(name) for name in ANALYSIS_1} == ANALYSIS_1
    assert {name: plan.get(name) for name in PLAN_1} == PLAN_1


def flat(given: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value}
    return found


ANALYSIS_1 = {
    "descriptors.method": "soap",
    "descriptors.source": "",
    "descriptors.r_cut": 5.0,
    "descriptors.n_max": 3,
    "descriptors.l_max": 3,
    "context": True,
    "latent": "agreement",
    "budget": 20000,
    "graph.lower": 0.8999900000000001,
    "graph.upper": 1.00001,
    "graph.neighbours": 32,
    "widths": (128, 64, 32),
    "kernels": 3,
    "training.epochs": 12,
    "training.batch": 16,
    "training.steps": 80,
    "training.learning_rate": 0.001,
    "training.validation": 0.1,
    "training.patience": 3,
    "pooling_rate": 0.5,
    "clustering.method": "hierarchy",
    "clustering.clusters": None,
    "clustering.level": None,
    "clustering.neighbours": 45,
    "clustering.resolution": 0.05,
    "clustering.min_cluster_size": 60,
    "clustering.min_samples": 5,
    "clustering.largest": 0.8,
    "projection.n_neighbors": 15,
    "projection.min_dist": 0.1,
    "seed": 0,
}
PLAN_1 = {
    "keep": 0.2,
    "alpha": None,
    "within": "mixed",
    "rule": "cover",
    "at_least": None,
    "until_covered": None,
    "protected": (),
    "seed": 0,
    "selector": "meagraph",
    "number": None,
    "unit": "environments",
    "fractions": (),
    "fewest": "atoms",
}


@pytest.mark.parametrize(
    "text", ["recipe: !!timestamp x", "- " * 20_000, "[" * 100_000, "{a: " * 20_000, "? " * 20_000]
)
def test_what_yaml_itself_stumbles_over(text: str) -> None:
    """Deep ones would end the process."""
    with pytest.raises(MEAGraphError, match=r"at most 50 deep|expected YAML"):
        Recipe.from_yaml(text)
