"""Importing: photos of another place into an ordinary folder, which a backup then takes like any other.

``archives`` reads where they are (folders, zips, tgz), ``takeout``, ``folder`` and ``apple_photos`` say which files belong
together and when they were taken, ``plan`` decides where each goes, ``copying`` copies, ``albums`` keeps album names.

Guarantee: what is imported has the bytes that it had; nothing that is there is overwritten or removed, and nothing at
the source is changed; a run that was interrupted can be repeated and copies only what is missing.
"""
