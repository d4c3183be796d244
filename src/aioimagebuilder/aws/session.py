"""Opens an aiobotocore client that fits this library: the right HTTP backend, and no retries of its own."""

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

__all__ = ["Opening"]

_SERVICE: Final = "imagebuilder"
_LOGS_SERVICE: Final = "logs"
_CONNECT_TIMEOUT: Final = 10
_READ_TIMEOUT: Final = 30


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How to open a client: the arguments of `ImageBuilder` that are aiobotocore's, by the same names."""

    region_name: str | None = None
    profile_name: str | None = None
    endpoint_url: str | None = None
    aws_access_key_id: str | None = field(default=None, repr=False)
    aws_secret_access_key: str | None = field(default=None, repr=False)
    aws_session_token: str | None = field(default=None, repr=False)
    session: AioSession | None = None
    config: Config | None = None

    def with_session(self) -> Self:
        """Get this with a session, whose credentials all clients that it opens then share."""
        return self if self.session else replace(self, session=AioSession(profile=self.profile_name))

    async def open(self, stack: AsyncExitStack) -> AwsClient:
        """Get an open client of Image Builder, which `stack` closes.

        Raises:
            ValueError: no region, or no such profile, or an argument that botocore refuses.
            CredentialsError: there are no credentials.
            RuntimeError: trio runs, and httpx2 is not installed.
        """
        return await self._open(stack, _SERVICE, self.endpoint_url)

    async def open_logs(self, stack: AsyncExitStack) -> AwsClient:
        """Get an open client of CloudWatch Logs, which `stack` closes; the errors are those of `open`."""
        # An endpoint of Image Builder alone (a VPC endpoint, a FIPS one) does not serve CloudWatch Logs.
        is_own = _SERVICE in (urlsplit(self.endpoint_url or "").hostname or "")
        return await self._open(stack, _LOGS_SERVICE, None if is_own else self.endpoint_url)

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
            if (failed := from_botocore(error, "ImageBuilder")) is None:
                raise
            raise failed from error
        return cast("AwsClient", client)

    def _config(self) -> Config:
        config = AioConfig(connect_timeout=_CONNECT_TIMEOUT, read_timeout=_READ_TIMEOUT)
        if self.config is not None:
            config = config.merge(self.config)
        # One retry layer: botocore's modes die on the service's own throttle, or hide it.
        return cast("Config", config.merge(Config(retries={"total_max_attempts": 1, "mode": "standard"})))

    async def _check_credentials(self, session: AioSession) -> None:
        is_unsigned = self.config is not None and self.config.signature_version is UNSIGNED
        if is_unsigned or self.aws_access_key_id is not None:
            return
        # The client has just looked for them, and botocore remembers the answer.
        if await session.get_credentials() is None:
            raise CredentialsError.made("ImageBuilder", "no AWS credentials were found.")


def _prepare_for_trio(session: AioSession, config: Config | None) -> None:
    """Let `session` speak through httpx2, the one backend of aiobotocore that runs on trio.

    On the session, not on the client alone: what fetches credentials asks the session.
    """
    if find_spec("httpx2") is None and find_spec("httpx") is None:
        raise RuntimeError("aiobotocore speaks on trio through httpx2: pip install 'aioimagebuilder[trio]'.")
    default = session.get_default_client_config()
    for each in (config, default):
        if is_httpx_session_cls(getattr(each, "http_session_cls", None)):
            return
    trio_config = AioConfig(http_session_cls=HttpxSession)
    session.set_default_client_config(trio_config if default is None else default.merge(trio_config))
