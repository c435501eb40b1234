"""What a suite asks by name -> tables of its comparisons, what was expected of them, and how teachers differ."""
