"""The states of a connection and of a process, drawn from the tables that the code runs on."""

from __future__ import annotations

from generated import list_table, rst_directive, svg_directive
from sphinx.application import Sphinx
from state_machine import StateMachine

from netcore import connection
from netcore.supervisor import states as process

_C, _P = connection.State, process.State

CONNECTION = StateMachine(
    name="states",
    title="The states of a stream connection",
    transitions=connection.TRANSITIONS,
    places={
        _C.OPEN: (305, 14),
        _C.SHUTTING: (20, 120),
        _C.PEER_CLOSED: (590, 120),
        _C.FAILED: (165, 240),
        _C.WRITE_SHUT: (20, 330),
        _C.CLOSING: (590, 330),
        _C.CLOSED: (305, 440),
    },
    width=760,
    height=490,
)

PROCESS = StateMachine(
    name="process-states",
    title="The states of a process under a supervisor",
    transitions=process.TRANSITIONS,
    places={
        _P.BOOTING: (60, 14),
        _P.SERVING: (305, 74),
        _P.DRAINING: (590, 150),
        _P.STOPPING: (10, 236),
        _P.KILLED: (560, 300),
        _P.GONE: (265, 420),
    },
    width=760,
    height=480,
)


def connection_facts() -> str:
    """Writes what each state of a connection allows."""
    facts = [
        (f"``{state.name}``", state.label, *map(_mark, (state.receives, state.writes, state.drops_output)))
        for state in _C
    ]
    return list_table(("State", "In words", "Delivers input", "Takes writes", "Drops output"), facts)


def process_facts() -> str:
    """Writes what each state of a process means."""
    facts = [
        (f"``{state.name}``", state.label, _mark(state is _P.SERVING), _mark(state.ends)) for state in _P
    ]
    return list_table(("State", "In words", "Accepts", "Its end was asked for"), facts)


def _mark(yes: bool) -> str:
    return "yes" if yes else "no"


def setup(app: Sphinx) -> None:
    """Registers the directives."""
    for prefix, machine, facts in (("", CONNECTION, connection_facts), ("process-", PROCESS, process_facts)):
        app.add_directive(f"{prefix}state-diagram", svg_directive(machine.draw))
        app.add_directive(f"{prefix}state-legend", rst_directive(machine.legend))
        app.add_directive(f"{prefix}state-facts", rst_directive(facts))
        app.add_directive(f"{prefix}state-table", rst_directive(machine.table))
