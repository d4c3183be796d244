"""Refusal of requests that a page of another site makes in a browser.

``Origin`` names the page that makes a request (a GET may have none, but the page cannot read its answer), and
``Host`` the name by which the browser reached the server: that of the page, in an attack by DNS rebinding.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]+)?")
_ORIGIN = re.compile(r"https?://(.+)")


def find_refusal(environ: Mapping[str, Any], *, is_control: bool) -> str | None:
    """Return why a request is refused, or ``None``.

    Control routes answer only to names of this machine, and to their own pages. The services answer to every
    name, which containers and proxies may change, and to pages from any port of this machine.

    Args:
        environ: The WSGI environment of the request.
        is_control: Whether the request is for a control route.
    """
    host, origin = environ.get("HTTP_HOST", ""), environ.get("HTTP_ORIGIN")
    if is_control and not _is_local(host):
        return f"the control routes are served at the loopback address, not at the host {host!r}"
    if origin is None:
        return None
    match = _ORIGIN.fullmatch(origin)
    is_allowed = match and (match[1].lower() == host.lower() if is_control else _is_local(match[1]))
    return None if is_allowed else f"requests from pages of the origin {origin!r} are refused"


def _is_local(authority: str) -> bool:
    """Return whether the host of ``host:port`` is a loopback name or address."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return False
    name = match[1].lower().strip("[]").removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
