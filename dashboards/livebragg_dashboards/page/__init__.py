"""The Bokeh models of one page, and how they look."""
