"""Waits of hours: an answer that never ends, and a machine that sleeps."""

import anyio
import pytest

from aioimagebuilder import ConnectionFailedError, ImageBuilder, ObservationError, ServerError, WaitTimeoutError
from scripted_service import ScriptedService, aws_error
from virtual_time import run_virtually

HOUR = 3600.0


def test_an_answer_that_trickles_in_for_ever_holds_up_no_wait(run):
    async def main():
        # No read timeout of the connection's sees it: each of its bytes comes in time.
        service = ScriptedService(hang=lambda now: 100 * HOUR if 10 < now < 60 else 0)
        identifier = service.workflow((0, "RUNNING"), (60, "COMPLETED"))
        async with ImageBuilder(client=service) as ib:
            assert (await ib.wait(identifier, timeout=None)).status == "COMPLETED"
        assert service.now < 200
        assert service.in_flight == 0

    run(main)


def test_answers_that_all_trickle_are_told_at_the_deadline_as_what_they_are(run):
    async def main():
        service = ScriptedService(hang=lambda _: 100 * HOUR)
        identifier = service.workflow((0, "RUNNING"))
        async with ImageBuilder(client=service) as ib:
            with pytest.raises(ObservationError, match="no whole answer within") as caught:
                await ib.wait(identifier, timeout=HOUR)
        assert isinstance(caught.value.__cause__, ConnectionFailedError)
        assert HOUR <= caught.value.elapsed <= HOUR + 10
        assert caught.value.polls == len(service.calls) > 10

    run(main)
