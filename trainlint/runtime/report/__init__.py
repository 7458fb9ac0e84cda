"""Reports on a run: one module a form, imported only when it is asked for."""

from __future__ import annotations

from trainlint.runtime.report.terminal import terminal_report

__all__ = ["terminal_report"]
