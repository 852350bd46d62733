"""The explorer: a graph as one HTML file that needs no network and no server."""
