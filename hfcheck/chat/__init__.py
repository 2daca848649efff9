"""Chat templates, read by jinja2's parser and never rendered: what their syntax trees say about the end of a turn."""
