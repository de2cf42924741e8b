"""How a run is worked through: chunks are claimed, asked, scored and saved, each result once."""
