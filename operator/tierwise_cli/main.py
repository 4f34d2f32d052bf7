"""The `tierwise` command with all its parts, for who looks at them together."""

from tierwise_cli.start import application, main

__all__ = ["app", "main"]

app = application()

if __name__ == "__main__":
    main()
