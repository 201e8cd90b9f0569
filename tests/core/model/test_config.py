"""Settings: what is written is read back, and what cannot work is refused in words that say what to change."""

import contextlib
import json
from typing import ClassVar, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aecore.foundation.errors import BadSettings
from aecore.model.config import FORMAT, PACKAGES, RunConfig, TrainingSettings, parse, with_settings
from aecore.parts.backbones import Linear
from aecore.parts.data import Dataset
from aecore.parts.registry import members
from aecore.store.store import RunStore


def test_settings_survive_json_and_keep_their_hash(configure):
    config = configure(objective={"kind": "variational", "beta": 2.5}, backbone={"kind": "conv", "widths": [3, 4]})
    again = parse(json.loads(config.json_text()))
    assert again == config
    assert again.hash == config.hash
    shuffled = dict(reversed(json.loads(config.json_text()).items()))
    assert parse(shuffled).hash == config.hash
    assert json.loads(config.json_text())["format"] == FORMAT


def test_any_difference_gives_another_hash(configure):
    changes = [{}, {"code_dim": 7}, {"training": {"seed": 1}}, {"corruption": "masking"}, {"backbone": "linear"}]
    assert len({configure(**change).hash for change in changes}) == len(changes)


def test_settings_are_frozen(configure):
    config = configure()
    with pytest.raises(ValidationError, match="frozen"):
        config.code_dim = 3
    with pytest.raises(ValidationError, match="frozen"):
        config.training.epochs = 3


@pytest.mark.parametrize("field", PACKAGES)
def test_every_member_can_be_chosen_by_name(configure, field):
    package, base = PACKAGES[field]
    one_layer = {"backbone": "linear"} if field == "procedure" else {}  # which every procedure can train
    for kind in members(package, base):
        assert getattr(configure(**{**one_layer, field: kind}), field).kind == kind


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"corruption": "snow"}, "corruption.*unknown kind 'snow'.*masking"),
        ({"backbone": {"kind": "mlp", "width": 3}}, "backbone.*width"),
        ({"backbone": {"kind": "mlp", "widths": [0]}}, "backbone.widths.*1 to 4096"),
        ({"backbone": {"kind": "conv", "widths": [9999]}}, "backbone.widths.*512"),
        ({"backbone": {"kind": "conv", "widths": []}}, "backbone.*widths"),
        ({"corruption": {"kind": "masking", "level": 1.5}}, "corruption.*level.*less than or equal to 1"),
        ({"corruption": {"kind": "masking", "level": float("nan")}}, "corruption.*level.*finite"),
        ({"corruption": {"kind": "none", "level": 0.1}}, "corruption.*level"),
        ({"corruption": 3}, "corruption.*unknown kind"),
        ({"corruption": None}, "corruption.*unknown kind"),
        ({"corruption": []}, "corruption.*unknown kind"),
        ({"corruption": {"kind": {"kind": "masking"}}}, "corruption.*unknown kind"),
        ({"code_dim": 0}, "code_dim.*greater than or equal to 1"),
        ({"code_dim": "many"}, "code_dim.*integer"),
        ({"training": {"epochs": 0}}, "training.epochs"),
        ({"training": {"learning_rate": float("inf")}}, "training.learning_rate"),
        ({"training": {"schedule": "sometimes"}}, "training.schedule.*one_cycle"),
        ({"training": {"seed": -1}}, "training.seed"),
        ({"training": {"momentum": 1}}, "training.momentum"),
        ({"recipe": "../up"}, "recipe"),
        ({"colour": "red"}, "colour"),
        ({"format": 0}, "format"),
        ({"format": "1"}, "format"),
        ({"format": FORMAT + 1}, "format 2.*reads up to 1.*update"),
        (
            {"backbone": {"kind": "mlp", "tied": True}, "objective": "variational"},
            r"backbone.tied.*backbone\.tied=false",
        ),
        ({"backbone": {"kind": "linear", "tied": True}, "objective": "variational"}, "backbone.tied"),
        (
            {"backbone": {"kind": "mlp", "code_activation": "relu"}, "objective": "variational"},
            "code_activation.*identity",
        ),
    ],
)
def test_what_cannot_work_is_refused_naming_the_field(configure, changes, words):
    with pytest.raises(BadSettings, match=words):
        configure(**changes)


