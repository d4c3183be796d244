"""The former names, for tests/integration/test_secrets.py."""

from fuzz.responses import API_CALLS as READINGS

__all__ = ["READINGS"]
