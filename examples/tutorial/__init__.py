"""The programs of the tutorial, one for each step."""
