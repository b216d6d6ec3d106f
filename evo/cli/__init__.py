"""The command line: words in, tables, files and exit codes out."""
