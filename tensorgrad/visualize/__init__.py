"""Looking at a recorded graph: as plain data, as a listing, as a drawing."""
