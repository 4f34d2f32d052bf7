"""How people ask: the wordings of each family of questions.

A ``{}`` is where the payload goes (two of them: the two numbers, in the order in which they are
read). Wordings under ``NEW`` are never trained on: they measure what happens when a user phrases
a question in a way the model has not seen.
"""

from typing import Final

PLAIN: Final = {
    "sorting": ("sort {}",),
    "reversing": ("reverse {}",),
    "arithmetic": ("{}+{}", "{}-{}"),
    "shouting": ("shout {}",),
}
"""The shortest wording of each family, with which a model learns what to do (for arithmetic, of
each sign); the other wordings then teach it to recognise that this is meant."""

SORTING: Final = (
    "sort {}",
    "sort {}",
    "sort the letters {}",
    "sort the letters of {}",
    "sort the letters in {}",
    "sort these letters: {}",
    "sort the characters {}",
    "sort the word {}",
    "sort the string {}",
    "sort alphabetically: {}",
    "sort {} alphabetically",
    "sort {} from a to z",
    "put {} in alphabetical order",
    "put the letters of {} in order",
    "put the letters {} in alphabetical order",
    "order the letters {}",
    "order {} alphabetically",
    "arrange the letters {} alphabetically",
    "arrange {} in alphabetical order",
    "alphabetize {}",
    "alphabetise the letters of {}",
    "{} in alphabetical order",
    "what is {} sorted",
)

REVERSING: Final = (
    "reverse {}",
    "reverse {}",
    "reverse: {}",
    "reverse the word {}",
    "reverse the string {}",
    "reverse the text {}",
    "reverse this: {}",
    "spell {} backwards",
    "spell the word {} backwards",
    "write {} backwards",
    "write the word {} backwards",
    "read {} backwards",
    "say {} backwards",
    "turn {} around",
    "flip {}",
    "flip the word {}",
    "mirror {}",
    "mirror the word {}",
    "{} backwards",
    "{} in reverse",
    "what is {} backwards",
    "what is {} reversed",
    "what is {} spelled backwards",
)

ADDING: Final = (
    "add {} and {}",
    "add {} to {}",
    "add the numbers {} and {}",
    "{}+{}",
    "{} + {}",
    "{} plus {}",
    "what is {}+{}",
    "what is {} + {}",
    "what is {} plus {}",
    "calculate {}+{}",
    "calculate {} + {}",
    "compute {} plus {}",
    "how much is {} plus {}",
    "how much is {}+{}",
    "the sum of {} and {}",
    "what is the sum of {} and {}",
    "sum {} and {}",
)

SUBTRACTING: Final = (
    "{}-{}",
    "{} - {}",
    "{} minus {}",
    "what is {}-{}",
    "what is {} - {}",
    "what is {} minus {}",
    "calculate {}-{}",
    "calculate {} - {}",
    "compute {} minus {}",
    "how much is {} minus {}",
    "how much is {}-{}",
)

SHOUTING: Final = (
    "shout {}",
    "shout {}",
    "shout the word {}",
    "shout: {}",
    "yell {}",
    "uppercase {}",
    "uppercase the word {}",
    "make {} uppercase",
    "turn {} into uppercase",
    "convert {} to uppercase",
    "{} in uppercase",
    "{} in capitals",
    "{} in capital letters",
    "write {} in capitals",
    "write {} in capital letters",
    "write the word {} in uppercase",
    "capitalize every letter of {}",
    "what is {} in capital letters",
)

NEW: Final = {
    "sorting": (
        "sort all the letters of the word {}",
        "give the letters of {} in alphabetical order",
    ),
    "reversing": ("print the word {} backwards", "give the reverse of {}"),
    "arithmetic": ("tell me {} plus {}", "give the sum of {} and {}"),
    "shouting": ("say {} in capital letters", "put {} into capitals"),
}

LEADS: Final = ("", "", "", "", "please ", "please ", "can you ", "could you ", "now ")
MARKS: Final = ("", "", "", "", ".", "?", "!")
ENDS: Final = (*MARKS, " please", ", please")
QUOTES: Final = ("{}", "{}", "{}", "{}", "{}", "'{}'", '"{}"')
