"""Which faces are one person, and what to ask when that is not clear.  Pure: arrays in, arrays out."""
