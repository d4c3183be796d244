"""Running a command: connecting to AWS, following an execution, and reporting its result."""
