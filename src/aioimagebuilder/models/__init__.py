"""What the service says, as data: identifiers, statuses, executions, log lines, diagnoses. No I/O."""
