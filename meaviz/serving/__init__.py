"""The server: who may come in, what heads the answers, where it listens."""
