"""Atlases: which images they show, where they lie on each map, and what the maps lead back to.

Longer than other files by a few lines, because one atlas is made once for all of its tests.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import aecore
from aecore.foundation import geometry, metrics
from aecore.foundation.errors import BadInput, DataUnavailable, Stopped
from aecore.maps import cache as map_cache
from aecore.maps import plan, shepard
from aecore.maps.atlas import Atlas, atlas, precompute
from aecore.maps.colours import Colouring, colouring, colourings, palette
from aecore.maps.panel import EDGE
from aecore.maps.poster import SIDE, panel_svg, poster, thumbnails
from aecore.maps.spec import AtlasSpec, PanelSpec
from aecore.parts.embeddings import Umap
from aecore.parts.looking import Embedding
from aecore.parts.registry import make, members
from aecore.session.session import Session
from aecore.store.store import RunStore

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("AECORE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def session(home: Path) -> Session:
    return aecore.train("variational", dataset="digits", epochs=2, threads=1, code_dim=4)


@pytest.fixture(scope="module")
def line(home: Path) -> Session:
    return aecore.train("undercomplete", dataset="digits", epochs=2, threads=1, code_dim=1)


@pytest.fixture(scope="module")
def found(session: Session) -> Atlas:
    return atlas(session, AtlasSpec(n=300))


@pytest.fixture
def away(home: Path, session: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The same run on a machine without its dataset."""

    def unavailable(dataset: object) -> None:
        raise DataUnavailable("the digits are not here")

    monkeypatch.setattr("aecore.store.run_data.load_data", unavailable)
    return Session(RunStore(home), session.run_id)


def test_test_images_come_first_and_the_note_describes_the_choice(session: Session, found: Atlas) -> None:
    tests = session.data.indices("test")
    assert len(found) == 300
    assert set(found.indices[: len(tests)]) == set(tests)
    assert len(set(found.indices.tolist())) == 300
    assert (
        found.note
        == f"300 of 1,797 images ({len(tests)} test, {300 - len(tests)} validation), stratified by class, seed 0"
    )
    assert np.array_equal(found.codes, session.encode(session.data.floats(found.indices)))


def test_a_small_atlas_has_every_class_in_its_share(session: Session) -> None:
    small = atlas(session, AtlasSpec(n=50))
    assert set(small.origins) == {"test image"}
    assert all(3 <= count <= 7 for count in small.class_counts(range(50)).values())


@pytest.mark.parametrize("which", [0, 1, 2])
def test_panels_are_similar_to_their_maps(found: Atlas, which: int) -> None:
    panel = found.panels[which]
    ratio = geometry.distances(panel.places)[0, 1:] / geometry.distances(panel.coordinates)[0, 1:]
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-3)
    assert np.abs(panel.places).max() == pytest.approx(1, abs=1e-5)
    assert np.abs(panel.grid / 1000 - panel.places).max() <= 0.00051


def test_panels_are_rotated_to_match_the_first(found: Atlas) -> None:
    reference = found.panels[0].places
    for panel in found.panels[1:]:
        turned = [panel.places @ np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in (0.3, -0.3, 3.0)]
        mirrored = panel.places * [-1, 1]
        agreement = [
            float((points_ * (reference - reference.mean(0))).sum()) for points_ in (panel.places, *turned, mirrored)
        ]
        assert agreement[0] == max(agreement)


def test_an_image_of_the_atlas_is_placed_where_it_is(found: Atlas) -> None:
    for panel, placed in zip(found.panels, found.place(found.pictures(range(5)), found.codes[:5]), strict=True):
        np.testing.assert_allclose(
            placed.places, panel.places[:5].clip(-1.04, 1.04), atol=0.03 if panel.kind == "mds" else 2e-4
        )
        assert [i in near for i, near in enumerate(placed.nearest)] == [True] * 5


