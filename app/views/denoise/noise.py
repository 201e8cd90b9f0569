"""Kind, level and seed of the noise as Streamlit's own widgets, for a page whose live part could not be loaded."""

from collections.abc import Mapping

import streamlit as st

from aecore.parts.contracts import Corruption
from aecore.parts.corruptions import NoCorruption, Rows
from aecore.parts.registry import members
from aecore.session.session import Session
from app.state import keys, url


def noise_kinds(session: Session) -> dict[str, type[Corruption]]:
    """{kind: class}, first the one the run was trained on; without `none`, which is level 0 of every kind."""
    own = session.config.corruption.kind
    if own == NoCorruption.kind_name() and session.continues:
        own = Rows.kind_name()
    kinds = {kind: cls for kind, cls in members("corruptions", Corruption).items() if kind != "none"}
    return dict(sorted(kinds.items(), key=lambda item: item[0] != own))


def pick_noise(kinds: Mapping[str, type[Corruption]], kind: str) -> None:
    """The choice of the kind."""
    key = url.widget(keys.NOISE)
    url.hold(key, kind)
    st.pills(
        "Noise",
        list(kinds),
        format_func=lambda name: kinds[name].title,
        required=True,
        key=key,
        on_change=url.widget_to_url,
        args=(keys.NOISE,),
        wrap=True,
    )


def level_slider(kind: type[Corruption], level: float) -> None:
    """The slider of the level."""
    field = kind.model_fields["level"]
    key = url.widget(keys.LEVEL)
    url.hold(key, level)
    st.slider(
        str(field.title),
        0.0,
        1.0,
        step=0.01,
        key=key,
        on_change=url.widget_to_url,
        args=(keys.LEVEL,),
        help=field.description,
    )


def pick_seed(seed: int, seeds: int, random: bool) -> None:
    """The choice of a seed below `seeds`; disabled unless the noise is `random`."""
    key = url.widget(keys.SEED)
    url.hold(key, seed)
    row = st.container(horizontal=True, gap="small", vertical_alignment="bottom", wrap=False)
    row.number_input(
        "Seed",
        0,
        seeds - 1,
        key=key,
        on_change=url.widget_to_url,
        args=(keys.SEED,),
        help="The same seed gives the same noise.",
        disabled=not random,
    )
    row.button(
        "New noise",
        icon=":material/casino:",
        on_click=url.set_pending,
        args=(keys.SEED, str((seed + 1) % seeds)),
        width="stretch",
        disabled=not random,
    )
