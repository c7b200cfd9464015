"""What a container engine does elsewhere: processes in namespaces and cgroups, and the settings of this machine."""
