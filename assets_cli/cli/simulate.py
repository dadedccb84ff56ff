"""`assets simulate`: what `assets up` would run when, which promises would break, and what it would cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.carry_out import check_jobs
from assets_cli.cli.options import AsJson, Jobs, Option, Selection
from assets_cli.cli.session import Session
from assets_cli.model import duration
from assets_cli.model.problem import AssetsError, Problem

_LONGEST = 3_653 * 86_400 * duration.SECOND


def command(
    session: Session,
    length: Annotated[str, Option("--for", metavar="D", text="For how long, such as 12h or 30d.")] = "7d",
    selection: Selection = None,
    *,
    changes: Annotated[
        list[str] | None,
        Option("--set", metavar="K=V", text="What if: ASSET.freshness.max_lag=1h, any key of a promise; repeatable."),
    ] = None,
    jobs: Jobs = None,
    everything: Annotated[bool, Option("--all", text="List every asset and every day.")] = False,
    svg: Annotated[Path | None, Option("--svg", metavar="FILE", text="Also draw it as a timeline.")] = None,
    as_json: AsJson = False,
) -> int:
    """Show what assets up would do from now on: what runs when, which promises break, and what it costs.

    The decisions of assets up on a virtual clock, from what is on record: each run takes as long as usual, succeeds,
    and changes something. External assets bring something new as often as they did, or as they promise. Runs nothing
    and writes nothing. The whole project is simulated, since all of it shares the jobs; SEL says what is listed.
    """
    from assets_cli.cli.screens import simulation as screen
    from assets_cli.simulating import Question, simulate_project

    check_jobs(jobs)
    simulated = simulate_project(
        session.directory,
        Question(_length(length), tuple(selection or ()), tuple(changes or ()), jobs),
        environment=session.environment,
        variables=session.variables,
        state=session.state,
    )
    if svg is not None:
        from assets_cli.cli import timeline_svg  # only a drawing needs it
        from assets_cli.cli.new_file import NewFile  # as above

        file = NewFile(svg, "--svg")
        file.require(simulated.manifest)
        file.write(timeline_svg.drawing(simulated.found.after, simulated.names, simulated.manifest.project))
    if as_json:
        from assets_cli.cli import simulation_document  # only a document needs it

        console.show_json(simulation_document.document(simulated.found, simulated.names))
    else:
        console.show(screen.lines(simulated.found, simulated.names, console.out(), everything=everything))
    if svg is not None:
        console.remark([f"drawn in {svg}"])
    return 0


def _length(text: str) -> int:
    """The length of time to simulate.

    Raises:
        AssetsError: it is none (A0934).
    """
    try:
        found = duration.parse(text)
    except ValueError:
        found = 0
    if not 0 < found <= _LONGEST:
        hint = "write 12h, 7d or 30d; 3653d at most"
        raise AssetsError(Problem("A0934", f"--for {text!r} is no length of time to simulate", hint=hint))
    return found
