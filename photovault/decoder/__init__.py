"""What decodes photos, in processes of its own: ``host.Decoders`` asks, a sandboxed ``child`` answers.

Image libraries are large, written in C and fed with files from anywhere.  So no photo is decoded in the process that
holds keys and talks to storages: a child gets an open file that it can only read, and answers with facts, a thumbnail
or a smaller JPEG.  Whatever happens to it costs that one file its answer.
"""
