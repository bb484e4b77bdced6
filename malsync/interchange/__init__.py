"""Lists in and out of files: bytes in, values out, and back."""
