"""The model's life from the command line: simulate, train, evaluate, audit, monitor, change at a site."""
