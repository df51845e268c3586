"""Products and contracts: the catalog, negotiations, the notary, notices, watching."""
