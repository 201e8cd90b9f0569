"""Registries: the members of a package are the parts that its `__init__` imports, one line each."""

import dataclasses
import importlib
from typing import Any, TypeVar

from pydantic import GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

from aecore.parts.data import Part

P = TypeVar("P", bound=Part)


def members(package: str, base: type[P]) -> dict[str, type[P]]:
    """{kind: class} for each subclass of `base` in `aecore.parts.<package>`, in the order of its `__init__`."""
    module = importlib.import_module(f"aecore.parts.{package}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    ]
    return {cls.kind_name(): cls for cls in found}


def make(package: str, base: type[P], value: Any) -> P:
    """Build a part from JSON-like `value`, `{"kind": …, field: …}` or the kind alone; a part is returned unchanged.

    Raises `ValueError` for an unknown kind, listing the known ones, and for invalid settings.
    """
    if isinstance(value, base):
        return value
    settings: dict[str, Any] = (
        {"kind": value} if isinstance(value, str) else dict(value) if isinstance(value, dict) else {}
    )
    known = members(package, base)
    cls = known.get(str(settings.get("kind")))
    if cls is None:
        raise ValueError(f"unknown kind {settings.get('kind')!r}; {package} has: {', '.join(known)}")
    try:
        return cls.model_validate(settings)
    except ValidationError as error:
        raise ValueError(
            "; ".join(f"{'.'.join(map(str, e['loc'])) or cls.kind_name()}: {e['msg']}" for e in error.errors())
        ) from None


@dataclasses.dataclass(frozen=True)
class PartOf:
    """Annotation of a field that holds a part: `Annotated[Dataset, PartOf("datasets", Dataset)]`.

    The kind is looked up at validation instead of in a union of types, so `model.config` imports no members, and tests
    and users can pass parts of their own.
    """

    package: str
    base: type[Part]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: make(self.package, self.base, value),
            serialization=core_schema.plain_serializer_function_ser_schema(_json_values),
        )


def _json_values(part: Part) -> dict[str, Any]:
    return part.model_dump(mode="json")
