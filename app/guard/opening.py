"""What a server prints when it starts for several people: who can come, what they may do, the teacher's link."""

import socket

from aecore.store.access import Quotas
from app.guard import hosts
from app.visitor import Situation


def words(situation: Situation, address: str, port: int, base: str, secret: str) -> list[str]:
    """Return the lines to print; none where one person uses the program alone."""
    if situation.access == "alone":
        return []
    if situation.access == "read-only":
        return ["Read-only: visitors look and play; nothing they do is written to this machine."]
    return [
        f"Shared: {_who(situation, address)}. They are guests without a password.",
        f"  A guest sees the ready-made runs, what the teacher shares and their own; {_trainings(situation.quotas)}.",
        "  The link below makes a browser the teacher's, who sees and may change everything of everybody. Keep it.",
        f"  Teacher: {_address(address, port, base)}/teacher/{secret}",
        "  http is not encrypted: whoever is in the same network can read along. Beyond a network you trust, put a",
        "  proxy with https in front (Caddy, nginx), serve at 127.0.0.1 with --shared, and name it with --allow-host.",
    ]


def _who(situation: Situation, address: str) -> str:
    if hosts.is_loopback(address):
        through = f", by the name {' or '.join(situation.allowed_hosts)}" if situation.allowed_hosts else ""
        return f"whoever uses this machine, or comes through a proxy on it{through}, can open it"
    return "whoever reaches this machine on the network can open it"


def _trainings(quotas: Quotas) -> str:
    if quotas.waiting == 0:
        return "they may not train"
    return (
        f"they may train {quotas.waiting} at once, {quotas.epochs} epochs and {quotas.minutes:g} minutes each, "
        f"{quotas.megabytes} MB altogether (--quota changes this)"
    )


def _address(address: str, port: int, base: str) -> str:
    name = socket.gethostname() if address in hosts.WILDCARDS else address
    path = f"/{base.strip('/')}" if base.strip("/") else ""
    return f"http://{f'[{name}]' if ':' in name else name}:{port}{path}"
