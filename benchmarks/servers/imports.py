"""Print an import statement with all libraries that the modules of the service import directly."""

import ast
import sys
from pathlib import Path

import app.main  # noqa: F401 - imports the other modules

names = set()
for name, module in sys.modules.items():
    if name.partition(".")[0] == "app" and module.__file__:
        for node in ast.parse(Path(module.__file__).read_text("utf-8")).body:
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
libraries = {
    name for name in names if name.partition(".")[0] not in {"app", *sys.stdlib_module_names}
}
print("import", ", ".join(sorted(libraries)))
