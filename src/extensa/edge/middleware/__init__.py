"""One small file per middleware, plain ASGI; their order is the list in ``app.py``, outermost first."""
