"""The former names, for tests/integration/test_secrets.py."""

from fuzz.responses import READINGS

__all__ = ["READINGS"]
