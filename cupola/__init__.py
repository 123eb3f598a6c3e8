"""Cupola's command line; the only package that knows both wings: `etl` writes releases, `endpoint` reads them."""
