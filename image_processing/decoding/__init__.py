"""Reading of video files, image folders and frame streams.

Imports no other room: most files here ship beside saved models.
"""
