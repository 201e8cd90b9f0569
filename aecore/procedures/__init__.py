"""How training runs: one file a member, one line here."""

from aecore.procedures.joint import Joint as Joint
