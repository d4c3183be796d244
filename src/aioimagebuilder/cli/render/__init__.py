"""Output as text and data: the live view, plain progress lines, results and timelines. No I/O."""
