"""How a command runs: it connects, follows what goes on, and ends with an exit code."""
