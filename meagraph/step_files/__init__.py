"""The files that hand the result of one command to the next, each naming what it was made from."""
