"""The aiobotocore session and clients: with the right HTTP backend, and without retries of their own."""

from __future__ import annotations

import os
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Final, Self, cast
from urllib.parse import urlsplit

import anyio.to_thread
from aiobotocore.client import AioBaseClient
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.httpxsession import HttpxSession, is_httpx_session_cls
from aiobotocore.session import AioSession, ClientCreatorContext
from botocore import UNSIGNED
from botocore import exceptions as botocore_exceptions
from botocore.client import BaseClient
from botocore.config import Config
from botocore.httpsession import ProxyConfiguration, get_cert_path
from botocore.utils import get_environ_proxies

from ..errors import CredentialsError
from ..models.redaction import redact_chain
from .call import AwsClient, OpenClient
from .error_mapping import from_botocore
from .event_loops import running_trio

_SERVICE: Final = "imagebuilder"
_CLIENTS: Final = {"client", "logs_client"}
_CONNECT_TIMEOUT: Final = 10
_READ_TIMEOUT: Final = 30


@dataclass(frozen=True, kw_only=True)
class SessionArguments:
    """The arguments of `ImageBuilder` for aiobotocore, by the same names."""

    region_name: str | None = None
    profile_name: str | None = None
    endpoint_url: str | None = None
    aws_access_key_id: str | None = field(default=None, repr=False)
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    session: AioSession | None = None
    config: Config | None = None
    client: AwsClient | None = None
    logs_client: AwsClient | None = None

    def __post_init__(self) -> None:
        members = {name: value for name, value in vars(self).items() if name not in _CLIENTS}
        if self.client is not None and any(value is not None for value in members.values()):
            raise ValueError("Pass client= alone: it has its own region, endpoint and credentials.")
        check_client("client", self.client, _SERVICE)
        check_client("logs_client", self.logs_client, "logs")
        if self.session is not None and not isinstance(self.session, AioSession):
            raise TypeError(
                f"session= must be a session of aiobotocore, not {_name(self.session)}: "
                "use aiobotocore.session.get_session()."
            )
        if self.session is not None and self.profile_name is not None:
            raise ValueError("Pass session= or profile_name=, not both: a session has its own profile.")
        if not isinstance(self.config, Config | None):
            raise TypeError(f"config= must be a config of botocore or aiobotocore, not {_name(self.config)}.")

    def with_session(self) -> Self:
        """Return these arguments with a session, which the other methods need.

        Unless a session is given, which has a region of its own, AWS_REGION is respected: botocore reads only
        AWS_DEFAULT_REGION, unlike the other SDKs. A given client needs no session, which reads botocore's
        files.
        """
        if self.session is not None or self.client is not None:
            return self
        session = AioSession(profile=self.profile_name)
        # Also for the clients of credentials providers. On trio, it is replaced.
        session.set_default_client_config(_NON_REDIRECTING)
        region_name = self.region_name or os.environ.get("AWS_REGION") or None
        return replace(self, session=session, profile_name=None, region_name=region_name)

    async def open_client(self, stack: AsyncExitStack) -> AwsClient:
        """Return the given client of Image Builder, or open one, which `stack` closes.

        Raises:
            ValueError: There is no region or no such profile, or botocore rejects an argument.
            CredentialsError: There are no credentials.
            RuntimeError: It runs on trio, and httpx2 is not installed.
        """
        return self.client or await self._open(stack, _SERVICE, self.endpoint_url)

    def opener(
        self,
        service: str,
        given: AwsClient | None = None,
        *,
        region_name: str | None = None,
        read_timeout: float = 0.0,
    ) -> OpenClient | None:
        """Return a function that opens a client of another service, with the errors of `open_client`.

        Return ``None`` if there is no such client, and one of Image Builder is given.

        Args:
            service: The service.
            given: A client to return instead, which is not closed.
            region_name: The region, if it is not that of these arguments.
            read_timeout: The timeout of the HTTP client in seconds, unless that of the config is longer.
        """
        if given is None and self.client is not None:
            return None

        async def open_client(stack: AsyncExitStack) -> AwsClient:
            if given is not None:
                return given
            # An endpoint of Image Builder (a VPC or FIPS endpoint) does not serve other services.
            is_specific = _SERVICE in (urlsplit(self.endpoint_url or "").hostname or "")
            endpoint_url = None if is_specific else self.endpoint_url
            there = replace(self, region_name=region_name or self.region_name)
            return await there._open(stack, service, endpoint_url, read_timeout)  # noqa: SLF001 - of this class

        return open_client

    async def _open(
        self, stack: AsyncExitStack, service: str, endpoint_url: str | None, read_timeout: float = 0.0
    ) -> AwsClient:
        try:
            session = cast("AioSession", self.session)
            config = self._config()
            if config.read_timeout is not None and config.read_timeout < read_timeout:
                config = config.merge(Config(read_timeout=read_timeout))
            if running_trio() is not None:
                _prepare_for_trio(session, self.config)
            elif getattr(config, "http_session_cls", None) is AIOHTTPSession:
                config = config.merge(_NON_REDIRECTING)
            await anyio.to_thread.run_sync(_check_files, cast("str", self.ca_bundle), config.client_cert)
            has_credentials = await self._has_credentials(session)
            client = await stack.enter_async_context(
                session.create_client(
                    service,
                    region_name=self.region_name,
                    endpoint_url=endpoint_url,
                    aws_access_key_id=self.aws_access_key_id,
                    aws_secret_access_key=self.aws_secret_access_key,
                    aws_session_token=self.aws_session_token,
                    config=config,
                )
            )
            _check_address("endpoint", client.meta.endpoint_url)
            _check_proxies(config, client.meta.endpoint_url)
        except botocore_exceptions.NoRegionError as error:
            raise ValueError(
                "No AWS region: pass region_name=, or set AWS_REGION, AWS_DEFAULT_REGION or a profile."
            ) from error
        except botocore_exceptions.ProfileNotFound as error:
            raise ValueError(f"{error}. See `aws configure list-profiles`.") from error
        except Exception as error:
            failure, cause = from_botocore(error, "ImageBuilder"), redact_chain(error)
            if failure is None:
                raise
            raise failure from cause
        if not has_credentials:
            raise CredentialsError.create("ImageBuilder", "no AWS credentials were found")
        return cast("AwsClient", client)

    @property
    def ca_bundle(self) -> str | None:
        """The path of the file with which certificates are verified; ``None`` for that of a given client."""
        if self.client is not None:
            return None
        session = cast("AioSession", self.session)
        path = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
        return cast("str", path or get_cert_path(True))

    def _config(self) -> AioConfig:
        config = AioConfig(connect_timeout=_CONNECT_TIMEOUT, read_timeout=_READ_TIMEOUT)
        if self.config is not None:
            config = config.merge(self.config)
        # One retry layer: botocore's retry modes either fail at the service's throttle, or hide it.
        return cast("AioConfig", config.merge(Config(retries={"total_max_attempts": 1, "mode": "standard"})))

    async def _has_credentials(self, session: AioSession) -> bool:
        """Return whether a client that is created now has credentials: those found are cached."""
        is_unsigned = self.config is not None and self.config.signature_version is UNSIGNED
        if is_unsigned or self.aws_access_key_id is not None:
            return True
        return await session.get_credentials() is not None


