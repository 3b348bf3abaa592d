"""What a study has to say, for the terminal, and as JSON, Markdown, HTML and LaTeX: `forms` has the whole of it."""