def test_images_beyond_a_map_are_drawn_at_its_edge(found: Atlas) -> None:
    far = found.codes[:1] + 1e4
    placed = found.place(found.pictures([0]), far)[2]
    assert placed.beyond.all()
    assert np.abs(placed.places).max() < EDGE


def test_images_of_another_size_are_refused(found: Atlas) -> None:
    with pytest.raises(BadInput, match="these maps show images of 1 × 8 × 8"):
        found.place(np.zeros((1, 1, 9, 9), np.float32), found.codes[:1])


def test_a_code_of_one_unit_is_a_strip(line: Session) -> None:
    made = atlas(line, AtlasSpec(n=200))
    panel = made.panels[2]
    order = np.argsort(made.codes[:, 0])
    steps = np.diff(panel.places[order, 0])
    assert (steps >= -1e-6).all() or (steps <= 1e-6).all()
    placed = made.place(made.pictures(range(3)), made.codes[:3])[2]
    np.testing.assert_allclose(placed.places[:, 0], panel.places[:3, 0].clip(-1.04, 1.04), atol=1e-4)
    assert (placed.places[:, 1] == 0).all()


def test_without_the_dataset_decoded_codes_are_the_images(session: Session, away: Session) -> None:
    made = atlas(away, AtlasSpec(n=120))
    assert made.decoded
    assert "decoded by the model: the digits are not here" in made.note
    np.testing.assert_array_equal(made.pictures(range(120)), away.decode(made.codes))
    assert set(made.origins) == {"decoded training image"}


