"""Past one machine: training and reading on a Dask cluster, an optional extra. Dask is imported only when asked for."""
