"""Where a server is, as its URL says it: without what is secret, as part of a code version; and whether it is one.

`${env.X}` may stand anywhere in it: what counts is the text as written. Connects to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from assets_cli.connections.protocol import DatabaseError

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):/")
_USER = re.compile(r"(?<=://)[^/?#]*@")
_SECRET = re.compile(
    r"(?i)(?:pass(?:word|wd|phrase|code|file)?|pwd|secret|token|.*(?:_key|apikey|credentials?.*|_token|_secret|password))$"
)
_KEYWORD = re.compile(r"(?i)\b(user|password|passfile|sslpassword)\s*=\s*(?:'(?:[^'\\]|\\.)*'|\S*)\s*")


def url_option(kind: str, options: Mapping[str, str], example: str) -> str:
    """The URL of a connection whose only option it is.

    Raises:
        DatabaseError: it is missing, or there is another option.
    """
    unknown = sorted(set(options) - {"url"})
    if unknown:
        raise DatabaseError(f"a {kind} connection has no option {unknown[0]!r}", hint="its only option is `url`")
    url = str(options.get("url") or "").strip()
    if not url:
        raise DatabaseError(f"a {kind} connection needs a `url`", hint=f"write `url: {example}`")
    return url


def scheme(url: str) -> str:
    """What stands before `://`, in lower case; empty where a variable or nothing does."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else ""


def without_credentials(url: str) -> str:
    """The URL without user, password and whatever else in it is secret by its name."""
    if not _SCHEME.match(url):
        return _KEYWORD.sub("", url).strip()
    place, mark, query = _USER.sub("", url).partition("?")
    kept = [pair for pair in re.split("[&;]", query) if pair and not _SECRET.match(pair.partition("=")[0])]
    kept = [pair for pair in kept if pair.partition("=")[0].lower() != "user"]
    return place + (mark + "&".join(kept) if kept else "")
