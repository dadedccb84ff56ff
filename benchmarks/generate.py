"""One seeded layered graph, written as a project for `assets`, ninja and make.

    generate.py N DIR [--width 100] [--seed 7] [--kind shell|python]

Asset i of a layer depends on 1 to 4 distinct assets of the two layers before its own. Every command makes its empty
output and does nothing else, so what is measured is the tool.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

Graph = list[tuple[str, list[str]]]


def graph(count: int, width: int = 100, seed: int = 7) -> Graph:
    """Names in topological order, each with its direct upstreams."""
    chance = random.Random(seed)
    found: Graph = []
    for index in range(count):
        layer = index // width
        low, high = max(0, (layer - 2) * width), layer * width
        above = sorted(chance.sample(range(low, high), min(chance.randint(1, 4), high - low))) if layer else []
        found.append((f"n{index}", [f"n{each}" for each in above]))
    return found


def command(name: str, kind: str) -> str:
    """A command that makes the empty output of an asset."""
    return '{python: "noop:touch"}' if kind == "python" else f'{{shell: ": > out/{name}"}}'


def write(found: Graph, root: Path, width: int = 100, kind: str = "shell") -> None:
    """Write assets.yml, build.ninja, Makefile and the folder for outputs; ninja and make always run shells."""
    (root / "out").mkdir(parents=True, exist_ok=True)
    if kind == "python":
        function = "def touch(context):\n    Path(context.output).touch()\n"
        (root / "noop.py").write_text(f"from pathlib import Path\n\n\n{function}")
    blocks = [
        f"""  - name: {name}
    description: Synthetic asset {name}, of layer {index // width}.
    owner: team-{index // width % 7}
    group: layer_{index // width}
    tags: [synthetic, l{index // width % 10}]
    upstreams: [{", ".join(above)}]
    command: {command(name, kind)}
    output: {{path: out/{name}}}
    freshness: {{max_lag: 36500d}}
"""
        for index, (name, above) in enumerate(found)
    ]
    (root / "assets.yml").write_text("version: 1\nproject: bench\nassets:\n" + "".join(blocks))
    edges = [(name, " ".join(f"out/{up}" for up in above)) for name, above in found]
    rules = "".join(f"build out/{name}: t {above}\n" for name, above in edges)
    (root / "build.ninja").write_text("rule t\n  command = : > $out\n" + rules)
    rules = "".join(f"out/{name}: {above}\n\t@: > $@\n" for name, above in edges)
    everything = " ".join(f"out/{name}" for name, _ in edges)
    (root / "Makefile").write_text(f".SUFFIXES:\nall: {everything}\n.PHONY: all\n{rules}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--kind", choices=["shell", "python"], default="shell")
    arguments = parser.parse_args()
    nodes = graph(arguments.count, arguments.width, arguments.seed)
    write(nodes, arguments.directory, arguments.width, arguments.kind)
