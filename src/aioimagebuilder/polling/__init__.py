"""When to ask the service, and for whom."""
