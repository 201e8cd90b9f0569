"""The figures of a run: declared once, in words, and shown only where they were measured."""

import dataclasses
import json

import pytest

from aecore.store.figures import FIGURES, STAGES, figures, number, short, stages
from aecore.store.folder import Status


def test_every_figure_says_what_it_means():
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)
    assert len({figure.label for figure in (*FIGURES, STAGES)}) == len(FIGURES) + 1
    for figure in (*FIGURES, STAGES):
        assert len(figure.label) <= 24, "it has to stand beside its value on a card"
        assert len(figure.definition) > 20
        assert figure.definition.endswith(".")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00"), (0.00026, "0.000260"), (0.5, "0.500"), (1.304, "1.30"), (99.96, "100"), (151.09, "151"),
     (12345.6, "12,346")],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_a_runs_figures_are_those_measured(session):
    said = {figure.name: text for figure, text in figures(session.info)}
    kept = session.status.metrics
    assert said["test_sse"] == number(kept["test_sse"])
    assert said["denoised_sse"] == f"{number(kept['denoised_sse'])} (of {number(kept['corrupted_sse'])})"
    assert said["code_dim"] == "6 units"
    assert said["probe_accuracy"] == f"{kept['probe_accuracy']:.1%} (pixels {kept['pixels_probe_accuracy']:.1%})"
    assert said["noise_r2"] == f"{kept['noise_r2']:.2f}".replace("-", "−")
    assert said["parameters"] == f"{session.parameters:,}"
    assert said["seed"] == "0"
    assert not {"dead_units", "stages"} & set(said)
    assert short(session.info, "code_dim", "dead_units") == ["code 6 units"]


def test_what_others_measure_appears_by_its_name(session):
    kept = {**session.status.metrics, "collapsed_units": 2.0, "dead_units": 1.0, "active_rate": 0.125}
    info = dataclasses.replace(session.info, status=session.status.model_copy(update={"metrics": kept}))
    said = {figure.label: text for figure, text in figures(info)}
    assert (said["Collapsed"], said["Dead"], said["Active"]) == ("2 units", "1 units", "12.5%")


def test_the_error_after_each_stage_is_read_from_the_history(session, tmp_path):
    rows = [
        {"epoch": 0, "stage": "start", "validation_loss": 9.0, "validation_sse": 9.0},
        {"epoch": 1, "stage": "layer 1", "validation_loss": 4.0, "validation_sse": 4.0},
        {"epoch": 2, "stage": "layer 1", "validation_loss": 3.0, "validation_sse": 3.0},
        {"epoch": 3, "stage": "together", "validation_loss": 1.25, "validation_sse": 1.25},
        {"epoch": "odd", "stage": 7},
    ]
    (tmp_path / "history.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    info = dataclasses.replace(session.info, folder=tmp_path)
    assert stages(info) == {"layer 1": 3.0, "together": 1.25}
    assert dict(figures(info))[STAGES] == "layer 1 3.00 → together 1.25"
    assert stages(session.info) == {}, "one stage is no news"


def test_a_run_that_cannot_be_read_has_no_figures(session, tmp_path):
    info = dataclasses.replace(session.info, folder=tmp_path, config=None, status=Status())
    assert figures(info) == []
