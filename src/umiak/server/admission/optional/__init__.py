"""Admission plugins that are on only where `--enable-admission-plugins` names them; loaded only there.

As in `umiak.server.admission`, one module each, exporting `ADMISSION`.
"""
