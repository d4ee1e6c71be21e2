"""The command ``dip-jax``: argv in, exit code out. absl lives only here."""
