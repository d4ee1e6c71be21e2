"""The documentation site, by Sphinx: sphinx-build -W -b dirhtml -c docs/site . build/site.

The site mirrors the repository: pages, pictures and notebooks are read where they lie, so a
relative link works there as it does on the site. ``contents.py`` is the navigation.
"""

import sys
from pathlib import Path

from dip_jax import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from contents import CONTENTS  # noqa: E402, beside this file

project = "dip_jax"
author = "The dip_jax authors"
project_copyright = author
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "repository",
]
root_doc = "README"
include_patterns = [
    "*.md",
    "docs/**",
    "examples/*.ipynb",
    "experiments/**.md",
]
exclude_patterns = ["docs/site/**"]
nitpicky = True
# Of other packages, whose sites are not looked up: the build needs no network.
nitpick_ignore_regex = [("py:.*", r"(collections|jax|numpy|optax|scipy|skimage)\..*")]
# Inherited by each network from a base without a page, or of the application's inner rooms.
nitpick_ignore_regex += [
    ("py:attr", "stride"),
    ("py:.*", r"dip_jax\.app\.(files|recipe|restore)\..*"),
]
contents = CONTENTS

# Headings are anchors as on other hosts of Markdown.
myst_heading_anchors = 3
# Notebooks take minutes: -D nb_execution_mode=force runs them.
nb_execution_mode = "off"
nb_execution_timeout = 1800
nb_execution_raise_on_error = True

napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Fields", "params_style")]  # of flax modules
autodoc_member_order = "bysource"
# Docstrings give shapes and ranges; the types, with all their unions, say less.
autodoc_typehints = "none"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"dip_jax {__version__}"
html_static_path = ["static"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sphinx = False
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
