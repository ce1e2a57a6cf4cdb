"""The command line: `python -m bench.attack`."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path

from bench.attack.base import Attack, Outcome, load
from bench.attack.scene import Missing, Scene
from bench.attack.table import show
from bench.process import raise_descriptor_limit


def run(attack: Attack, scene: Scene) -> Outcome:
    """Does one attack; never raises because it has failed."""
    begun = time.monotonic()
    outcome = Outcome(attack, {})
    try:
        outcome.figures = {name: float(value) for name, value in attack.run(scene).items()}
    except Missing as reason:
        outcome.error, outcome.missing = str(reason), True
    except (OSError, RuntimeError) as error:
        outcome.error = f"{type(error).__name__}: {error}"
    outcome.seconds = time.monotonic() - begun
    return outcome


def main() -> int:
    """Runs the attacks; 0 if all figures hold."""
    if sys.platform != "linux":
        print("bench.attack: memory, descriptors and CPU time are read from Linux's /proc", file=sys.stderr)
        return 1
    attacks = load()
    parser = argparse.ArgumentParser(prog="python -m bench.attack", description="Attacks netcore.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which, or their beginnings (default: all)")
    parser.add_argument("--short", action="store_true", help="small rounds: a minute in all")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16), help="of what is random")
    parser.add_argument("--list", action="store_true", help="show the attacks and what must hold, and end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    wanted = parser.parse_args()
    chosen = [
        attack
        for name, attack in attacks.items()
        if not wanted.names or any(name.startswith(beginning) for beginning in wanted.names)
    ]
    if not chosen:
        parser.error(f"there are {', '.join(attacks)}")
    if wanted.list:
        for attack in chosen:
            held = ", ".join(f"{name} {bound}" for name, bound in attack.held.items())
            print(f"{attack.name:<20} {attack.text}\n{'':<20}   {held}")
        return 0
    raise_descriptor_limit()
    scene = Scene(wanted.short, wanted.seed)
    outcomes = []
    for attack in chosen:
        print(f"{attack.name} ...", file=sys.stderr, flush=True)
        outcomes.append(run(attack, scene))
    show(outcomes)
    if wanted.json:
        figures = {outcome.attack.name: outcome.figures for outcome in outcomes}
        wanted.json.write_text(json.dumps({"seed": wanted.seed, "attacks": figures}, indent=1))
    broken = [f"{outcome.attack.name}: {line}" for outcome in outcomes for line in outcome.broken()]
    for line in broken:
        print(f"bench.attack: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
