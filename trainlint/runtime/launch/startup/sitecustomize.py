"""Runs at the start of every Python process of a watched program; then whatever it shadows runs."""


def _begin():
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != here]
    try:
        _watch(os, sys)
    except Exception as error:
        sys.stderr.write(f"trainlint: this process is not watched: {error}\n")
    finally:
        _chain(sys)


def _watch(os, sys):
    import json

    orders = os.environ.get("TRAINLINT_RUN")
    if not orders or sys.version_info < (3, 10):
        return
    if "trainlint" not in sys.modules:
        import importlib.util

        home = json.loads(orders)["home"]
        spec = importlib.util.spec_from_file_location(
            "trainlint", os.path.join(home, "__init__.py"), submodule_search_locations=[home]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules["trainlint"] = module
        spec.loader.exec_module(module)
    from trainlint.runtime.launch import child

    child.begin()


def _chain(sys):
    """Run the sitecustomize that Python would have found without this one."""
    import importlib.machinery
    import importlib.util

    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


_begin()
