"""The service's operations on the simulated accounts, validated by botocore's service model."""
