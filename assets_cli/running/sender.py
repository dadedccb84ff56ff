"""The process that hands one message to Apprise: what to send on standard input, as JSON, so that no URL is in `ps`.

Ends with 0 if it was sent; else says why on the last line that it prints. May hang or die: whoever started it has a
clock. Apprise is imported here and nowhere else.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

NOT_INSTALLED = "apprise is not installed: pip install 'assets-cli[alerts]'"


class _Listening(logging.Handler):
    """Keeps the last thing that Apprise complains of: it says no more than yes or no otherwise."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a complaint."""
        self.said = record.getMessage()


class _Details(_Listening):
    """The same of what it says in passing, which holds the cause of a refused connection."""

    def __init__(self) -> None:
        super().__init__()
        self.setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what names an exception."""
        text = record.getMessage()
        if "Exception" in text:
            self.said = text.partition("Exception:")[2].strip() or text


def send(asked: dict[str, Any]) -> str | None:
    """None, or why it was not sent."""
    try:
        import apprise
    except ImportError:
        return NOT_INSTALLED
    logger = logging.getLogger("apprise")
    complaint, detail = _Listening(), _Details()
    logger.handlers = [complaint, detail]
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    sender = apprise.Apprise.instantiate(asked["url"], suppress_exceptions=True)
    if sender is None:
        return f"no URL of Apprise: {complaint.said}" if complaint.said else "no URL of Apprise"
    told = apprise.Apprise()
    told.add(sender)
    # What it takes, best first; of one thing alone where there is no choice.
    formats = getattr(sender, "notify_format", None)
    best = formats[0] if isinstance(formats, tuple) and formats else formats
    form = apprise.NotifyFormat.TEXT if best == apprise.NotifyFormat.TEXT else apprise.NotifyFormat.MARKDOWN
    body = asked["text"] if form == apprise.NotifyFormat.TEXT else asked["markdown"]
    if told.notify(body=body, title=asked["title"], body_format=form, notify_type=asked["kind"]):
        return None
    return ": ".join(filter(None, (complaint.said, detail.said))) or "it was not accepted"


def check(urls: list[str]) -> list[bool]:
    """Of each URL whether Apprise knows it; nothing is sent."""
    import apprise

    logging.getLogger("apprise").disabled = True
    return [apprise.Apprise.instantiate(url, suppress_exceptions=True) is not None for url in urls]


def main() -> int:
    """Send what is asked for, or say of each URL whether it could be."""
    asked = json.load(sys.stdin)
    if "check" in asked:
        print(json.dumps(check(asked["check"])))  # noqa: T201 - it is the answer
        return 0
    said = send(asked)
    if said is None:
        return 0
    print(" ".join(said.split()))  # noqa: T201 - it is the answer
    return 1


if __name__ == "__main__":
    sys.exit(main())
