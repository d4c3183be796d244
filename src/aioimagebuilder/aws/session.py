"""The aiobotocore session and clients: with the right HTTP backend, and without retries of their own."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Final, Self, cast
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.httpxsession import HttpxSession, is_httpx_session_cls
from aiobotocore.session import AioSession
from botocore import UNSIGNED
from botocore import exceptions as botocore_exceptions
from botocore.config import Config

from ..errors import CredentialsError
from .call import AwsClient
from .error_mapping import from_botocore
from .event_loops import running_trio

_SERVICE: Final = "imagebuilder"
_LOGS_SERVICE: Final = "logs"
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

    def with_session(self) -> Self:
        """Return these arguments with a session, so that all clients share its credentials."""
        return self if self.session else replace(self, session=AioSession(profile=self.profile_name))

    async def open_client(self, stack: AsyncExitStack) -> AwsClient:
        """Open a client of Image Builder, which `stack` closes.

        Raises:
            ValueError: There is no region or no such profile, or botocore rejects an argument.
            CredentialsError: There are no credentials.
            RuntimeError: It runs on trio, and httpx2 is not installed.
        """
        return await self._open(stack, _SERVICE, self.endpoint_url)

    async def open_logs_client(self, stack: AsyncExitStack) -> AwsClient:
        """Open a client of CloudWatch Logs, which `stack` closes; raises the same errors as `open_client`."""
        # An endpoint of Image Builder (a VPC or FIPS endpoint) does not serve CloudWatch Logs.
        is_specific = _SERVICE in (urlsplit(self.endpoint_url or "").hostname or "")
        return await self._open(stack, _LOGS_SERVICE, None if is_specific else self.endpoint_url)

    async def _open(self, stack: AsyncExitStack, service: str, endpoint_url: str | None) -> AwsClient:
        try:
            session = self.session or AioSession(profile=self.profile_name)
            if running_trio() is not None:
                _prepare_for_trio(session, self.config)
            client = await stack.enter_async_context(
                session.create_client(
                    service,
                    region_name=self.region_name,
                    endpoint_url=endpoint_url,
                    aws_access_key_id=self.aws_access_key_id,
                    aws_secret_access_key=self.aws_secret_access_key,
                    aws_session_token=self.aws_session_token,
                    config=self._config(),
                )
            )
            await self._check_credentials(session)
        except botocore_exceptions.NoRegionError as error:
            raise ValueError(
                "No AWS region: pass region_name=, or set AWS_DEFAULT_REGION or a profile."
            ) from error
        except botocore_exceptions.ProfileNotFound as error:
            raise ValueError(f"{error}. See `aws configure list-profiles`.") from error
        except Exception as error:
            if (failure := from_botocore(error, "ImageBuilder")) is None:
                raise
            raise failure from error
        return cast("AwsClient", client)

    def _config(self) -> Config:
        config = AioConfig(connect_timeout=_CONNECT_TIMEOUT, read_timeout=_READ_TIMEOUT)
        if self.config is not None:
            config = config.merge(self.config)
        # One retry layer: botocore's retry modes either fail at the service's throttle, or hide it.
        return cast("Config", config.merge(Config(retries={"total_max_attempts": 1, "mode": "standard"})))

    async def _check_credentials(self, session: AioSession) -> None:
        is_unsigned = self.config is not None and self.config.signature_version is UNSIGNED
        if is_unsigned or self.aws_access_key_id is not None:
            return
        # The client has just resolved them, and botocore caches the result.
        if await session.get_credentials() is None:
            raise CredentialsError.create("ImageBuilder", "no AWS credentials were found.")


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
