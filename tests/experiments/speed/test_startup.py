"""The cache of compiled programs."""

from experiments.speed import startup


def test_contents_of_a_cache(tmp_path):
    for name, text in (("jit_a-cache", "12345"), ("jit_a-atime", "12")):
        (tmp_path / name).write_text(text)
    assert startup.count_programs(tmp_path) == (1, 7)
