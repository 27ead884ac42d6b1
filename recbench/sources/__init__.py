"""Raw files: the catalogue, where they come from, what is unpacked."""
