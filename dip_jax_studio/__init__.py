"""A local web page for dip-jax: paint the damage, watch it heal, save the result.

A package beside ``dip_jax``, since that one imports jax, which takes seconds: the page shows first.
The server knows neither pictures nor networks. Pictures are read and written by a second process
(``desk``), and each fit is the ordinary command in a third, so that it has the command's
checkpoints, and a damaged file or a fit that runs out of memory can't bring the page down.

From the ground up: ``problem`` (errors in one line), ``processes`` (how others start),
``store`` (folders), ``damage`` (from the page's form to the command's flags), ``desk`` and
``clerk`` (pictures), ``jobs`` (the queue), ``guard`` (who may ask), ``server`` (the requests),
``command`` (argv in, exit code out).
"""
