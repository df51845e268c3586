"""A data product as a data engineer writes it: one YAML file, drafted from a source and checked line by line."""
