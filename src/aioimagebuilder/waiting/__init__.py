"""What a caller does with polls: wait, watch, gather, cancel."""
