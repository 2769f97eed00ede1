"""Sphinx settings of the site. It reads executed notebooks and never runs one; everything it needs is in the built folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

project = "wsss-depth-cam"
author = "The wsss-depth-cam authors"
copyright = author
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "mathml"]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

default_role = "code"  # docstrings put names between single backticks
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autosummary_generate = True
autosummary_ignore_module_all = False
napoleon_use_ivar = True
suppress_warnings = ["ref.python"]  # attributes of several classes share a name, such as `miou`
templates_path = ["templates"]

html_theme = "furo"
html_title = "Depth-guided class activation maps"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
