"""What several people on one server are shown of one another: nothing where one person uses the program alone."""

from app import visitor


def shared() -> bool:
    """Whether several people use this server and keep runs on it."""
    return visitor.access() == "shared"


def owner_tag(owner: str) -> str:
    """Name a visitor to the operator of a shared server: `visitor 3f9a…`; "" for anybody else, and for own runs."""
    return f"visitor {owner[:4]}…" if owner and shared() and visitor.current().is_operator else ""
