"""The evaluation as one offline page: Jinja2 templates, SVG plots drawn here, and the style of the clinician's page."""
