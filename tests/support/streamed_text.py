"""What the agent of the token deaths answers: two spaces, a line break and more than one byte a character."""

TEXT = "In Röma it is  22 degrees,\nand the sun shines. ☀"
