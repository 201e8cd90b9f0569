"""Start: the autoencoder in one picture, and the cards of the runs."""

import html
from pathlib import Path

import pytest
from reading import OpenPage, drawn, press

import aecore
from aecore.store.figures import FIGURES, STAGES, figures
from aecore.store.store import RunStore
from app import cache
from app.state import keys
from app.views.start.run_card import PAGES, make_strip
from app.widgets.figures import name_of
from app.widgets.pressable import link


def test_the_hero_shows_the_real_code(run_ids: dict[str, str], open_page: OpenPage) -> None:
    run_id = run_ids["variational"]
    page = open_page("start", run=run_id)
    assert not page.exception
    session = aecore.open(run_id)
    image = session.gallery(64).images[:1]
    code = session.encode(image)
    error = session.squared_error(image, session.decode(code))[0]
    assert f"squared error {error:.2f}" in drawn(page)
    for unit in session.units_by_effect()[:10]:
        assert f"<span>{unit}</span><i></i><span>{code[0, unit]:+.1f}</span>" in drawn(page)


def test_another_image_changes_the_picture_and_the_url(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("start", run=run_ids["variational"])
    before = drawn(page)
    next(button for button in page.button if button.label == "Another image").click().run()
    assert page.query_params[keys.EXAMPLE] in ("1", ["1"])
    assert drawn(page) != before
    assert drawn(open_page("start", run=run_ids["variational"], example=1)) == drawn(page)


def test_after_the_last_image_comes_the_first(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("start", run=run_ids["variational"], example=63)
    next(button for button in page.button if button.label == "Another image").click().run()
    assert page.query_params[keys.EXAMPLE] in ("0", ["0"])


def test_every_card_has_its_picture_and_opens_each_page_with_its_run(
    run_ids: dict[str, str], open_page: OpenPage
) -> None:
    page = open_page("start")
    shown = [info for info in aecore.runs() if info.explorable]
    assert drawn(page).count('class="card-strip"') == len(shown)
    assert drawn(page).count("<a href=") == len(PAGES) * len(shown)
    for info in shown:
        for name, (label, icon) in PAGES.items():
            assert link(f"/{name}?run={info.run_id}", name, info.run_id, label, icon) in drawn(page)


@pytest.mark.parametrize("name", PAGES)
def test_a_pressed_link_of_a_card_opens_that_page_with_its_run(
    name: str, run_ids: dict[str, str], open_page: OpenPage
) -> None:
    page = press(open_page("start"), name, run_ids["variational"])
    assert not page.exception
    assert page.title[0].value == PAGES[name][0]
    assert page.query_params["run"] in (run_ids["variational"], [run_ids["variational"]])


def test_a_card_says_what_was_measured_and_what_it_means(run_ids: dict[str, str], open_page: OpenPage) -> None:
    page = open_page("start")
    assert not page.exception
    said = drawn(page)
    for run_id in run_ids.values():
        (card,) = [part for part in said.split('<dl class="card-figures">')[1:] if _all_figures(run_id) in part]
        assert 'title="Squared error of a reconstruction' in card
    for figure in FIGURES:
        if figure.name in ("test_sse", "probe_accuracy", "noise_r2", "seconds", "seed", "parameters"):
            assert f">{figure.label}</abbr></dt>" in said
    for figure in (*FIGURES, STAGES):
        assert f"<dt>{figure.label}</dt><dd>" in said, "the definitions stand at the end of the page too"


def _all_figures(run_id: str) -> str:
    info = aecore.open(run_id).info
    shown = figures(info)
    names = {figure.name for figure, _ in shown}
    assert {"test_sse", "code_dim", "probe_accuracy", "noise_r2", "parameters", "seconds", "seed"} <= names
    return "".join(f"<div><dt>{name_of(figure)}</dt><dd>{html.escape(text)}</dd></div>" for figure, text in shown)


def test_a_copier_is_shown_copying_noise(run_ids: dict[str, str]) -> None:
    session = aecore.open(run_ids["variational"])
    plain = make_strip(session, session.gallery(64)).caption
    session.status = session.status.model_copy(update={"metrics": {"noise_r2": 0.9}})
    session.config = session.config.model_copy(update={"objective": aecore.recipes()["linear"].config.objective})
    assert make_strip(session, session.gallery(64)).caption == "Originals, pure noise, and its reconstruction"
    assert plain != "Originals, pure noise, and its reconstruction"


def test_the_page_needs_no_plotly(home: Path, open_page: OpenPage) -> None:
    assert not open_page("start").get("plotly_chart")


def test_without_runs_it_says_what_to_do(
    tmp_path: Path, empty_home: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "store", lambda: RunStore(tmp_path, tmp_path / "none"))
    page = open_page("start")
    assert not page.exception
    assert "Open Train" in drawn(page)


def test_strips_fit_a_card_whatever_the_kind(empty_home: Path) -> None:
    ready_made = [aecore.open(info.run_id) for info in aecore.runs()]
    assert {session.config.recipe for session in ready_made} >= set(aecore.recipes())
    for session in ready_made:
        strip = make_strip(session, session.gallery(64))
        assert 240 <= strip.width * strip.factor <= 340, session.run_id
        assert strip.caption
