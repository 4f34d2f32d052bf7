"""Run the operator: ``python -m tierwise_operator run``."""

from tierwise_operator.cli import app

if __name__ == "__main__":
    app(prog_name="tierwise-operator")
