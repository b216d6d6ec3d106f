"""Records of searches and where they go: a file, MLflow, figures. Nothing here is imported by `evo`."""
