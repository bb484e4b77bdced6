"""Checks of the set-up: this machine, the home folder and its mirror, the API."""
