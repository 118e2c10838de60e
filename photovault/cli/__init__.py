"""The command line: options in, one call of ``app``, words and an exit code out."""
