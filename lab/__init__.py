"""Real Kubernetes clusters on one Linux machine, without Docker.

`python -m lab` is the command line and lab.lab.Lab the same for programs. spec.py says what a lab
is, machine.py what it puts on the machine, cluster.py what a cluster is made of; toolchain/ makes
the programs and images, and plugins/ stands in for Pulumi's provider plugins.
"""
