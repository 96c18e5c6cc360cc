"""Real Kubernetes clusters on one Linux machine, without Docker.

`python -m lab` is the command line and lab.lab.Lab the same for programs. spec.py says what a lab
is, machine.py what it creates on the machine, and cluster.py and programs.py what a cluster
consists of. toolchain/ builds the programs and images, stand_ins/ has programs that replace
Pulumi's provider plugins.
"""
