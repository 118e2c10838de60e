"""The gate: the one door that everything passes on its way to a storage."""
