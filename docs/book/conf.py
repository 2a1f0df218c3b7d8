"""Sphinx's settings for the book. `python docs/book` gathers its pages and starts Sphinx with them."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

from nn import __version__  # noqa: E402  (the path comes first)

project = "LeNet and AlexNet, from scratch"
author = "the lenet-to-alexnet authors"
project_copyright = author
version = release = __version__
language = "en"

extensions = ["myst_nb", "lesson_pages"]
root_doc = "index"
html_theme = "furo"
html_title = "LeNet and AlexNet, from scratch"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
templates_path = []
pygments_style = "default"
pygments_dark_style = "github-dark"

# Formulas are typeset by the one file that __main__.py puts here, not by one from the internet.
mathjax_path = "mathjax.js"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2

# The lessons are read as they are. What running them gave is kept, and used as long as nothing that they use changes.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_cache_path = os.environ.get("BOOK_EXECUTED", "")
nb_execution_timeout = 1800  # seconds for a cell: far more than any takes, so that only what hangs is stopped
nb_execution_raise_on_error = True
nb_merge_streams = True
suppress_warnings = ["config.cache"]  # nb_custom_formats holds a function's name, which Sphinx cannot keep
