"""What is new in a list of a pipeline's images, and how much of the list is read."""

import itertools
import random

import pytest

from aioimagebuilder.aws.reads import ImagePage
from aioimagebuilder.models.executions import Image
from aioimagebuilder.polling.pipeline_images import ListRead, PipelineImages, in_order, is_later
from support.scripted_service import image_arn

PAGE = 5


def image(number: int, created: int | None = None, name: str = "demo") -> Image:
    return Image.parse({"arn": image_arn(number, name), "dateCreated": created})


class Listing:
    """A list of images in pages, which counts the pages that are read."""

    def __init__(self, images: list[Image]) -> None:
        self.images = images
        self.pages_read = 0

    def read(self, read: ListRead) -> None:
        start = int(read.token or 0)
        while True:
            self.pages_read += 1
            page, end = self.images[start : start + PAGE], start + PAGE
            next_token = str(end) if end < len(self.images) else None
            if not read.add(ImagePage(page, next_token)) or next_token is None:
                return
            start = end


def poll(known: PipelineImages, listing: Listing, *, is_whole: bool = False) -> list[str]:
    read = known.next_read(is_whole=is_whole)
    listing.read(read)
    return [each.id for each in known.record(read)]


def test_new_images_are_in_the_order_of_creation():
    known = PipelineImages()
    images = [image(number, number) for number in range(1, 13)]
    random.Random(1).shuffle(images)
    assert poll(known, Listing(images)) == [image_arn(number) for number in range(1, 13)]
    assert poll(known, Listing(images)) == []


@pytest.mark.parametrize("newest_first", [True, False])
def test_ordered_list_is_read_where_new_images_appear(newest_first):
    known, listing = PipelineImages(), Listing([image(number, number) for number in range(1, 101)])

    def add(number: int) -> None:
        listing.images.insert(0 if newest_first else len(listing.images), image(number, number))

    if newest_first:
        listing.images.reverse()
    poll(known, listing)
    assert (listing.pages_read, known.delays_between_polls) == (20, 1)
    listing.pages_read = 0
    for number in range(101, 121):
        add(number)
        assert poll(known, listing) == [image_arn(number)]
    assert listing.pages_read <= 20 * 2
    listing.pages_read = 0
    assert poll(known, listing) == []
    assert listing.pages_read == 24


def test_several_pages_of_new_images_are_all_read():
    for newest_first in (True, False):
        images = [image(number, number) for number in range(1, 31)]
        known, listing = PipelineImages(), Listing(images[:17])
        if newest_first:
            listing.images.reverse()
        poll(known, listing)
        listing.images = images[::-1] if newest_first else images
        assert poll(known, listing) == [each.id for each in images[17:]]


def test_list_without_order_is_read_whole_and_less_often():
    images = [image(number, number % 7) for number in range(1, 21)]
    known, listing = PipelineImages(), Listing(images)
    for _ in range(3):
        listing.pages_read = 0
        poll(known, listing)
        assert (listing.pages_read, known.delays_between_polls) == (4, 4)


def test_list_without_dates_is_read_whole():
    known, listing = PipelineImages(), Listing([image(number) for number in range(1, 21)])
    poll(known, listing)
    assert known.next_read(is_whole=False).is_whole
    assert known.newest is None


def test_partial_read_without_known_images_is_followed_by_a_whole_one():
    known, listing = PipelineImages(), Listing([image(number, number) for number in range(1, 18)])
    poll(known, listing)
    listing.images = listing.images[:12]
    poll(known, listing)
    assert known.next_read(is_whole=False).is_whole


def test_image_that_breaks_the_order_is_found_by_a_whole_read():
    known, listing = PipelineImages(), Listing([image(number, number) for number in range(1, 18)])
    poll(known, listing)
    listing.images.insert(0, image(18, 18))
    found = [arn for _ in range(1 + 4) for arn in poll(known, listing)]
    assert found == [image_arn(18)]


def test_vanished_image_that_is_listed_again_is_not_new():
    known = PipelineImages()
    poll(known, Listing([image(1, 1), image(2, 2)]))
    assert poll(known, Listing([image(1, 1)])) == []
    assert poll(known, Listing([image(1, 1), image(2, 2)])) == []


def test_dates_decide_which_image_is_later_then_builds_of_one_version():
    order = [image(7, 1), image(1, 2, "other"), image(1, 3), image(2, 3), image(3)]
    assert in_order(reversed(order)) == order
    for (i, earlier), (j, later) in itertools.combinations(enumerate(order[:4]), 2):
        assert is_later(later, earlier), (i, j)
        assert not is_later(earlier, later), (i, j)
    assert not is_later(order[0], order[0])
    by_arn = Image(arn=image_arn(2))
    assert is_later(image(3, 9), by_arn)
    assert not is_later(image(1, 9), by_arn)
    assert not is_later(image(3, 9, "other"), by_arn)


@pytest.mark.parametrize("arn", ["", "x", "arn:x/", "arn:x/²", f"arn:x/{'9' * 5000}"])
def test_malformed_arn_of_a_row_is_ordered_somehow(arn):
    assert len(in_order([Image(arn=arn), image(1, 1)])) == 2
    assert not is_later(Image(arn=arn), image(1))
