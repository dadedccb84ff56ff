"""What a web server says of a URL: its ETag, its Last-Modified, or the digest of what is there.

HEAD first, which costs nothing; GET where HEAD is refused or says neither. Redirects are followed, with the headers
only as long as they stay with the same server. Knows nothing of assets; times out by itself at each wait, and is ended
from outside where the whole takes too long.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import IO, Any, Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from assets_cli import __version__
from assets_cli.model.duration import SECOND, show
from assets_cli.probing.observing import Answer, ProbeError

_CHUNK: Final = 1 << 20
_UNAUTHORISED: Final = (401, 403, 407)
_REDIRECTS: Final = range(300, 400)
_KEPT: Final = frozenset({"user-agent", "accept"})


def ask(url: str, headers: Mapping[str, str], timeout: float) -> Answer:
    """What is there now. `timeout` is in seconds, of each wait.

    Raises:
        ProbeError: the server cannot be asked, or answers with an error.
    """
    address = _address(url)
    host = address.hostname or ""
    plain, sent = _split(address, headers)
    try:
        try:
            answer = _once("HEAD", plain, sent, timeout)
        except (urllib.error.HTTPError, http.client.RemoteDisconnected):
            answer = None  # many servers refuse it and answer GET
        return answer or _once("GET", plain, sent, timeout) or _nothing()
    except urllib.error.HTTPError as error:
        if error.code in _REDIRECTS:
            raise ProbeError(f"{host} redirects without end, or to where no web server is") from None
        reason = f" {error.reason}" if error.reason else ""
        hint = "write what it wants to see under `headers`" if error.code in _UNAUTHORISED else None
        raise ProbeError(f"{host} answers {error.code}{reason}".splitlines()[0], hint) from None
    except urllib.error.URLError as error:
        raise _unreachable(host, error.reason, timeout) from None
    except http.client.HTTPException as error:
        raise ProbeError(f"{host} answers what is no HTTP: {error!r}"[:200]) from None
    except (OSError, ValueError) as error:
        raise _unreachable(host, error, timeout) from None


def _once(method: str, url: str, headers: Mapping[str, str], timeout: float) -> Answer | None:
    """One request; None where HEAD says nothing that would tell one version from another."""
    request = urllib.request.Request(url, headers=dict(headers), method=method)  # noqa: S310 - only web schemes get here
    with _opener().open(request, timeout=timeout) as response:
        tag = (response.headers.get("ETag") or "").strip()
        modified = _modified(response.headers.get("Last-Modified"))
        told = {"etag": tag or None, "last_modified": _rfc3339(modified) if modified else None}
        metadata = {key: value for key, value in told.items() if value}
        time = (modified - _EPOCH) // timedelta(microseconds=1) if modified else None
        if tag:
            return Answer(f"etag:{tag}", time, metadata)
        if modified:
            return Answer(_rfc3339(modified), time, metadata)
        return Answer(_digest(response)) if method == "GET" else None


def _nothing() -> Answer:
    raise ProbeError("it says nothing")


def _digest(response: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := response.read(_CHUNK):
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _modified(text: str | None) -> datetime | None:
    try:
        time = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    if time is None:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _rfc3339(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _address(url: str) -> SplitResult:
    try:
        address = urlsplit(url)
        is_web = address.scheme.lower() in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # such as a port that is no number
        is_web = False
    if not is_web:
        raise ProbeError("its URL is not one of a web server", "write http://… or https://…")
    return address


def _split(address: SplitResult, headers: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The URL without user and password, and the headers with them."""
    sent = {"User-Agent": f"assets/{__version__}", "Accept": "*/*", **headers}
    userinfo, at, host = address.netloc.rpartition("@")
    if at and not any(name.lower() == "authorization" for name in headers):
        sent["Authorization"] = "Basic " + b64encode(unquote(userinfo).encode()).decode()
    # A fragment is nothing that a server is asked for.
    return urlunsplit((address.scheme, host, address.path or "/", address.query, "")), sent


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to web servers, by the same method; to another server without what was meant for this one."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        target = urlsplit(urljoin(req.full_url, newurl))
        if target.scheme.lower() not in ("http", "https"):
            return None
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is None:
            return None
        following.method = req.get_method()
        origin = urlsplit(req.full_url)
        if (origin.scheme, origin.netloc) != (target.scheme, target.netloc):
            following.headers = {name: value for name, value in following.headers.items() if name.lower() in _KEPT}
        return following


def _opener() -> urllib.request.OpenerDirector:
    """One that knows the web and no files."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _unreachable(host: str, reason: object, timeout: float) -> ProbeError:
    if isinstance(reason, ssl.SSLCertVerificationError):
        hint = "if it is your own, set SSL_CERT_FILE to the certificate of its authority"
        return ProbeError(f"the certificate of {host} is not trusted: {reason.verify_message}", hint)
    if isinstance(reason, TimeoutError):
        return ProbeError(f"{host} did not answer within {show(int(timeout * SECOND))}")
    if isinstance(reason, socket.gaierror):
        return ProbeError(f"the host {host} is not known")
    if isinstance(reason, ConnectionRefusedError):
        return ProbeError(f"{host} refuses connections")
    text = " ".join(str(getattr(reason, "strerror", None) or reason).split())
    return ProbeError(f"{host} cannot be asked: {text}")
