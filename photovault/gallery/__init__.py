"""A page on this computer: photos to look at, find, name and restore, and whether all is well.

``values`` are what pages show and ``asks`` who knows it; both name no vault and no storage.  ``site`` turns requests into pages,
``security`` decides which requests are heard at all, ``server`` listens on loopback or on a Unix socket, and nowhere else.
"""
