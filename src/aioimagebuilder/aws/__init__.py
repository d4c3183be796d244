"""One call to AWS: the client, the call rate, the retries, the mapping of errors, and the operations."""
