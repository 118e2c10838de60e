"""People: faces grouped on this computer alone, and only after somebody asked for it.

Nothing here runs, and nothing of the libraries that find faces is imported, before ``consent`` says so.  ``scan`` has
photos decoded (``decoder``), faces found and measured in processes of their own (``host``, ``worker``, ``engines``), and
keeps what comes back in an encrypted file (``store``).  ``grouping`` says which faces are one person, ``decisions`` what the
user says, which wins.  Only ``app`` imports this room, and it reaches no storage, no vault and none of their keys.
"""
