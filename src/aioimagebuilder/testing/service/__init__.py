"""The operations of the service on the simulated accounts, held to botocore's own model."""
