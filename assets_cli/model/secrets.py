"""Hiding secrets in texts, mappings and values before anybody sees them or they are written down.

Which values are secret is found elsewhere. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

SHORTEST: Final = 6
"""Shorter values are not hidden where they stand alone: they would hide half of every log."""

MASK: Final = "***"
_IN_URL: Final = ":***@"
_IN_QUERY = re.compile(r"(?i)(?<=[?&])((?:ssl)?password|passwd|pwd|passcode|token|secret)=([^\s&#\"'<>]+)")
_REFERENCE = re.compile(r"\$\{env\.[A-Za-z_][A-Za-z0-9_]*\}")
_BETWEEN = re.compile(r"[/?&=@:#,;\s]+")
_OPEN_SCHEMES: Final = frozenset(("json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos", "syslog"))
"""Of these a URL says where a server is; of all others it is what a service knows its customers by."""
_HARMLESS_SCHEMES: Final = frozenset(
    (
        *("http", "https", "file", "ftp", "sftp", "ssh", "git", "s3", "gs", "gcs", "abfs", "abfss", "azure", "hdfs"),
        *("postgres", "postgresql", "mysql", "mariadb", "mssql", "oracle", "sqlite", "duckdb", "snowflake", "bigquery"),
        *("redshift", "trino", "presto", "clickhouse", "databricks", "vertica", "teradatasql", "exa", "db2", "hana"),
        *(
            "cockroachdb",
            "crate",
            "hive",
            "impala",
            "druid",
            "pinot",
            "starrocks",
            "doris",
            "awsathena",
            "singlestoredb",
        ),
        *("json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos", "syslog"),
    )
)
_ANY_URL = re.compile(r"([A-Za-z][A-Za-z0-9+]*)://([^\s\"'\]},]+)")
_TYPE = re.compile(r"\btype:\s*[\"']?([a-z0-9_-]+)")
_SHORTEST_PART: Final = 4
_KEY: Final = 12
_DEFAULT = re.compile(r"\$\{env\.[A-Za-z_][A-Za-z0-9_]*:-([^}]*)\}")
_PASSWORD = re.compile(r"(?<=://)([^\s/?#:@\"'<>]*):([^\s/?#\"'<>]+)@")


def secrets(values: Iterable[str], urls: Iterable[str] = ()) -> tuple[str, ...]:
    """The texts to hide, longest first, so that one that contains another is hidden whole.

    Of `values` those that are long enough, also as they look in a URL or in JSON; of `urls` every password, together
    with the characters around it however short it is.
    """
    from urllib.parse import quote, unquote  # on use: most plans have nothing to hide

    plain: set[str] = {value for value in values if len(value) >= SHORTEST}
    found: set[str] = set()
    for url in urls:
        for _, password in _PASSWORD.findall(url):
            if password != MASK:
                found.add(f":{password}@")
                plain.update(text for text in (password, unquote(password)) if len(text) >= SHORTEST)
        for _, password in _IN_QUERY.findall(url):
            plain.update(text for text in (password, unquote(password)) if len(text) >= SHORTEST and text != MASK)
    for value in plain:
        found |= {value, quote(value, safe=""), json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
        found.update(line for line in value.splitlines() if len(line.strip()) >= 4 * SHORTEST)
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def has_password(text: str) -> bool:
    """Whether a URL with a password is in a text."""
    return "://" in text and (_PASSWORD.search(text) is not None or _IN_QUERY.search(text) is not None)


def writes_password(text: str) -> bool:
    """The same of a text as written: what `${env.X}` stands for is not in it, but a default is."""
    return "://" in text and has_password(_REFERENCE.sub("", text))


def reveals(url: str) -> bool:
    """Whether a URL of alerts, as written, holds what it takes to send: that of a service is a secret as a whole.

    One that takes a part of itself from outside does not; nor does one of a server of one's own without a password.
    """
    if writes_password(url):
        return True
    written = _DEFAULT.sub(r"\1", url)
    scheme, separator, _ = written.partition("://")
    return bool(separator) and not _REFERENCE.search(written) and scheme.lower() not in _OPEN_SCHEMES


def blurred(line: str) -> str:
    """A line of a manifest as it can be shown: URLs of alerts, and passwords in any, are asterisks, each as many."""
    if "://" not in line:
        return line

    def blur(match: re.Match[str]) -> str:
        scheme, rest = match[1], match[2]
        if "${" in rest:
            return match[0]
        known = scheme.lower().partition("+")[0]
        # A connection says its type, a route of alerts has none: there may be types that packages bring.
        says_where = known in _HARMLESS_SCHEMES or known in _TYPE.findall(line.lower())
        if says_where and not (known.startswith("http") and "hook" in rest.lower()):
            return _PASSWORD.sub(lambda found: f"{found[1]}:{'*' * len(found[2])}@", match[0])
        return f"{scheme}://{'*' * len(rest)}"

    return _ANY_URL.sub(blur, line)


def parts(url: str) -> tuple[str, ...]:
    """What could be a secret in a filled-in URL of alerts, for who must show what a server or a library says of it."""
    from urllib.parse import unquote  # on use, as above

    scheme, _, rest = url.partition("://")
    if scheme.lower() in _OPEN_SCHEMES:
        rest = rest.rpartition("@")[2].partition("/")[2] + " " + (rest.rpartition("@")[0] if "@" in rest else "")
    found = {part for part in _BETWEEN.split(rest) if len(part) >= _SHORTEST_PART}
    return tuple({text for part in found for text in (part, unquote(part))})


def whole(url: str) -> tuple[str, ...]:
    """What to hide of a filled-in URL of alerts wherever it is: all of it, and every part that looks like a key."""
    rest = url.partition("://")[2]
    return (rest, *(part for part in parts(url) if len(part) >= _KEY and any(c.isdigit() for c in part)))


def cover(secret: str) -> str:
    """What stands in place of a secret."""
    return _IN_URL if secret.startswith(":") and secret.endswith("@") else MASK


def mask(value: Any, hidden: tuple[str, ...] = ()) -> Any:
    """The value with every secret in its texts replaced, and with every password of a URL.

    Lists, tuples and mappings are gone through; what holds no secret comes back equal.
    """
    if isinstance(value, str):
        return _mask_text(value, hidden)
    if isinstance(value, Mapping):
        return {mask(key, hidden): mask(item, hidden) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make(mask(item, hidden) for item in value)
    if isinstance(value, (list, tuple)):
        return type(value)(mask(item, hidden) for item in value)
    return value


def mask_version(version: str | None, hidden: tuple[str, ...]) -> str | None:
    """A data version without secrets: of one that holds any a digest, since two that differ must not look the same."""
    if version is None or mask(version, hidden) == version:
        return version
    return f"sha256:{hashlib.sha256(version.encode()).hexdigest()}"


def _mask_text(text: str, hidden: tuple[str, ...]) -> str:
    for secret in hidden:
        if secret in text:
            text = text.replace(secret, cover(secret))
    if "://" in text and "@" in text:
        text = _PASSWORD.sub(rf"\1:{MASK}@", text)
    if "://" in text and "?" in text:
        text = _IN_QUERY.sub(rf"\1={MASK}", text)
    return text
