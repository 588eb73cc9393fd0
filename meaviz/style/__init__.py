"""How the app looks: colours and themes, and the style sheets of the page."""
