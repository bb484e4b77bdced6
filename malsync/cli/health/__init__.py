"""What `doctor` looks at. Each check reads, changes nothing, and says one line: all is well, or what to do."""
