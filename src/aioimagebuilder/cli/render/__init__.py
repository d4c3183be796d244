"""What a command shows: a live view, plain lines, JSON members, a timeline. No I/O."""
