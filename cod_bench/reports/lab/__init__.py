"""CSV files of the lab -> its tables, pictures and sentences; reads files and never runs anything."""
