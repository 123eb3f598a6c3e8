"""Starts a worker: `python -P endpoint/engine/__main__.py ENGINE STORE MEMORY SIZE`; see endpoint.engine.worker."""

import sys
from pathlib import Path
from types import ModuleType

if __name__ == "__main__":
    # The packages without their __init__.py: that of `endpoint` imports the whole web application, half a second and
    # 40 MB that no worker needs.
    here = Path(__file__).resolve().parent
    for name, folder in (("endpoint", here.parent), ("endpoint.engine", here)):
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = [str(folder)]
    from endpoint.engine.worker import main

    main()
