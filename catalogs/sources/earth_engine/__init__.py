"""Earth Engine as a source: scenes by place and year (`search`), pixels on their own grid (`reader`).

The client library (extra `gee`) is imported with the first use, never with these modules.
"""
