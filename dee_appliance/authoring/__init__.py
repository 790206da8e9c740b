"""Written files into checked values: plans, templates, scripts, policies and zone tables, each mistake with file and line."""
