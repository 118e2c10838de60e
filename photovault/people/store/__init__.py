"""The encrypted file of faces: what was measured, who is who, and every change with its inverse."""
