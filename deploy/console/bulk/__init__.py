"""Acts on many: previewed as a frozen list, confirmed, with progress and a stop. The acts are `operations/acts`."""
