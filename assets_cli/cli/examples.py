"""Calls that each command's help shows. Read only by help; a test reads every one of them as the command line does."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "init": (
        ("assets init shop", "an example that runs, in a new folder"),
        ("assets init --bare", "a manifest beside the scripts that are here"),
    ),
    "validate": (
        ("assets validate", "what is wrong, and where"),
        ("assets validate --strict --format github", "annotations, in CI"),
    ),
    "plan": (
        ("assets plan", "the whole project"),
        ("assets plan report --upstream", "and all that it is made from"),
        ("assets plan 'tag:daily and not group:raw'", "quotes around an expression"),
        ("assets plan --out plan.json", "to be approved, and run just so"),
    ),
    "diff": (
        ("assets diff main...", "what this branch changes"),
        ("assets diff HEAD", "what is not committed yet"),
    ),
    "materialize": (
        ("assets materialize", "all that is stale, missing or overdue"),
        ("assets materialize report --upstream", "and all that it is made from"),
        ("assets materialize orders+ --force", "whatever their state: it and all below"),
        ("assets materialize --plan plan.json", "what was approved"),
    ),
    "up": (
        ("assets up", "until Ctrl-C"),
        ("assets up --once", "from cron, every few minutes"),
    ),
    "check": (("assets check orders", "its checks, without making it again"),),
    "retry": (
        ("assets retry", "what the latest run left undone"),
        ("assets retry 3f9a", "of a run, by the end of its id"),
    ),
    "show": (("assets show orders --sample", "everything, and the first rows"),),
    "why": (("assets why report", "what makes it stale, to the root"),),
    "lineage": (
        ("assets lineage report", "up and down, with states"),
        ("assets lineage orders.amount", "a column, with expressions"),
        ("assets lineage report --format mermaid", "a drawing for a page"),
    ),
    "impact": (("assets impact orders.amount", "who has to know before it changes"),),
    "list": (
        ("assets list is:stale", "also is:missing, is:failed, is:overdue"),
        ("assets list '+report and tag:pii'", "of what it is made from, some"),
    ),
    "freshness": (("assets freshness --exit-code", "3 where a promise is broken"),),
    "simulate": (
        ("assets simulate --for 30d", "a month"),
        ("assets simulate --set report.freshness.max_lag=1h", "what a promise would cost"),
    ),
    "query": (
        ('assets query "select count(*) from orders"', "of the default connection"),
        ("assets query \"from 'data/raw.csv'\" --format csv", "a file, all of it"),
    ),
    "runs": (
        ("assets runs", "the newest first"),
        ("assets runs latest", "its steps, and when each ran"),
    ),
    "alerts": (("assets alerts test ops", "a message by the route ops"),),
    "logs": (
        ("assets logs", "of the latest run"),
        ("assets logs orders", "of the last run that made it"),
        ("assets logs 3f9a orders", "of a run, by the end of its id"),
    ),
    "state mark": (("assets state mark orders", "what exists is as it should be"),),
    "state mv": (("assets state mv orders shop/orders", "after the rename in the manifest"),),
    "state rm": (("assets state rm 'old_*' --dry-run", "what it would forget"),),
    "state gc": (("assets state gc --keep 90d --dry-run", "what it would remove"),),
    "explain": (("assets explain A0321", "what a code means, and the mend"),),
    "schema": (("assets schema > assets.schema.json", "for an editor"),),
}


def epilog(name: str) -> str | None:
    """The examples of a command, as its help ends with them."""
    shown = EXAMPLES.get(name)
    if shown is None:
        return None
    width = max(len(call) for call, _ in shown)
    return "\n".join(("Examples:", *(f"  {call:<{width}}  # {text}" for call, text in shown)))
