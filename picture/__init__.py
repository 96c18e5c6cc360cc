"""The picture of a mesh, drawn from its spec alone: `svg.svg` and `mermaid.mermaid`."""
