"""The URLs that moto routes to the simulator."""

from __future__ import annotations

from .responses import ImageBuilderResponse

url_bases = [r"https?://imagebuilder\.(.+)\.amazonaws\.com"]

url_paths = {"{0}/.*$": ImageBuilderResponse.dispatch}
