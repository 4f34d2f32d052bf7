"""The quickstart: `make up` ends with real models answering real questions."""
