"""The demo dataset is found from a checkout and from an installed package."""

from __future__ import annotations

from pathlib import Path

import pytest

import meaviz.demo
from meaviz.demo import FILE_NAME, DemoMissingError, demo_path
from tests.support import ROOT


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A folder that `meaviz.demo` takes for the package it lies in."""
    folder = tmp_path / "site" / "meaviz"
    folder.mkdir(parents=True)
    monkeypatch.setattr(meaviz.demo, "__file__", str(folder / "demo.py"))
    return folder


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"demo")
    return path


def test_the_checkout_has_the_demo():
    assert demo_path() == ROOT / "assets" / "demo" / FILE_NAME


def test_an_installed_package_has_it_inside(package):
    demo = write(package / "demo_data" / FILE_NAME)
    assert demo_path() == demo


def test_a_checkout_has_it_beside_the_packages(package):
    demo = write(package.parent / "assets" / "demo" / FILE_NAME)
    assert demo_path() == demo


def test_what_is_missing_is_said_with_both_places(package):
    with pytest.raises(DemoMissingError, match="Install meaviz again") as error:
        demo_path()
    assert str(package / "demo_data" / FILE_NAME) in str(error.value)
    assert str(package.parent / "assets" / "demo" / FILE_NAME) in str(error.value)
