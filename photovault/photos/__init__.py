"""What photos are: finding them, cutting them into parts, reading dates, choosing among them.  No key, no storage."""
