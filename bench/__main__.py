"""All figures: `python -m bench`."""

from bench import lab, mesh, start

start.main()
lab.main()
mesh.main()
