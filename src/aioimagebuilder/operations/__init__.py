"""The operations of EC2 Image Builder that show or steer an execution, one AWS call each."""

from .caller import AwsClient, Caller
from .reading import read_pages
from .steering import SteeringOperations as Operations

__all__ = ["AwsClient", "Caller", "Operations", "read_pages"]
