"""``python -m dip_jax`` is ``dip-jax``."""

from dip_jax.app.cli.command import entry

if __name__ == "__main__":
    entry()
