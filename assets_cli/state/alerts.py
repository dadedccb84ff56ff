"""What was told to whom, and the messages of alerts on their way: all SQL of alerts.

A message is on record before anybody tries to deliver it, together with what it tells, in one transaction: so it is
delivered at least once, and told once. Decides nothing. Neither is part of an export: they are of this file's people.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from assets_cli.model.alerts import Delivery, Told
from assets_cli.model.history import CheckResult
from assets_cli.state import opening, rows
from assets_cli.state.store import TIMEOUT
from assets_cli.state.writer import StateWriter, connect

Hide = Callable[[Any], Any]
_TOLD = "route, event, asset, cause, since, at, severity, resolved"
_DELIVERY = "seq, route, target, event, title, created, state, tries, next_try, error, delivered, document"
_KEPT: Final = 500
"""How many messages of an environment stay on record when further ones come; what waits always does."""


class Outgoing(NamedTuple):
    """A message to be put on record, for each target of its route."""

    route: str
    targets: int
    event: str
    title: str
    created: int
    document: dict[str, Any]


class Facts(NamedTuple):
    """What is on record besides a snapshot: checks that failed when they were evaluated last, and runs that go on."""

    failing: tuple[tuple[str, CheckResult], ...]
    running: frozenset[str]


def open_alerts(path: Path, hide: Hide | None = None) -> AlertStore:
    """What is on record of alerts, to be changed. `hide` takes secrets out of what is written.

    Raises:
        AssetsError: as `record.open_recorder`.
    """
    return AlertStore(path, connect(path, TIMEOUT), hide or (lambda value: value))


class AlertStore(StateWriter):
    """Reads and writes what is on record of alerts, and reads the history that they are of."""

    def __init__(self, path: Path, connection: sqlite3.Connection, hide: Hide) -> None:
        super().__init__(path, connection)
        self._hide = hide

    def told(self, environment: str) -> list[Told]:
        """All that was told."""
        return self._read(lambda connection: told(connection, environment))

    def facts(self, environment: str, checks: Sequence[tuple[str, str]]) -> Facts:
        """See `facts`."""
        return self._read(lambda connection: facts(connection, environment, checks))

    def remember(self, environment: str, now_told: Iterable[Told]) -> None:
        """Put on record what was told by now, and nothing else."""
        with self._transaction:
            self._connection.execute("DELETE FROM alerts_told WHERE environment = ?", (environment,))
            self._connection.executemany(
                f"INSERT INTO alerts_told (environment, family, {_TOLD}) "  # noqa: S608 - constants
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(environment, each.family, *each) for each in now_told],
            )

    def put(self, environment: str, messages: Iterable[Outgoing]) -> None:
        """Put messages on record, to be delivered; the oldest of those that were are forgotten."""
        with self._transaction:
            for each in messages:
                text = rows.dump(self._hide(each.document))
                for target in range(each.targets):
                    self._insert(
                        "INSERT INTO alert_deliveries (environment, route, target, event, title, created, state, "
                        "next_try, document) VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?, ?)",
                        (
                            *(environment, each.route, target, each.event),
                            *(rows.text(self._hide(each.title)), each.created, each.created, rows.text(text)),
                        ),
                    )
            self._connection.execute(
                "DELETE FROM alert_deliveries WHERE environment = ?1 AND state <> 'waiting' AND seq <= "
                "(SELECT seq FROM alert_deliveries WHERE environment = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
                (environment, _KEPT),
            )

    def waiting(self, environment: str) -> list[Delivery]:
        """What is yet to be delivered, the oldest first."""
        return self._read(lambda connection: _deliveries(connection, environment, "state = 'waiting'"))

    def hurry(self, environment: str, now: int) -> None:
        """What is yet to be delivered is due now."""
        with self._transaction:
            self._connection.execute(
                "UPDATE alert_deliveries SET next_try = ? WHERE environment = ? AND state = 'waiting'",
                (now, environment),
            )

    def note_sent(self, delivery: int, at: int) -> None:
        """It was delivered."""
        self._write(
            "UPDATE alert_deliveries SET state = 'sent', tries = tries + 1, next_try = NULL, error = NULL, "
            "delivered = ? WHERE seq = ?",
            (at, delivery),
        )

    def note_failure(self, delivery: int, error: str, next_try: int | None) -> None:
        """A try failed; without a next one it counts as undelivered."""
        self._write(
            "UPDATE alert_deliveries SET state = CASE WHEN ?1 IS NULL THEN 'undelivered' ELSE 'waiting' END, "
            "tries = tries + 1, next_try = ?1, error = ?2 WHERE seq = ?3",
            (next_try, rows.text(self._hide(error)), delivery),
        )


def told(connection: sqlite3.Connection, environment: str) -> list[Told]:
    """All that was told."""
    query = f"SELECT {_TOLD} FROM alerts_told WHERE environment = ? ORDER BY route, family, asset"  # noqa: S608
    return [Told(*row) for row in connection.execute(query, (environment,))]


def told_at(path: Path, environment: str) -> list[Told]:
    """All that was told; nothing where there is no file."""
    return opening.read(path, TIMEOUT, lambda connection: told(connection, environment))


def recent(path: Path, environment: str, limit: int) -> list[Delivery]:
    """The newest messages, newest first."""
    return opening.read(
        path, TIMEOUT, lambda connection: _deliveries(connection, environment, "1", newest=True, limit=limit)
    )


def troubled(path: Path, environment: str, since: int) -> list[Delivery]:
    """What failed to be delivered, in one try or for good, and is not older than that, the oldest first."""
    found = opening.read(path, TIMEOUT, lambda connection: _deliveries(connection, environment, "tries > 0"))
    return [each for each in found if each.created >= since]


def waiting_at(path: Path, environment: str) -> list[Delivery]:
    """What is yet to be delivered, the oldest first."""
    return opening.read(path, TIMEOUT, lambda connection: _deliveries(connection, environment, "state = 'waiting'"))


def facts_at(path: Path, environment: str, checks: Sequence[tuple[str, str]]) -> Facts:
    """See `facts`."""
    return opening.read(path, TIMEOUT, lambda connection: facts(connection, environment, checks))


def _deliveries(
    connection: sqlite3.Connection, environment: str, where: str, *, newest: bool = False, limit: int = -1
) -> list[Delivery]:
    # `state <> 'sent'` is what the partial index is of; that another state implies it is plain to people only.
    narrow = "" if where == "1" else "state <> 'sent' AND "
    query = (
        f"SELECT {_DELIVERY} FROM alert_deliveries WHERE environment = ? AND {narrow}{where} "  # noqa: S608 - constants
        f"ORDER BY seq {'DESC' if newest else 'ASC'} LIMIT ?"
    )
    return [Delivery(*row) for row in connection.execute(query, (environment, limit))]


def facts(connection: sqlite3.Connection, environment: str, checks: Sequence[tuple[str, str]]) -> Facts:
    """Which of these checks, by asset and name, failed when they were evaluated last; which runs go on.

    Costs what the checks cost, never what the history costs.
    """
    found = connection.execute(
        "WITH wanted (position, asset, name) AS (SELECT key, json_extract(value, '$[0]'), "  # noqa: S608 - constants
        f"json_extract(value, '$[1]') FROM json_each(?1)) SELECT w.asset, {rows.CHECK_RESULT} "
        "FROM wanted w CROSS JOIN check_results c "
        "ON c.seq = (SELECT max(x.seq) FROM check_results x WHERE x.environment = ?2 AND x.asset = w.asset "
        "AND x.partition = '' AND x.name = w.name) WHERE c.passed = 0 ORDER BY w.position",
        (json.dumps(checks), environment),
    ).fetchall()
    running = connection.execute("SELECT id FROM runs WHERE status = 'running'").fetchall()
    return Facts(tuple((row[0], rows.check_result(row[1:])) for row in found), frozenset(run for (run,) in running))
