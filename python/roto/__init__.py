"""roto: track and segment anything in video."""
