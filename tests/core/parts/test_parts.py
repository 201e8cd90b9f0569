"""Every member of every registry keeps its contract; a new member is tested from its first line in `__init__`."""

import inspect
import json

import pytest
from toolbox import REGISTRIES, part

from aecore.model.config import TrainingSettings
from aecore.parts.registry import members

PARTS = [(package, kind) for package, base in REGISTRIES.items() for kind in members(package, base)]


@pytest.mark.parametrize(("package", "kind"), PARTS)
def test_settings_survive_json_and_are_frozen(package, kind):
    one = part(package, kind)
    assert part(package, **json.loads(one.model_dump_json())) == one
    assert type(one).kind_name() == one.kind == kind
    with pytest.raises(ValueError, match="frozen"):
        one.kind = "other"
    with pytest.raises(ValueError, match="colour"):
        part(package, kind, colour="red")


@pytest.mark.parametrize(("package", "kind"), PARTS)
def test_every_part_explains_itself(package, kind):
    cls = members(package, REGISTRIES[package])[kind]
    assert cls.title
    assert cls.__doc__ is not None
    first = cls.__doc__.splitlines()[0]
    assert first.endswith("."), "the first line is the help beside the widget, a whole sentence"
    # Datasets name theirs in `Data.source`, held by their own tests.
    if package in ("corruptions", "backbones", "likelihoods", "objectives", "procedures"):
        assert "Source:" in cls.__doc__
    for name, field in cls.model_fields.items():
        if name != "kind":
            assert field.title, f"{kind}.{name} has no title"
            assert field.description, f"{kind}.{name} has no description"
            assert not field.is_required(), f"{kind}.{name} has no default"


def test_training_settings_explain_themselves():
    for name, field in TrainingSettings.model_fields.items():
        assert field.title, name
        assert field.description, name


@pytest.mark.parametrize("package", REGISTRIES)
def test_no_two_members_share_a_kind_and_all_are_final(package):
    base = REGISTRIES[package]
    found = list(members(package, base).values())
    assert len({cls.kind_name() for cls in found}) == len(found)
    above = [cls.__mro__[1] for cls in found]
    assert all(cls is base or inspect.isabstract(cls) for cls in above), "a concrete class is never subclassed"


def test_an_unknown_kind_is_answered_with_those_that_exist():
    with pytest.raises(ValueError, match=r"no_such.*none, masking, gaussian"):
        part("corruptions", "no_such")
