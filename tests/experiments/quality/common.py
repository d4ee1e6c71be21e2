"""What tests of the tables share."""

import csv


def read_rows(folder, table):
    """The rows that a table's program saved in ``folder``."""
    with (folder / f"{table}_rows.csv").open(newline="") as file:
        return list(csv.DictReader(file))
