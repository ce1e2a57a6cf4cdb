"""What a process of a supervisor begins with."""
