"""How the site is built: ``sphinx-build -n -W docs OUTPUT``, or ``tox -e docs``."""

import os
import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

os.environ["NETCORE_HOT"] = "0"  # classes of C have no annotations, and what they inherit has no entries
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from netcore import __version__

_urls = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["urls"]

project = "netcore"
author = "the netcore developers"
copyright = "the netcore developers; Apache License 2.0"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "netcore_docs"]
exclude_patterns = ["_ext", "_build", "_templates"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

nitpicky = True
_foreign = "|".join(re.escape(name) for name in sorted(sys.stdlib_module_names))
nitpick_ignore_regex = [
    # The standard library's names have their entries elsewhere; those of netcore must have them here.
    (r"py:.*", rf"({_foreign}|typing_extensions|hypothesis)\..*"),
    (
        r"py:.*",
        r"[A-Za-z]+Error|[a-z]+|Buffer|optional|TracebackType|BinaryIO|Future|File|Password|Number|Wait|MakesCoroutine|_T",
    ),
]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = False

html_theme = "furo"
html_title = "netcore"
html_baseurl = _urls["Documentation"] + "stable/"  # what search engines are to show, of all versions
templates_path = ["_templates"]
html_static_path = ["_static"]
html_theme_options = {"light_css_variables": {"color-code-background": "#f0f1f5"}}
html_favicon = "_static/favicon.svg"
html_css_files = ["netcore.css"]
html_js_files = [("versions.js", {"defer": "defer"})]
html_copy_source = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
