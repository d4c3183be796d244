"""Which images of a pipeline are new, and how much of its list the next poll reads. No I/O and no clock.

The service promises no order of ListImagePipelineImages, and cannot filter the list by time (model), so only
the whole list shows every new image. A list of several pages that turned out to be ordered by date is read
whole only now and then. In between, a poll reads the end of the list at which new images appear.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import Final

from ..aws.reads import ImagePage
from ..models.executions import Image

_UNKNOWN_BUILD: Final = -1
_MAXIMUM_DIGITS: Final = 18


class ListRead:
    """One read of the list, whole or from the page at which new images appear.

    Attributes:
        token: The token of the first page to read.
        is_whole: Whether it reads the whole list.
        images: The images read so far, by ARN.
        pages: The number of pages read.
        last_token: The token of the last page that contains an image.
        has_known: Whether one of the images was listed before.
    """

    def __init__(self, known: PipelineImages, token: str | None, *, is_whole: bool) -> None:
        self.token = token
        self.is_whole = is_whole
        self.images: dict[str, Image] = {}
        self.pages = 0
        self.last_token = token
        self.has_known = False
        self._known = known
        self._next_token = token

    def add(self, page: ImagePage) -> bool:
        """Add a page, and return whether the next one is to be read as well, if there is one."""
        self.pages += 1
        if page.images:
            self.last_token = self._next_token
        self._next_token = page.next_token
        for image in page.images:
            self.images[image.id] = image
            self.has_known |= not self._known.is_new(image)
        # With the newest first, nothing new follows an image that is known.
        return self.is_whole or self.token is not None or not self.has_known


class PipelineImages:
    """The images of a pipeline that were listed so far, including those deleted since."""

    def __init__(self) -> None:
        self._dates: dict[str, datetime | None] = {}
        self._is_ordered = False
        self._token: str | None = None
        self._pages = 0
        self._partial_reads_left = 0

    @property
    def newest(self) -> datetime | None:
        """The latest date of creation in the list; ``None`` if it contains none."""
        return max((date for date in self._dates.values() if date is not None), default=None)

    @property
    def delays_between_polls(self) -> int:
        """The number of delays until the next poll: more if each poll has to read several pages."""
        return 1 if self._is_ordered else max(1, self._pages)

    def is_new(self, image: Image) -> bool:
        """Return whether `image` was not listed before, or is another one of the same ARN."""
        if image.id not in self._dates:
            return True
        # That the service never reuses the build number of a deleted image is not documented.
        before, now = self._dates[image.id], image.date_created
        return before is not None and now is not None and now > before

    def is_known(self, arn: str) -> bool:
        """Return whether an image with this ARN, in any case, was listed."""
        return arn.casefold() in {each.casefold() for each in self._dates}

    def next_read(self, *, is_whole: bool) -> ListRead:
        """Return the next read; of the whole list if `is_whole`, or if that is due."""
        is_whole = is_whole or not self._is_ordered or self._partial_reads_left <= 0
        return ListRead(self, None if is_whole else self._token, is_whole=is_whole)

    def read_whole(self) -> None:
        """Make the next read one of the whole list."""
        self._partial_reads_left = 0

    def record(self, read: ListRead) -> list[Image]:
        """Record a read that was completed, and return the new images in the order of their creation."""
        new = in_order(image for image in read.images.values() if self.is_new(image))
        if read.is_whole:
            self._pages = read.pages
            # As many as there are pages, so that the whole reads add one call to each poll in the mean.
            self._partial_reads_left = self._pages
            self._is_ordered = self._pages > 1 and self._find_order(read)
        else:
            self._partial_reads_left = self._partial_reads_left - 1 if read.has_known else 0
            if self._token is not None:
                self._token = read.last_token
        self._dates.update((image.id, image.date_created) for image in read.images.values())
        return new

    def _find_order(self, read: ListRead) -> bool:
        """Find the page at which new images appear, and return whether there is one."""
        dates = [image.date_created.timestamp() for image in read.images.values() if image.date_created]
        if len(dates) < len(read.images):
            return False
        if all(earlier <= later for earlier, later in pairwise(dates)):
            self._token = read.last_token
            return self._token is not None
        self._token = None
        return all(earlier >= later for earlier, later in pairwise(dates))


def in_order(images: Iterable[Image]) -> list[Image]:
    """Return `images` in the order of their creation, according to the service's dates."""
    return sorted(images, key=_creation)


def is_later(image: Image, other: Image) -> bool:
    """Return whether `image` was created after `other`, which may be known by its ARN alone.

    Without different dates, the build numbers of one image version decide.
    """
    mine, others = image.date_created, other.date_created
    if mine is not None and others is not None and mine != others:
        return mine > others
    return _version_of(image) == _version_of(other) and _build_of(image) > _build_of(other)


def _creation(image: Image) -> tuple[float, int]:
    date = image.date_created
    return math.inf if date is None else date.timestamp(), _build_of(image)


def _version_of(image: Image) -> str:
    return image.id.rpartition("/")[0].casefold()


def _build_of(image: Image) -> int:
    build = image.id.rpartition("/")[2]
    return int(build) if build.isdecimal() and len(build) <= _MAXIMUM_DIGITS else _UNKNOWN_BUILD
