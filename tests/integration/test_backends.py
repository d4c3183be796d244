"""The choice of the HTTP client: httpx2 on trio, with any session and config."""

import anyio
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.httpxsession import HttpxSession
from aiobotocore.session import AioSession

from aioimagebuilder import ImageBuilder
from aioimagebuilder.aws import session
from aioimagebuilder.testing import Simulator


def _session(config: AioConfig | None) -> AioSession:
    session = AioSession()
    if config is not None:
        session.set_default_client_config(config)
    return session


@pytest.mark.parametrize(
    "default",
    [
        None,
        AioConfig(read_timeout=7),
        AioConfig(http_session_cls=HttpxSession),
        AioConfig(http_session_cls=AIOHTTPSession),
    ],
    ids=["no-default", "default-timeout", "default-httpx2", "default-aiohttp"],
)
@pytest.mark.parametrize(
    "config",
    [None, AioConfig(http_session_cls=HttpxSession), AioConfig(read_timeout=9)],
    ids=["no-config", "config-httpx2", "config-timeout"],
)
def test_session_uses_httpx2_on_trio(simulator: Simulator, default, config):
    session = _session(default)

    async def main():
        async with ImageBuilder(session=session, config=config, **simulator.client_arguments) as ib:
            return [each async for each in ib.list_waiting_workflow_steps()]

    assert anyio.run(main, backend="trio") == []


def test_trio_without_httpx2_names_the_extra_to_install(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session, "find_spec", lambda _: None)

    async def main():
        await ImageBuilder(**simulator.client_arguments).__aenter__()

    with pytest.raises(RuntimeError, match=r"pip install 'aioimagebuilder\[trio\]'"):
        anyio.run(main, backend="trio")


def test_given_session_is_unchanged_on_asyncio(simulator: Simulator):
    session = AioSession()

    async def main():
        async with ImageBuilder(session=session, **simulator.client_arguments):
            return session.get_default_client_config()

    assert anyio.run(main) is None