class Real(Dataset):
    kind: Literal["real"] = "real"
    value_range: ClassVar[None] = None

    def load(self, progress=None, fetch=False):
        raise NotImplementedError


def test_bernoulli_is_refused_for_data_outside_0_and_1(configure):
    with pytest.raises(BadSettings, match="likelihood=gaussian"):
        configure(dataset=Real())
    assert configure(dataset=Real(), likelihood="gaussian").likelihood.kind == "gaussian"


@pytest.mark.parametrize("values", [None, 3, "text", [], [1], True, {}, {"format": FORMAT}])
def test_what_is_not_a_run_is_refused(values):
    with pytest.raises(BadSettings):
        parse(values)


# --- with_settings


def test_dotted_bare_and_double_underscore_names(configure):
    base = configure()
    changed = with_settings(base, {"corruption": "gaussian", "corruption.level": 0.2, "epochs": 5, "code_dim": 9})
    assert (changed.corruption.kind, changed.corruption.level) == ("gaussian", 0.2)
    assert (changed.training.epochs, changed.code_dim) == (5, 9)
    assert changed.training.batch_size == base.training.batch_size
    assert with_settings(base, {"training__seed": 4}) == with_settings(base, {"training.seed": 4})
    assert with_settings(base, {}) == base
    assert base == configure(), "the original is untouched"


def test_a_new_kind_starts_from_its_own_defaults_and_the_same_kind_keeps_its_settings(configure):
    base = configure(corruption={"kind": "masking", "level": 0.7})
    assert with_settings(base, {"corruption.kind": "gaussian"}).corruption.level == 0.3
    assert with_settings(base, {"corruption.kind": "masking"}).corruption.level == 0.7
    assert with_settings(base, {"corruption": {"kind": "patches", "size": 2}}).corruption.size == 2
    assert with_settings(base, {"backbone": Linear(tied=True)}).backbone.tied


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_settings_does_not_matter(configure, order):
    pairs = [
        ("corruption.level", 0.2),
        ("corruption.kind", "gaussian"),
        ("objective", "variational"),
        ("objective.beta", 3),
    ]
    changed = with_settings(configure(corruption={"kind": "masking", "level": 0.7}), dict(pairs[::order]))
    assert (changed.corruption.kind, changed.corruption.level, changed.objective.beta) == ("gaussian", 0.2, 3)


@pytest.mark.parametrize(
    "name", ["colour", "corruption.colour", "corruption.level.deep", "code_dim.x", "", ".", "a.b", "format.x"]
)
def test_unknown_names_are_refused(configure, name):
    with pytest.raises(BadSettings, match=name.split(".")[0] or "no such setting"):
        with_settings(configure(), {name: 1})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*RunConfig.model_fields, "x"]), json_values))
@settings(max_examples=60, deadline=None)
def test_nothing_but_bad_settings_comes_of_bad_settings(values):
    with contextlib.suppress(BadSettings):
        parse(values)


@given(
    st.sampled_from([*TrainingSettings.model_fields, "corruption", "backbone.widths", "objective.kind"]), json_values
)
@settings(max_examples=60, deadline=None)
def test_setting_one_field_gives_settings_or_words(name, value):
    base = parse(
        {"dataset": "digits", "corruption": "none", "backbone": "mlp", "likelihood": "bernoulli",
         "objective": "reconstruction", "procedure": "joint"}
    )  # fmt: skip
    with contextlib.suppress(BadSettings):
        changed = with_settings(base, {name: value})
        assert parse(json.loads(changed.json_text())) == changed


def test_run_ids_follow_from_the_settings_and_are_unique(configure, store: RunStore):
    ids = {store.create(configure(recipe="denoising")) for _ in range(5)}
    assert len(ids) == 5
    assert all(run_id.startswith("denoising-digits-") for run_id in ids)
