"""One file per change of the schema, named for its number and its subject."""
