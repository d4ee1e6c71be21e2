import numpy as np
import pytest

from dip_jax.app.restore.watch import Chunk, Watch, as_watch

CHUNK = Chunk(
    share=0.25,
    done=0.5,
    fit=1,
    fits=1,
    step=5,
    steps=10,
    loss=0.1,
    psnr=None,
    picture=lambda: np.zeros((2, 3, 1), np.float32),
)


@pytest.mark.parametrize("shown", [True, False])
def test_a_word_asks_for_a_bar(shown):
    watch = as_watch(shown)
    assert watch.bar == shown
    assert not watch.look(CHUNK)


def test_a_function_gets_the_shares_and_may_end_the_run():
    shares = []
    watch = as_watch(lambda share: shares.append(share) or len(shares) == 2)
    assert not watch.bar
    assert [bool(watch.look(CHUNK)) for _ in range(2)] == [False, True]
    assert shares == [0.25, 0.25]


def test_a_watch_is_taken_as_it_is():
    watch = Watch(bar=True)
    assert as_watch(watch) is watch
