"""What the parts of a file claim about a photo: Exif, XMP, IPTC and movie headers, each read by a room of its own.

Each room turns bytes into ``Claims``; ``together`` joins those of one file.  Where several speak of the same thing, the
first that was named wins; keywords are joined, and of the dates the most trustworthy wins (``dates.Rank``).

Guarantee: a room gives claims for any bytes, within the bounds of its ``Window``; what it cannot read it leaves out.
Texts are clean and short (``texts``), dates and places are possible ones.  Not guaranteed: that a claim is true.
"""
