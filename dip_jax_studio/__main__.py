"""``python -m dip_jax_studio`` is ``dip-jax-studio``."""

from dip_jax_studio.command import entry

if __name__ == "__main__":
    entry()
