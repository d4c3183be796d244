"""Certificates: trusted, wrong for a while, or never trusted; and the files that verify them."""

import ssl
from pathlib import Path

import anyio
import pytest
import trustme
from aiobotocore.config import AioConfig

from aioimagebuilder import CertificateError, ConnectionFailedError, ImageBuilder, ObservationError
from aioimagebuilder.testing import Simulator

from .conftest import BACKOFF, CADENCE, CLIENTS
from .fault_proxy import FaultProxy

pytestmark = pytest.mark.parametrize(("backend", "options"), CLIENTS)

ADDRESS = "127.0.0.1"


def _server_context(*, address: str = ADDRESS, authority: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (authority or trustme.CA()).issue_cert(address).configure_cert(context)
    return context


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority whose certificate is the CA bundle of clients."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "bundle.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "bundle.pem"))
    return authority


def _open(simulator: Simulator, endpoint_url: str, options: dict) -> ImageBuilder:
    arguments = {**simulator.client_arguments, "endpoint_url": endpoint_url}
    return ImageBuilder(**arguments, **CADENCE, config=AioConfig(**options), backoff=BACKOFF)


@pytest.mark.parametrize("address", [ADDRESS, "example.com"])
def test_certificate_that_is_wrong_for_a_while_fails_no_wait(simulator, authority, backend, options, address):
    identifier = simulator.add_execution("workflow_execution", [("RUNNING", 60_000), ("COMPLETED", None)])
    trusted = _server_context(authority=authority)
    # Another authority, or another host of the same one.
    wrong = _server_context(address=address, authority=None if address == ADDRESS else authority)

    async def main() -> None:
        with FaultProxy(simulator.endpoint_url, tls=trusted) as proxy:
            async with (
                _open(simulator, proxy.endpoint_url, options) as ib,
                anyio.create_task_group() as tasks,
            ):

                async def replace_certificate() -> None:
                    proxy.tls = wrong
                    proxy.close_connections()
                    await anyio.sleep(1)
                    proxy.tls = trusted
                    simulator.advance(60_000)

                await ib.get_workflow_execution(identifier)
                tasks.start_soon(replace_certificate)
                assert (await ib.wait(identifier, timeout=30)).status == "COMPLETED"

    anyio.run(main, backend=backend)


def test_lasting_wrong_certificate_is_a_failed_connection(simulator, authority, backend, options):
    identifier = simulator.add_execution("workflow_execution", [("RUNNING", None)])

    async def main() -> None:
        with FaultProxy(simulator.endpoint_url, tls=_server_context(authority=authority)) as proxy:
            async with _open(simulator, proxy.endpoint_url, options) as ib:
                await ib.get_workflow_execution(identifier)
                proxy.tls = _server_context()
                proxy.close_connections()
                with pytest.raises(ObservationError) as caught:
                    await ib.wait(identifier, timeout=0.5)
        assert isinstance(caught.value.__cause__, ConnectionFailedError)

    anyio.run(main, backend=backend)


def test_certificate_that_was_never_trusted_is_reported_at_once(
    simulator, authority, backend, options, tmp_path
):
    async def main() -> None:
        with FaultProxy(simulator.endpoint_url, tls=_server_context()) as proxy:
            async with _open(simulator, proxy.endpoint_url, options) as ib:
                with anyio.fail_after(10), pytest.raises(ObservationError) as caught:
                    await ib.wait("wf-00000000-0000-4000-8000-000000000001", timeout=None)
                with anyio.fail_after(10), pytest.raises(CertificateError):
                    await ib.get_workflow_execution("wf-00000000-0000-4000-8000-000000000001")
        assert isinstance(caught.value.__cause__, CertificateError)
        assert str(tmp_path / "bundle.pem") in str(caught.value)
        assert "AWS_CA_BUNDLE" in str(caught.value)
        assert "closed" not in str(caught.value)

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("kind", ["missing", "directory", "empty", "text"])
@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "ca_bundle"])
def test_invalid_ca_bundle_is_reported_on_opening(
    simulator, backend, options, tmp_path, monkeypatch, kind, variable
):
    path = tmp_path / "bundle.pem"
    if kind == "directory":
        path.mkdir()
    elif kind != "missing":
        path.write_text("no certificate" if kind == "text" else "")
    if variable == "ca_bundle":
        config = tmp_path / "config"
        config.write_text(f"[default]\nca_bundle = {path}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    else:
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        monkeypatch.setenv(variable, str(path))

    async def main() -> None:
        with pytest.raises(ValueError, match=r"CA bundle .* cannot be used") as caught:
            await _open(simulator, simulator.endpoint_url, options).__aenter__()
        assert str(path) in str(caught.value)

    anyio.run(main, backend=backend)


def test_invalid_client_certificate_is_reported_on_opening(simulator, backend, options, tmp_path):
    async def main() -> None:
        client_cert = str(tmp_path / "client.pem")
        with pytest.raises(ValueError, match=r"client\.pem cannot be used: No such file"):
            await _open(
                simulator, simulator.endpoint_url, {**options, "client_cert": client_cert}
            ).__aenter__()

    anyio.run(main, backend=backend)
