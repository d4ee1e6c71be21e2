"""Programs that measure the library: the quality of its pictures, and its speed."""
