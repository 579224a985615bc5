"""The store on SQLite: one file, write-ahead log, one writer."""
