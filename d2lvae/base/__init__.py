"""What everything else stands on: errors, files, paths, the machine."""
