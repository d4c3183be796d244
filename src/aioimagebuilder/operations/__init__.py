"""The operations of EC2 Image Builder that show or steer an execution, one AWS call each."""

from .caller import AwsClient, Caller
from .reading import get, list_pages
from .steering import SteeringOperations as Operations

__all__ = ["AwsClient", "Caller", "Operations", "get", "list_pages"]
