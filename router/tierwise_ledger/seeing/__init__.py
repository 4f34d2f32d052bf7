"""What the page shows, read from the tables: one module per view, one function per picture."""
