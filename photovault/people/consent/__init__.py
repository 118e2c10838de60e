"""Whether faces may be grouped: the texts that people agree to, the record of what they agreed to, and releases."""
