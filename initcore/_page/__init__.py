"""Pages and pictures without dependencies: escaped HTML, inline SVG, one style."""
