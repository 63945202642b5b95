"""How far a run is, how long the rest will take, and the line that says so."""
