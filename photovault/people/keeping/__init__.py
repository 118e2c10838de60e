"""The folder of face data as files: its key, who may use it, the marks on it, and how it is erased."""
