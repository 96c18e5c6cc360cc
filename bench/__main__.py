"""All figures: `python -m bench`."""

from bench import lab, mesh

lab.main()
mesh.main()
