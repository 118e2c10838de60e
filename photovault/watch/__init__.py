"""Watching folders and backing up what settled: the rules (pure) and the loop around them."""
