"""One module per version; an older database is brought up one after the other."""
