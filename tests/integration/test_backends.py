"""How the HTTP backend is chosen: httpx2 on trio, whatever session or config it is."""

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
)
@pytest.mark.parametrize(
    "config", [None, AioConfig(http_session_cls=HttpxSession), AioConfig(read_timeout=9)]
)
def test_a_session_is_made_fit_for_trio(simulator: Simulator, default, config):
    session = _session(default)

    async def main():
        async with ImageBuilder(session=session, config=config, **simulator.client_arguments) as ib:
            return [each async for each in ib.list_waiting_workflow_steps()]

    assert anyio.run(main, backend="trio") == []


def test_without_httpx_trio_is_told_what_to_install(simulator: Simulator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "find_spec", lambda _: None)

    async def main():
        await ImageBuilder(**simulator.client_arguments).__aenter__()

    with pytest.raises(RuntimeError, match=r"pip install 'aioimagebuilder\[trio\]'"):
        anyio.run(main, backend="trio")


def test_on_asyncio_a_session_of_the_callers_is_left_as_it_is(simulator: Simulator):
    session = AioSession()

    async def main():
        async with ImageBuilder(session=session, **simulator.client_arguments):
            return session.get_default_client_config()

    assert anyio.run(main) is None