def test_cached_maps_are_not_fitted_again(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    first = atlas(session, AtlasSpec(n=90))

    def never(*arguments: object) -> None:
        raise AssertionError("a cached map was fitted again")

    monkeypatch.setattr(map_cache, "fit_map", never)
    again = atlas(session, AtlasSpec(n=90))
    for one, other in zip(first.panels, again.panels, strict=True):
        np.testing.assert_array_equal(one.places, other.places)
        assert one.quality == other.quality


def test_precomputed_maps_are_what_the_atlas_asks_for(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "DEFAULT_IMAGES", 60)
    precompute(session, tmp_path / "maps")
    assert len(list((tmp_path / "maps").iterdir())) == 3
    monkeypatch.setattr(map_cache, "assets", lambda: tmp_path)
    monkeypatch.setattr(map_cache, "fit_map", None)
    assert len(atlas(session)) == 60


def test_colours_follow_classes_and_units(found: Atlas) -> None:
    names = colourings(found)
    assert next(iter(names)) == "class"
    assert {f"unit-{unit}" for unit in range(4)} < set(names)
    by_class = colouring(found, "class")
    assert len(set(map(tuple, by_class.colours))) == 10
    assert np.array_equal(by_class.index, found.labels)
    unit = colouring(found, "unit-2")
    order = np.argsort(found.codes[:, 2])
    assert (np.diff(unit.index[order].astype(int)) >= 0).all()
    assert unit.rgb.shape == (300, 3)
    for name in ("unit-4", "factor-x", "", "class-1"):
        with pytest.raises(BadInput):
            colouring(found, name)


def test_beyond_ten_classes_colour_and_shape_together_stay_unique() -> None:
    names = tuple(str(i) for i in range(40))
    many = Colouring("Class", np.arange(40, dtype=np.float32), names, palette(40), 0.0, 1.0)
    assert len(set(zip(many.colours, many.shapes, strict=True))) == 40


def test_thumbnails_do_not_overlap_and_keep_their_colour(found: Atlas) -> None:
    colours = colouring(found, "class")
    layer = thumbnails(found, found.panels[0], colours, 360)
    opaque = layer[:, :, 3] == 255
    assert opaque.sum() % (20 * 20) == 0
    one = thumbnails(found, found.panels[0], colours, 360, [7])
    assert tuple(one[one[:, :, 3] == 255][0, :3]) == tuple(colours.rgb[7])


def test_poster_and_table(found: Atlas) -> None:
    for name in ("class", "distortion", "none"):
        drawn = poster(found, name, "A run", name == "class")
        assert drawn.shape[1] > 3 * SIDE
        assert len(np.unique(drawn[::5, ::5].reshape(-1, 3), axis=0)) > 20
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert len(rows) == 300
    assert float(rows[4]["mds_y"]) == pytest.approx(float(found.panels[1].coordinates[4, 1]), rel=1e-4)
    assert rows[4]["class"] == found.class_of(4)


def test_a_map_as_svg_has_a_dot_per_image_in_its_colour(found: Atlas) -> None:
    for name in ("class", "distortion", "none"):
        colours = colouring(found, name, found.panels[1])
        root = ElementTree.fromstring(panel_svg(found, found.panels[1], colours))
        dots = [path for path in root.iter(f"{SVG}path") if "style" not in path.attrib]
        assert [path.attrib["class"] for path in dots] == [f"c{i}" for i in colours.index.tolist()]
        texts = [text.text or "" for text in root.iter(f"{SVG}text")]
        assert texts[0] == "MDS"
        assert name != "class" or set(found.label_names) <= set(texts)
        (style,) = [style.text or "" for style in root.iter(f"{SVG}style")]
        assert "#" + bytes(colours.table[0].tolist()).hex() in style


def test_arrays_and_diagrams_match_the_figures(session: Session, found: Atlas) -> None:
    np.testing.assert_array_equal(np.load(io.BytesIO(found.npy()), allow_pickle=False), found.coordinates)
    assert len(found.axes) == found.coordinates.shape[1]
    pca, mds, code = found.panels
    diagram = mds.shepard(40)
    assert len(diagram.delta) == len(diagram.linear) == 40 * 39 // 2
    assert pca.scree().summed[1] == pytest.approx(pca.quality["explained_variance"], rel=1e-4)
    assert code.scree().summed[-1] == pytest.approx(1)
    for panel in found.panels:
        assert set(panel.definitions) == set(panel.readings)
        assert all("Source:" in text for text in panel.definitions.values())


@pytest.mark.parametrize("dimensions", [2, 3])
def test_any_maps_can_stand_side_by_side(session: Session, dimensions: int) -> None:
    kinds = [kind for kind in members("embeddings", Embedding) if kind != "umap" or Umap.installed()]
    values = [{"kind": kind} for kind in kinds] + [{"kind": "mds", "distance": "codes"}]
    chosen = [PanelSpec(make("embeddings", Embedding, {**value, "dimensions": dimensions})) for value in values]
    for part in (chosen[:4], chosen[4:]):
        side_by_side(session, tuple(part))


def side_by_side(session: Session, panels: tuple[PanelSpec, ...]) -> None:
    reports: list[tuple[float, str]] = []
    several = atlas(session, AtlasSpec(panels, 40), lambda share, words: reports.append((share, words)))
    assert [panel.spec for panel in several.panels] == list(panels)
    shares = [share for share, _ in reports]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {panel.embedding.title for panel in panels} <= {words for _, words in reports}
    assert all(panel.note for panel in several.panels)
    placed = several.place(several.pictures(range(3)), several.codes[:3])
    for panel, own in zip(several.panels, placed, strict=True):
        assert panel.places.shape == (40, 2)
        assert np.isfinite(own.places).all()
        assert panel.by_neighbours == (panel.kind in ("mds_nonmetric", "tsne", "umap"))
        assert ("cannot place new points" in panel.note) == panel.by_neighbours
    assert poster(several, "class", "A run", False).ndim == 3
    assert len(list(csv.DictReader(io.StringIO(several.csv())))) == 40


def test_maps_with_an_inverse_have_a_reconstruction_error(found: Atlas) -> None:
    by_kind = {panel.kind: panel.quality for panel in found.panels}
    assert by_kind["pca"]["reconstruction_sse"] > 0
    assert by_kind["code"]["reconstruction_sse"] > 0
    assert "reconstruction_sse" not in by_kind["mds"]


def test_colours_by_distortion_share_a_scale_and_errors_are_the_runs(session: Session, found: Atlas) -> None:
    panel = found.panels[1]
    x = found.pictures(range(300)).reshape(300, -1)
    np.testing.assert_allclose(panel.distortion, shepard.distortion(x, panel.coordinates), rtol=1e-5)
    each = [colouring(found, "distortion", panel) for panel in found.panels]
    assert len({(colours.low, colours.high) for colours in each}) == 1
    assert not np.array_equal(each[0].index, each[1].index)
    images = found.pictures(range(300))
    np.testing.assert_allclose(found.errors, metrics.sse(images, session.reconstruct(images)), rtol=1e-4)
    assert colouring(found, "error").values.max() <= found.errors.max()


@pytest.mark.parametrize("which", [0, 2])
def test_the_inverse_of_a_place_is_placed_there_again(session: Session, found: Atlas, which: int) -> None:
    """And the error of the images reconstructed from their places is the map's `reconstruction_sse`."""
    panel = found.panels[which]
    inverse = panel.inverse
    assert inverse is not None
    assert inverse.run_id == session.run_id
    rows = np.stack([inverse.row(x, y) for x, y in ((0.3, -0.2), (-0.7, 0.9), (0.0, 0.0))])
    placed = np.array([[0.3, -0.2], [-0.7, 0.9], [0.0, 0.0]])
    if inverse.through == "codes":
        images, codes = np.zeros((3, *session.shape), np.float32), rows
    else:
        images, codes = rows.reshape(3, *session.shape), None
    np.testing.assert_allclose(panel.place(images, codes).places, placed, atol=1e-4)
    rows = np.stack([inverse.row(x, y) for x, y in panel.places.tolist()])
    drawn = session.decode(rows).reshape(300, -1) if inverse.through == "codes" else rows
    error = ((found.pictures(range(300)).reshape(300, -1) - drawn) ** 2).sum(1).mean()
    assert error == pytest.approx(panel.quality["reconstruction_sse"], rel=1e-3)


def test_a_map_of_distances_has_no_inverse(found: Atlas) -> None:
    assert found.panels[1].inverse is None


def test_the_key_names_the_content(session: Session, line: Session, found: Atlas) -> None:
    assert atlas(session, AtlasSpec(n=300)).key == found.key
    two = tuple(PanelSpec.parse(text) for text in ("pca", "code"))
    others = [atlas(session, AtlasSpec(n=299)), atlas(session, AtlasSpec(two, 300)), atlas(line, AtlasSpec(n=300))]
    others.append(atlas(session, AtlasSpec(n=300, seed=1)))
    assert len({found.key, *(other.key for other in others)}) == 5


def test_making_maps_can_be_stopped(session: Session) -> None:
    with pytest.raises(Stopped):
        atlas(session, AtlasSpec(n=45, seed=7), should_stop=lambda: True)


READY_MADE = [info.run_id for info in RunStore(Path("none")).runs()]


@pytest.mark.parametrize("run_id", READY_MADE)
def test_a_ready_made_run_finds_its_dataset_and_its_maps(tmp_path, monkeypatch, run_id):
    """On every machine: drawn pictures may differ in their last bits, and no map has to be fitted."""
    monkeypatch.setenv("AECORE_HOME", str(tmp_path))
    monkeypatch.delenv("AECORE_MNIST", raising=False)
    session = Session(RunStore(tmp_path), run_id)
    if not session.config.dataset.on_demand:
        assert len(session.data) > 0

    def forbidden(*args, **kwargs):
        raise AssertionError(f"a map of {run_id} is not among those that ship")

    monkeypatch.setattr(map_cache, "fit_map", forbidden)
    assert len(atlas(session).panels) == 3
