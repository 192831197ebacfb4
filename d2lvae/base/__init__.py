"""What everything else stands on: errors, files, parameters, paths, the machine."""
