"""The broker: the centre of a data space. It catalogs, notarises and logs; it has no authority over data."""