def check_client(argument: str, client: object, service: str) -> None:
    """Check a client that was given as `argument`.

    Raises:
        TypeError: It is a client of boto3, or one of aiobotocore that is not open.
        ValueError: It is a client of another service.
    """
    is_blocking = isinstance(client, BaseClient) and not isinstance(client, AioBaseClient)
    if is_blocking or isinstance(client, ClientCreatorContext):
        raise TypeError(
            f"{argument}= must be an open client of aiobotocore, not {_name(client)}: "
            f'use `async with get_session().create_client("{service}") as client:`.'
        )
    if isinstance(client, AioBaseClient) and client.meta.service_model.service_name != service:
        raise ValueError(f"{argument}= must be a client of {service}, not {_name(client)}.")


def _name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


class _NonRedirectingSession(AIOHTTPSession):  # type: ignore[misc] # it is not typed
    """An aiohttp session that follows no redirect, which would send the credentials to another address.

    aiobotocore's own follows redirects, unlike botocore's and that for httpx2.
    """

    async def _get_session(self, proxy_url: str | None) -> object:
        session = await super()._get_session(proxy_url)
        return SimpleNamespace(request=partial(session.request, allow_redirects=False))


_NON_REDIRECTING: Final = AioConfig(http_session_cls=_NonRedirectingSession)


def _check_address(name: str, url: str) -> None:
    """Check an address that botocore has resolved, from the arguments, the environment or its config file.

    Raises:
        ValueError: It is not an http:// or https:// URL.
    """
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        # It may contain a password, also where none is recognized.
        shown = f" {url!r}" if "@" not in url else ""
        raise ValueError(f"The {name}{shown} is not an http:// or https:// URL.")


def _check_proxies(config: AioConfig, endpoint_url: str) -> None:
    """Check the proxies of the config, or else those of the environment that apply to the endpoint.

    Raises:
        ValueError: One is not an http:// or https:// URL.
    """
    proxies = config.proxies or get_environ_proxies(endpoint_url)
    configured = ProxyConfiguration(proxies=proxies)
    for scheme in ("http", "https"):
        if url := proxies.get(scheme):
            # botocore adds the scheme where there is none.
            url = url if "://" in url else configured.proxy_url_for(f"{scheme}://")
            _check_address(f"proxy for {scheme} (proxies of the config, {scheme.upper()}_PROXY)", url)


def _check_files(ca_bundle: str, client_cert: str | tuple[str, str] | None) -> None:
    """Check the files of TLS, which are otherwise read by the first call on aiohttp.

    Raises:
        ValueError: A file cannot be read, or contains no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(ca_bundle)
    except OSError as error:
        raise ValueError(
            f"The CA bundle {ca_bundle} cannot be used: {error.strerror or error}. "
            "Check AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE, and ca_bundle in the AWS config file."
        ) from error
    if client_cert is None:
        return
    certificate, key = (client_cert, None) if isinstance(client_cert, str) else client_cert
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise ValueError(
            f"The client certificate {certificate} cannot be used: {error.strerror or error}."
        ) from error


def _prepare_for_trio(session: AioSession, config: Config | None) -> None:
    """Make `session` use httpx2, the only backend of aiobotocore that runs on trio.

    It is set on the session rather than on the client, since the providers of credentials use the session.
    """
    if find_spec("httpx2") is None and find_spec("httpx") is None:
        raise RuntimeError("On trio, aiobotocore needs httpx2: pip install 'aioimagebuilder[trio]'.")
    default = session.get_default_client_config()
    for each in (config, default):
        if is_httpx_session_cls(getattr(each, "http_session_cls", None)):
            return
    trio_config = AioConfig(http_session_cls=HttpxSession)
    session.set_default_client_config(trio_config if default is None else default.merge(trio_config))
