import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aecore.foundation.errors import BadInput
from aecore.maps.spec import MAX_IMAGES, AtlasSpec, PanelSpec
from aecore.parts.embeddings import CodeMap, Mds, Pca, Tsne, Umap

EMBEDDINGS = st.one_of(
    st.builds(Pca, dimensions=st.sampled_from([2, 3])),
    st.builds(
        Mds, distance=st.sampled_from(["euclidean", "cosine", "geodesic", "correlation"]), seed=st.integers(0, 99)
    ),
    st.builds(Tsne, perplexity=st.floats(2, 200)),
    st.builds(Umap, min_distance=st.floats(0, 0.99)),
)
RUNS = st.none() | st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
CODES = st.builds(
    PanelSpec,
    st.builds(CodeMap, units=st.lists(st.integers(0, 2000), max_size=2).map(tuple)) | st.just(Mds(distance="codes")),
    RUNS,
    st.none() | st.integers(0, 99_999),
)


@given(st.builds(PanelSpec, EMBEDDINGS) | CODES)
def test_text_and_spec_round_trip(spec: PanelSpec) -> None:
    assert PanelSpec.parse(spec.text) == spec
    assert hash(PanelSpec.parse(spec.text)) == hash(spec)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("mds", PanelSpec(Mds())),
        ("mds(distance=geodesic)", PanelSpec(Mds(distance="geodesic"))),
        ("code(units=3-7)", PanelSpec(CodeMap(units=(3, 7)))),
        ("code@digits-deep", PanelSpec(CodeMap(), "digits-deep")),
        ("code~12", PanelSpec(CodeMap(), None, 12)),
        ("code@digits-deep~0", PanelSpec(CodeMap(), "digits-deep", 0)),
    ],
)
def test_texts_are_short(text: str, spec: PanelSpec) -> None:
    assert PanelSpec.parse(text) == spec
    assert spec.text == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no map"),
        ("sammon", "there are: pca, mds"),
        ("mds(distance=far)", "is invalid"),
        ("mds(distance=precomputed)", "another distance"),
        ("mds(landmarks=1e99)", "is invalid"),
        ("mds(landmarks=nan)", "is invalid"),
        ("mds(speed=1)", "no setting 'speed'"),
        ("mds(kind=pca)", "no setting 'kind'"),
        ("mds(seed)", "no setting 'seed'"),
        ("code(units=1-2-3-4)", "is invalid"),
        ("code(units=x)", "is invalid"),
        ("code@../secret", "not the id of a run"),
        ("code@", "names no map"),
        ("code~-1", "names no map"),
        ("code~999999", "names no map"),
        ("pca@digits-deep", "no run or epoch"),
        ("mds~3", "no run or epoch"),
        ("mds(" + "seed=1," * 100 + ")", "names no map"),
        ("code~١٢", None),
        ("mds\n", "names no map"),
    ],
)
def test_invalid_texts_are_refused_with_the_reason(text: str, words: str | None) -> None:
    if words is None:  # digits of another script are numbers too
        assert PanelSpec.parse(text).epoch == 12
        return
    with pytest.raises(BadInput, match=words):
        PanelSpec.parse(text)


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(BadInput):
        assert PanelSpec.parse(text).text


def test_an_atlas_has_one_to_four_different_maps_of_a_sensible_number_of_images() -> None:
    pca, mds = PanelSpec(Pca()), PanelSpec(Mds())
    assert AtlasSpec((pca, mds), 100) == AtlasSpec((pca, PanelSpec.parse("mds")), 100)
    for panels, words in [((), "1 to 4"), ((pca, mds) * 3, "1 to 4"), ((pca, mds, pca), "twice")]:
        with pytest.raises(BadInput, match=words):
            AtlasSpec(panels)
    for n in (-1, 0, 1, MAX_IMAGES + 1):
        with pytest.raises(BadInput, match="2 to 70,000"):
            AtlasSpec((pca,), n)
    with pytest.raises(BadInput, match="seed"):
        AtlasSpec((pca,), seed=-1)
