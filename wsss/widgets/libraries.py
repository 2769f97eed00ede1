"""Imported first: where the extra `notebooks` is not installed, one line says so."""

from wsss.machine.lazy import needed

__all__ = ["anywidget", "ipywidgets"]

ipywidgets, anywidget = needed("ipywidgets", "wsss.widgets"), needed("anywidget", "wsss.widgets")
