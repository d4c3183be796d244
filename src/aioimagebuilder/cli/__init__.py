"""The command line: ``aioimagebuilder``, with the extra ``cli``."""
