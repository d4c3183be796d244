"""The implementations of the commands, each imported by `app` when its command runs."""
