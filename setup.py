"""What pyproject.toml can't say: a wheel holds a copy of config/, which stands beside the package in the repository."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfig(build_py):
    """The build of a wheel."""

    def run(self) -> None:
        """Build as usual, then copy config/ into the package."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "crossover/_config")
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree("config", target)


setup(cmdclass={"build_py": BuildWithConfig})
