"""Programs that reproduce the evidence of the paper with the library."""
