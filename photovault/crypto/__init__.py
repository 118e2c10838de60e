"""Keys, recovery words and sealing.  Knows bytes only: no files, no storage, no clock."""
