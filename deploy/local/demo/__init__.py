"""`stripeline demo`: the main job, all in one, shown to the person and checked by itself."""
