"""Programs that show what netcore is for."""
