import jax.numpy as jnp
import pytest

from dip_jax.generators import checks


def test_what_is_right_passes():
    checks.check_choice("norm", None, ["batch", None])
    checks.check_integer("width", 4, least=4)
    checks.check_kernel("kernel_up", 3)
    checks.check_input(jnp.zeros((8, 16, 1)), 8)
    checks.check_input(jnp.zeros((24, 8, 16, 1)), 8, 3)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (lambda: checks.check_choice("norm", "layer", ["batch", None]), "one of 'batch', None"),
        (lambda: checks.check_integer("width", 3, least=4), "width=3: must be an integer of at"),
        (lambda: checks.check_integer("width", True, least=0), "width=True: must be an integer"),
        (lambda: checks.check_integer("width", 4.0, least=0), "width=4.0: must be an integer"),
        (lambda: checks.check_kernel("kernel_up", 4), "kernel_up=4: must be an odd positive"),
        (lambda: checks.check_kernel("kernel_up", -1), "kernel_up=-1: must be an odd positive"),
        (lambda: checks.check_kernel("kernel_up", 3.0), "kernel_up=3.0: must be an odd positive"),
        (lambda: checks.check_input(jnp.zeros((8, 16, 1), int), 8), "z holds int32: must be fl"),
        (lambda: checks.check_input(jnp.zeros((8, 16)), 8), r"z has shape \(8, 16\): must be"),
        (lambda: checks.check_input(jnp.zeros((0, 16, 1)), 8), "z is 0x16 pixels"),
        (lambda: checks.check_input(jnp.zeros((8, 12, 1)), 8), "z is 8x12 .*multiples of 8"),
        (
            lambda: checks.check_input(jnp.zeros((8, 8, 1)), 8, 3),
            r"must be \[planes, height, width, depth\]",
        ),
        (
            lambda: checks.check_input(jnp.zeros((4, 8, 8, 1)), 8, 3),
            "z is 4x8x8 pixels: planes, height and width must be multiples of 8",
        ),
    ],
)
def test_what_is_wrong_is_named(check, words):
    with pytest.raises(ValueError, match=words):
        check()
