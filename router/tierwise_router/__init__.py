"""The Ray Serve application that answers on the cheapest confident tier."""
