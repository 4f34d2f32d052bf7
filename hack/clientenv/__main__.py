"""``python -m clientenv``: make the client tests' environment and say where it is."""

from clientenv import ensure

if __name__ == "__main__":
    print(ensure().folder)
